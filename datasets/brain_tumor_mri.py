"""The two Kaggle sets of 4-class brain tumor JPEGs, in the layouts of their releases."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.files.pairs import in_utf8, is_utf8, safe, spelled
from benchmark.files.pictures import luminance, read_picture
from benchmark.plugins import (
    InputError,
    Scan,
    VolumeDataset,
    call,
    data_root,
    file_hashes,
    register,
    split_of,
)

SIDES = ("Testing", "Training")  # a picture that is in both is kept in the first
LAYOUTS = (
    {
        "glioma_tumor": "glioma",
        "meningioma_tumor": "meningioma",
        "no_tumor": "none",
        "pituitary_tumor": "pituitary",
    },
    {"glioma": "glioma", "meningioma": "meningioma", "notumor": "none", "pituitary": "pituitary"},
)
CLASSES = tuple(LAYOUTS[0].values())
SUFFIXES = (".jpg", ".jpeg", ".png")
INSIDE = (
    "brain-tumor-mri",
    "brain-tumor-mri-dataset",
    "brain_tumor_mri_masoudnickparvar_224",
    "brain-tumor-classification-mri",
    "brain_tumor_classification_sartajbhuvaji",
)


@register.dataset("brain-tumor-mri", requires=("PIL",), truth="label")
class BrainTumorMri(VolumeDataset):
    """Brain tumor MRI (Kaggle): JPEGs of any size in 4 classes (glioma, meningioma, pituitary,
    none), without masks.

    Reads both releases: masoudnickparvar (Training|Testing/glioma|meningioma|notumor|pituitary;
    7,023 pictures) and sartajbhuvaji (glioma_tumor|meningioma_tumor|no_tumor|pituitary_tumor;
    3,264). Where both are found the first is taken; --root names the other. A sample is called
    Testing-glioma-Te-gl_0134-000. Testing is test; of Training 15 % by a hash of the content are
    val. One copy of each picture counts, Testing's first: files with equal bytes are in no split a
    second time. Patients are not identified: two pictures of one patient may be on both sides.
    classes: those to take, such as glioma,none; empty: all. Gray that is stored as RGB is read as
    gray, and of what is in color the luminance. `full` is 0 to 255 of 8-bit files; `brain` is the
    whole picture without what pads it to a square; 1 mm pixels are assumed.
    """

    name = "brain-tumor-mri"
    salt = "brain-tumor-mri-0"
    kaggle = "masoudnickparvar/brain-tumor-mri-dataset"
    preparation = {"window": "full"}
    licence = (
        "masoudnickparvar: CC0 (as stated on Kaggle); sartajbhuvaji: MIT (as stated on the author's"
        " Hugging Face copy)"
    )
    citation = (
        "Nickparvar, Brain Tumor MRI Dataset, Kaggle (2021); Bhuvaji, Kadam, Bhumkar, Dedge,"
        " Kanchan, Brain Tumor Classification (MRI), Kaggle (2020)"
    )

    def __init__(self, root: Path | None = None, *, classes: str = "", **preparation: Any) -> None:
        if unknown := set(filter(None, classes.split(","))) - set(CLASSES):
            raise InputError(
                f"brain-tumor-mri with classes={classes}",
                f"no class is called {', '.join(sorted(unknown))}",
                f"classes={','.join(CLASSES)}, or some of them",
            )
        super().__init__(root, preparation, classes=classes)

    @cached_property
    def folder(self) -> Path:
        try:
            return data_root(self.root, self.name, INSIDE, "Testing/*/*.[jJpP]*")
        except InputError as error:
            raise InputError(
                error.asked,
                error.found,
                f"{call('data fetch', self.name)}, or unpack {self.kaggle} or "
                "sartajbhuvaji/brain-tumor-classification-mri of Kaggle by hand; then"
                f" {error.todo.marked}",
            ) from None

    def fetch(self) -> Path:
        return self.folder

    def cases(self) -> Mapping[str, Sequence[Path]]:
        cases: dict[str, Sequence[Path]] = {}
        for case, (path, _) in self._pictures.items():
            cases[case] = [path] if is_utf8(path) else []
        return cases

    def numbers(self, case: str) -> tuple[int]:  # noqa: ARG002  # every case is one plane
        return (0,)

    def split(self, case: str) -> str | None:
        """By the release's folder, or a file's word (--set splits=FILE); None of another copy of a
        picture, which is in no split.
        """
        if case in self._copies:
            return None
        if self.how.splits:
            return super().split(case)
        if case.startswith("Testing"):
            return "test"
        return split_of(self._digests[case], self.salt, (0.85, 0.15, 0.0))

    def label(self, sample_id: str) -> str:
        return sample_id.split("-")[1]  # Testing-glioma-Te-gl_0134-000

    def read(self, case: str) -> Scan:
        path, label = self._pictures[case]
        in_utf8(path)
        picture = read_picture(path)
        gray = luminance(picture.planes) if picture.colored else picture.planes
        return Scan(
            case,
            {"image": gray},
            (0,),
            full=(0.0, 255.0) if gray.dtype == np.uint8 else None,
            label=label,
            notes=("it has colors, of which the luminance is read",) if picture.colored else (),
        )

    @cached_property
    def _pictures(self) -> dict[str, tuple[Path, str]]:
        """Case -> file, class."""
        folders = []
        for side in SIDES:
            inside = sorted((self.folder / side).glob("[!.]*"))
            folders += [folder for folder in inside if folder.is_dir()]
        names = {folder.name for folder in folders}
        layout = next((layout for layout in LAYOUTS if names <= set(layout)), None)
        if layout is None:
            raise InputError(
                f"the classes in {self.folder}",
                f"folders {', '.join(sorted(names))}",
                "the folders of one release:"
                f" {' or '.join(', '.join(layout) for layout in LAYOUTS)}",
            )
        wanted = self.own["classes"].split(",") if self.own["classes"] else CLASSES
        named: dict[str, list[tuple[Path, str]]] = {}
        for folder in folders:
            for path in sorted(folder.glob("[!.]*")):
                if path.suffix.lower() in SUFFIXES and layout[folder.name] in wanted:
                    case = f"{folder.parent.name}-{layout[folder.name]}-{safe(path.stem)}"
                    named.setdefault(case.casefold(), []).append((path, case))
        pictures = {}
        for group in named.values():
            for path, case in group:
                if len(group) > 1:  # names that differ in what a case's name cannot hold
                    case = f"{case}_{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:6]}"
                pictures[case] = (path, layout[path.parent.name])
        return pictures

    @cached_property
    def _digests(self) -> dict[str, str]:
        """Case -> hash of the file's bytes."""
        digests = {}
        readable = {}
        for case, (path, _) in self._pictures.items():
            digests[case] = spelled(path)  # `read` refuses what has no UTF-8: any hash will do
            if is_utf8(path):
                readable[case] = path
        hashes = file_hashes(readable.values())
        return digests | dict(zip(readable, hashes, strict=True))

    @cached_property
    def _copies(self) -> dict[str, str]:
        """Case -> the case that it copies."""
        first: dict[str, str] = {}
        copies: dict[str, str] = {}
        both, other = [], []  # copies in the other folder, and in another class
        order = sorted(self._digests, key=lambda case: (SIDES.index(case.partition("-")[0]), case))
        for case in order:
            kept = first.setdefault(self._digests[case], case)
            if kept == case:
                continue
            copies[case] = kept
            if case.partition("-")[0] != kept.partition("-")[0]:
                both.append(case)
            if self._pictures[case][1] != self._pictures[kept][1]:
                other.append(case)
        if copies:
            warnings.warn(
                f"brain-tumor-mri: {len(copies)} of {len(order)} pictures are copies, byte for"
                f" byte, and are left out: {len(both)} of Training are in Testing"
                f" too{f' (such as {both[0]})' if both else ''}, and {len(other)} are in another"
                f" class{f' (such as {other[0]}, {copies[other[0]]})' if other else ''}",
                stacklevel=2,
            )
        return copies

"""Kaggle LGG: FLAIR slices of lower-grade gliomas with masks, in the layout of the release."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy import ndimage

from benchmark.files.pairs import in_utf8, is_utf8, spelled
from benchmark.plugins import InputError, Scan, VolumeDataset, call, data_root, register

CHANNELS = ("pre-contrast", "flair", "post-contrast")


@register.dataset("lgg", requires=("tifffile", "scipy"))
class Lgg(VolumeDataset):
    """Kaggle LGG: 110 patients with lower-grade glioma, pre-contrast, FLAIR and post-contrast
    slices with tumour masks.

    Reads the layout of the release, `kaggle_3m/TCGA_*/TCGA_*_N.tif` with `_mask.tif` beside each. A
    sample is called TCGA_CS_4941_19960909-011: patient, date, and N with leading zeros. Splits go
    by a hash of the patient (TCGA_CS_4941), about 60 / 12 / 28 %. The window `full` is the file's 0
    to 255. `brain` is an estimate of the head, skull and scalp included: smoothed FLAIR above a
    fifth of the volume's 90th percentile, holes filled, the largest piece. The files carry no
    spacing: 1 mm is assumed. Volume statistics: over all slices of the patient, the selected
    channels together.
    """

    name = "lgg"
    # Salts lgg-0, lgg-1, ... were tried in turn, and the first was taken that puts at least 9 of 28
    # patients at hand into test, 16 into train and 3 into val, and of all 110 within 4 patients of
    # 60, 12 and 28 %. Nothing but these counts was looked at.
    salt = "lgg-25"
    preparation = {"slices": "tumour", "window": "full"}
    licence = (
        "CC BY-NC-SA 4.0 (as stated on Kaggle); images from TCIA TCGA-LGG, CC BY 3.0. Not for"
        " commercial use"
    )
    citation = (
        "Buda, Saha, Mazurowski, Association of genomic subtypes of lower-grade gliomas with shape"
        " features automatically extracted by a deep learning algorithm, Computers in Biology and"
        " Medicine 109 (2019)"
    )

    kaggle = "mateuszbuda/lgg-mri-segmentation"

    def __init__(
        self,
        root: Path | None = None,
        *,
        channel: Literal["flair", "all"] = "flair",
        **preparation: Any,
    ) -> None:
        if channel not in ("flair", "all"):
            raise InputError(
                f"lgg with channel={channel}", "no such channel", "channel=flair or channel=all"
            )
        super().__init__(root, preparation, channel=channel)

    @cached_property
    def folder(self) -> Path:
        inside = ["lgg/kaggle_3m", "kaggle_3m", "lgg-mri-segmentation/kaggle_3m"]
        try:
            return data_root(self.root, "lgg", inside, "TCGA_*/TCGA_*_1.tif")
        except InputError as error:
            raise InputError(
                error.asked,
                error.found,
                f"{call('data fetch', 'lgg')} (with an account at Kaggle), or unpack "
                f"kaggle.com/datasets/{self.kaggle} by hand; then {error.todo.marked}",
            ) from None

    def fetch(self) -> Path:
        return self.folder

    def cases(self) -> dict[str, Sequence[Path]]:
        cases: dict[str, Sequence[Path]] = {}
        for case, folder in self._folders.items():
            files = _numbered(folder, r"(?:_mask)?") if is_utf8(folder) else []
            cases[case] = [path for _, path in files]
        return cases

    @cached_property
    def _folders(self) -> dict[str, Path]:
        folders = {}
        for folder in self.folder.glob("TCGA_*_*_*"):
            if folder.is_dir():
                folders[spelled(folder.name)] = folder
        return folders

    def patient(self, case: str) -> str:
        """TCGA_CS_4941 of TCGA_CS_4941_19960909: the person, whatever the date of the scan."""
        return "_".join(case.split("_")[:3])

    def numbers(self, case: str) -> list[int]:
        return [number for number, _ in self._slices(case)]

    def areas(self, case: str) -> list[int]:
        return [int(np.count_nonzero(_mask(path))) for _, path in self._slices(case)]

    def read(self, case: str) -> Scan:
        files = self._slices(case)
        stack, masks = _stacks(files)
        names = ("flair",) if self.own["channel"] == "flair" else CHANNELS
        flair = stack[..., 1]
        channels = {}
        notes = []
        for name in names:
            voxels = stack[..., CHANNELS.index(name)]
            channels[name] = voxels
            if name != "flair" and np.array_equal(voxels, flair):
                notes.append(f"{name} is missing, the file repeats FLAIR in its place")
        numbers = [number for number, _ in files]
        missing = sorted(set(range(min(numbers), max(numbers))) - set(numbers))
        if missing:
            listed = ", ".join(map(str, missing))
            notes.append(f"slice {listed} is missing: those beside it are no neighbors")
        return Scan(
            case,
            channels,
            tuple(numbers),
            labels=masks.astype(np.uint8),
            known=(0, 1),
            brain=_Head(flair),
            full=(0.0, 255.0),
            notes=tuple(notes),
        )

    def _slices(self, case: str) -> list[tuple[int, Path]]:
        """(number, file) of a case's slices; raises InputError where it has none, as in a copy
        whose folder alone was renamed.
        """
        folder = self._folders[case]
        in_utf8(folder)
        files = _numbered(folder)
        if files:
            return files
        others = sorted(spelled(path.name) for path in folder.glob("TCGA_*_*.tif"))
        if others:
            raise InputError(
                f"the case {case} of lgg",
                f"its files are called otherwise, such as {others[0]}: a copy of another folder?",
                f"remove {folder}, or give it the name of its files",
            )
        raise InputError(
            f"the case {case} of lgg",
            f"no file {case}_1.tif in {folder}",
            "restore its files from the release, or remove the folder",
        )


class _Head:
    """Head mask [H, W] of a slice; see the data set's description."""

    def __init__(self, flair: np.ndarray) -> None:
        voxels = flair[flair > 5]
        self.flair = flair
        self.threshold = 0.2 * float(np.percentile(voxels, 90)) if voxels.size else 0.0

    def __call__(self, k: int) -> np.ndarray:
        smooth = ndimage.gaussian_filter(self.flair[k].astype(float), 2)
        label, count = ndimage.label(_filled(smooth > self.threshold))
        head: np.ndarray = label > 0
        if count:
            head = label == 1 + int(np.argmax(np.bincount(label.ravel())[1:]))
        return head


def _stacks(files: list[tuple[int, Path]]) -> tuple[np.ndarray, np.ndarray]:
    """Slices [N, H, W, 3] and masks [N, H, W] of a case; raises InputError where one is none."""
    images, masks = [], []
    for _, path in files:
        image, mask = _read(path), _mask(path)
        images.append(image)
        masks.append(mask)
        if image.shape != (*images[0].shape[:2], 3) or image.dtype != np.uint8:
            raise InputError(
                f"the image {path}",
                f"{image.dtype} of shape {image.shape}; {files[0][1].name} has "
                f"{images[0].shape}, and 3 channels of uint8 are due",
                "restore the file from the release",
            )
        if mask.shape != image.shape[:2]:
            raise InputError(
                f"the mask of {path}",
                f"its shape is {mask.shape}, the image's {image.shape[:2]}",
                "restore both files from the release",
            )
    return np.stack(images), np.stack(masks)


def _filled(mask: np.ndarray) -> np.ndarray:
    """The mask without holes, as ndimage.binary_fill_holes has it, in a third of its time."""
    label, count = ndimage.label(~mask)
    outside = np.zeros(count + 1, bool)
    outside[np.concatenate([label[0], label[-1], label[:, 0], label[:, -1]])] = True
    outside[0] = False  # the mask itself
    filled: np.ndarray = ~outside[label]
    return filled


def _numbered(case: Path, end: str = "") -> list[tuple[int, Path]]:
    """(number, file) of the files CASE_N.tif, in natural order."""
    called = re.compile(rf"{re.escape(case.name)}_(\d+){end}")
    found = []
    for path in case.glob(f"{glob.escape(case.name)}_*.tif"):
        match = called.fullmatch(path.stem)
        if match:
            found.append((int(match[1]), path))
    return sorted(found)


def _mask(image: Path) -> np.ndarray:
    """The mask [H, W] beside a slice."""
    path = image.with_name(f"{image.stem}_mask.tif")
    if not path.is_file():
        raise InputError(
            f"the mask of {image}", f"no file {path.name} beside it", "restore it from the release"
        )
    marked: np.ndarray = _read(path) > 0
    return marked


def _read(path: Path) -> np.ndarray:
    import tifffile

    try:
        image: np.ndarray = tifffile.imread(path)
        return image
    except Exception as error:  # a broken TIFF raises whatever its decoder happens to meet
        raise InputError(
            f"the image {path}",
            f"no readable TIFF ({type(error).__name__}: {error})",
            "restore the file from the release",
        ) from error

"""Writes BraTS cases as a Task01_BrainTumour folder of the Medical Segmentation Decathlon."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.errors import InputError

CHANNELS = ("FLAIR", "T1w", "T1gd", "T2w")  # Task01's order; its own dataset.json writes the third one t1gd
# How BraTS releases of several years end the names of their files.
ENDINGS = {"FLAIR": ("flair", "t2f"), "T1w": ("t1", "t1n"), "T1gd": ("t1ce", "t1c", "t1gd"), "T2w": ("t2", "t2w"),
           "labels": ("seg",)}
# BraTS: 1 necrosis and non-enhancing tumor (3 is non-enhancing in 2013 to 2016), 2 edema, 4 enhancing tumor.
LABELS = {0: 0, 1: 2, 2: 1, 3: 2, 4: 3}
LABEL_NAMES = {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"}


def write_task01(folders: Sequence[Path], out: Path, *, compressed: bool = True) -> dict[str, Path]:
    """Write imagesTr, labelsTr and dataset.json to `out`; returns {BRATS_001: the case it was made from}.

    Images are 4-D (FLAIR, T1w, T1gd, T2w) in right-anterior-superior order: Task01's storage order, in which a BraTS
    volume (left-posterior-superior) is flipped in both in-plane axes. Labels are renumbered as Task01's dataset.json
    says. Raises InputError where a case lacks a file, shapes differ, a label is unknown, or `out` holds a dataset.json.
    """
    if (out / "dataset.json").exists():
        raise InputError(f"writing Task01 to {out}", "it holds a dataset.json already", "--out another folder")
    cases = [case for folder in folders for case in _cases(folder)]
    ending = ".nii.gz" if compressed else ".nii"
    training, made = [], {}
    for part in ("imagesTr", "labelsTr"):
        (out / part).mkdir(parents=True, exist_ok=True)
    for i, case in enumerate(cases, 1):
        name = f"BRATS_{i:03d}"
        image, labels = _read_case(case)
        image.to_filename(out / "imagesTr" / f"{name}{ending}")
        labels.to_filename(out / "labelsTr" / f"{name}{ending}")
        training.append({"image": f"./imagesTr/{name}{ending}", "label": f"./labelsTr/{name}{ending}"})
        made[name] = case
    description = {"name": "BRATS", "description": "BraTS cases in the layout of Task01_BrainTumour",
                   "tensorImageSize": "4D", "modality": {str(i): name for i, name in enumerate(CHANNELS)},
                   "labels": LABEL_NAMES, "numTraining": len(training), "numTest": 0, "training": training, "test": []}
    (out / "dataset.json").write_text(json.dumps(description, indent=1) + "\n")
    return made


def _cases(folder: Path) -> Iterator[Path]:
    """`folder` itself where it holds a case, else the folders in it that do; raises InputError where there is none."""
    if not folder.is_dir():
        raise InputError(f"the BraTS case {folder}", "no such folder", "--from-brats FOLDER with *_flair.nii.gz in it")
    found = [case for case in (folder, *sorted(folder.iterdir())) if case.is_dir() and _file(case, "FLAIR")]
    if not found:
        raise InputError(f"the BraTS case {folder}", "no file that ends in _flair.nii.gz, here or one folder down",
                         "--from-brats FOLDER with *_flair, *_t1, *_t1ce, *_t2 and *_seg in it")
    yield from found


def _file(case: Path, what: str) -> Path | None:
    ending = re.compile(rf"[-_]({'|'.join(ENDINGS[what])})\.nii(\.gz)?$", re.IGNORECASE)
    return next((path for path in sorted(case.iterdir()) if ending.search(path.name)), None)


def _read_case(case: Path) -> tuple[Any, Any]:
    """The 4-D image and the label image of a case, canonical and renumbered."""
    import nibabel

    read = {}
    for what in (*CHANNELS, "labels"):
        if (path := _file(case, what)) is None:
            raise InputError(f"the {what} of the BraTS case {case}", f"no file that ends in _{ENDINGS[what][0]}.nii.gz",
                             "a case with all four channels and the segmentation")
        try:
            image = nibabel.as_closest_canonical(nibabel.load(path))
            voxels = np.asanyarray(image.dataobj)
        except Exception as error:  # a broken file raises whatever nibabel or zlib happen to meet
            raise InputError(f"the volume {path}", f"no readable NIfTI ({type(error).__name__}: {error})",
                             "fetch the file again") from None
        read[what] = (path, image.affine, voxels)
    path, affine, labels = read["labels"]
    for other, _, voxels in read.values():
        if voxels.shape != labels.shape:
            raise InputError(f"the BraTS case {case}",
                             f"{other.name} has shape {voxels.shape}, {path.name} {labels.shape}",
                             "files of one case in one space")
    unknown = sorted(set(np.unique(labels).tolist()) - set(LABELS))
    if unknown:
        raise InputError(f"the labels {path}", f"values {unknown}; BraTS has 0 to 4", "the segmentation of the release")
    renumbered = np.zeros(labels.shape, np.uint8)
    for brats, task in LABELS.items():
        renumbered[labels == brats] = task
    stack = np.stack([read[channel][2] for channel in CHANNELS], axis=-1)
    return nibabel.Nifti1Image(stack, affine), nibabel.Nifti1Image(renumbered, affine)

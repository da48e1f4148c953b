"""Writes BraTS cases as a Task01_BrainTumour folder of the Medical Segmentation Decathlon."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.errors import InputError, field
from benchmark.files.brats import Layout, part_of
from benchmark.files.volumes import Volume, as_labels, read_volume, same_grid
from benchmark.files.writing import replacing, whole

# Task01's channels in its order (its own dataset.json writes the third one t1gd), and how BraTS
# calls them.
CHANNELS = {"FLAIR": "flair", "T1w": "t1", "T1gd": "t1ce", "T2w": "t2"}
LABEL_NAMES = {"0": "background", "1": "edema", "2": "non-enhancing tumor", "3": "enhancing tumour"}


def write_task01(folders: Sequence[Path], out: Path, *, compressed: bool = True) -> dict[str, Path]:
    """Write imagesTr, labelsTr and dataset.json to `out`; returns {BRATS_001: the case it was made
    from}.

    Images are 4-D (FLAIR, T1w, T1gd, T2w) in right-anterior-superior order: Task01's storage order,
    in which a BraTS volume (left-posterior-superior) is flipped in both in-plane axes. Labels are
    renumbered as Task01's dataset.json says. Raises InputError where a case lacks a file, files are
    not on one grid, a label is unknown, or `out` holds a dataset.json.
    """
    if (out / "dataset.json").exists():
        raise InputError(
            f"writing Task01 to {out}", "it holds a dataset.json already", f"another {field('out')}"
        )
    cases = [case for folder in folders for case in _cases(folder)]
    ending = ".nii.gz" if compressed else ".nii"
    training, made = [], {}
    for part in ("imagesTr", "labelsTr"):
        (out / part).mkdir(parents=True, exist_ok=True)
    for i, case in enumerate(cases, 1):
        name = f"BRATS_{i:03d}"
        image, labels = _read_case(case)
        for part, made_of in (("imagesTr", image), ("labelsTr", labels)):
            with replacing(out / part / f"{name}{ending}") as beside:
                made_of.to_filename(beside)
        training.append(
            {"image": f"./imagesTr/{name}{ending}", "label": f"./labelsTr/{name}{ending}"}
        )
        made[name] = case
    description = {
        "name": "BRATS",
        "description": "BraTS cases in the layout of Task01_BrainTumour",
        "tensorImageSize": "4D",
        "modality": {str(i): name for i, name in enumerate(CHANNELS)},
        "labels": LABEL_NAMES,
        "numTraining": len(training),
        "numTest": 0,
        "training": training,
        "test": [],
        "persons": {name: case.name for name, case in made.items()},
    }
    whole(out / "dataset.json", json.dumps(description, indent=1) + "\n")
    return made


def _cases(folder: Path) -> Iterator[Path]:
    """`folder` itself where it holds a case, else the folders in it that do; raises InputError
    where there is none.
    """
    if not folder.is_dir():
        raise InputError(
            f"the BraTS case {folder}",
            "no such folder",
            f"{field('folders', 'FOLDER')} with *_flair.nii.gz in it",
        )
    found = [
        case
        for case in (folder, *sorted(folder.iterdir()))
        if case.is_dir() and "flair" in _files(case)
    ]
    if not found:
        raise InputError(
            f"the BraTS case {folder}",
            "no file that ends in _flair.nii.gz, here or one folder down",
            f"{field('folders', 'FOLDER')} with *_flair, *_t1, *_t1ce, *_t2 and *_seg in it",
        )
    yield from found


def _files(case: Path) -> dict[str, tuple[Path, Layout]]:
    """Files of a case by what they are, and the layout of the years that call them so."""
    found = {
        path: known
        for path in sorted(case.iterdir(), reverse=True)
        if (known := part_of(path.name)) and path.is_file()
    }
    return {part: (path, layout) for path, (layout, part) in found.items()}


def _read_case(case: Path) -> tuple[Any, Any]:
    """The 4-D image and the label image of a case, canonical and renumbered."""
    import nibabel

    files = _files(case)
    for what, part in (*CHANNELS.items(), ("labels", "seg")):
        if part not in files:
            raise InputError(
                f"the {what} of the BraTS case {case}",
                f"no file that ends in _{part}.nii.gz, or as another year calls it",
                "a case with all four channels and the segmentation",
            )
    (path, layout), flair = files["seg"], files["flair"][0]
    channels: list[Volume] = [read_volume(files[part][0], like=flair) for part in CHANNELS.values()]
    drawn = read_volume(path, like=flair)
    same_grid(channels[0], [*channels[1:], drawn])
    labels = as_labels(drawn.voxels, f"the labels {path}")
    unknown = sorted(set(np.unique(labels).tolist()) - set(layout.known))
    if unknown:
        raise InputError(
            f"the labels {path}",
            f"values {unknown}; {layout.years} has {', '.join(map(str, layout.known))}",
            "the segmentation of the release",
        )
    renumbered = np.zeros(labels.shape, np.uint8)
    for task, numbers in enumerate(
        ((layout.edema,), layout.core, (layout.enhancing,)), 1
    ):  # the core's enhancing part comes last
        renumbered[np.isin(labels, numbers)] = task
    stack, affine = np.stack([channel.voxels for channel in channels], axis=-1), channels[0].affine
    return nibabel.Nifti1Image(stack, affine), nibabel.Nifti1Image(renumbered, affine)

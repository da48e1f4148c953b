"""Task01 as it lies on a disk, and BraTS cases to write it from."""

from __future__ import annotations

import json
import os
from pathlib import Path

import nibabel
import numpy as np

from benchmark.plugins.index import get

SHAPE = (20, 24, 9)


CASE = "BRATS_001"  # a test case


def voxels() -> tuple[np.ndarray, np.ndarray]:
    """A canonical 4-D image and its labels: brain in the middle, edema 1, non-enhancing 2,
    enhancing 3.
    """
    rng = np.random.default_rng(0)
    image = np.zeros((*SHAPE, 4), np.float32)
    image[3:17, 3:21, 1:7] = rng.integers(100, 900, (14, 18, 6, 4))
    labels = np.zeros(SHAPE, np.uint8)
    labels[5:12, 5:12, 2:6] = 1
    labels[6:10, 6:10, 4:6] = 2
    labels[7:9, 7:9, 5] = 3
    return image, labels


def write(
    folder: Path,
    image: np.ndarray,
    labels: np.ndarray,
    *,
    end: str = ".nii.gz",
    affine=None,
    cases: tuple[str, ...] = (CASE,),
) -> Path:
    affine = np.diag([1.0, 2.0, 3.0, 1.0]) if affine is None else affine
    training = []
    for case in cases:
        for part, array in (("imagesTr", image), ("labelsTr", labels)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(array, affine), folder / part / f"{case}{end}")
        training.append({"image": f"./imagesTr/{case}{end}", "label": f"./labelsTr/{case}{end}"})
    (folder / "dataset.json").write_text(
        json.dumps(
            {
                "modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"},
                "training": training,
                "test": [],
                "labels": {
                    "0": "background",
                    "1": "edema",
                    "2": "non-enhancing tumor",
                    "3": "enhancing tumour",
                },
            }
        )
    )
    return folder


def decathlon(root: Path | None, **options):
    return get("dataset", "decathlon").load()(root, **{"size": 0, **options})


def write_brats(
    folder: Path,
    names: tuple[str, ...] = ("_flair", "_t1", "_t1ce", "_t2", "_seg"),
    enhancing: int = 4,
) -> Path:
    """A BraTS case: left-posterior-superior, labels 1, 2 and 4 (until 2021) or 3."""
    image, labels = voxels()
    folder.mkdir(parents=True)
    brats = np.array([0, 2, 1, enhancing], np.int16)[labels]
    arrays = [*np.moveaxis(image, -1, 0).astype(np.int16), brats]
    affine = np.array([[-1, 0, 0, 19], [0, -1, 0, 23], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    for name, array in zip(names, arrays, strict=True):
        nibabel.save(
            nibabel.Nifti1Image(array[::-1, ::-1], affine), folder / f"{folder.name}{name}.nii.gz"
        )
    return folder


REAL = Path(os.environ.get("SINCO_BENCH_DATA", "nowhere"))

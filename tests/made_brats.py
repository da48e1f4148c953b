"""Cases of BraTS as its years have them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from benchmark.plugins.index import get
from tests.volume_files import save_volume

SHAPE = (7, 20, 24)


PARTS = ("flair", "t1", "t1ce", "t2", "seg")


VSD = {
    "flair": "VSD.Brain.XX.O.MR_Flair.54512",
    "t1": "VSD.Brain.XX.O.MR_T1.54513",
    "t1ce": "VSD.Brain.XX.O.MR_T1c.54514",
    "t2": "VSD.Brain.XX.O.MR_T2.54515",
    "seg": "VSD.Brain_3more.XX.O.OT.54517",
}


ZSCORED = {
    "flair": "Flair_subtrMeanDivStd",
    "t1": "T1_subtrMeanDivStd",
    "t1ce": "T1c_subtrMeanDivStd",
    "t2": "T2_subtrMeanDivStd",
    "seg": "OTMultiClass",
}


# Case, its files, and the label numbers of necrosis, edema and enhancing tumor.
YEARS = {
    "2015": (
        "BRATS2015_Training/HGG/brats_tcia_pat118_0001",
        {part: f"{name}/{name}.mha" for part, name in VSD.items()},
        (3, 2, 4),
    ),
    "2015 lone": (
        "BRATS2015_Training/LGG/brats_2013_pat0001_1",
        {
            part: f"{name}/{name}.mha"
            for part, name in (VSD | {"seg": "VSD.Brain.XX.O.OT.42291"}).items()
        },
        (1, 2, 4),
    ),
    "2018": (
        "MICCAI_BraTS_2018_Data_Training/HGG/Brats18_CBICA_AAB_1",
        {p: f"Brats18_CBICA_AAB_1_{p}.nii.gz" for p in PARTS},
        (1, 2, 4),
    ),
    "2020": (
        "MICCAI_BraTS2020_TrainingData/BraTS20_Training_355",
        {p: f"BraTS20_Training_355_{p}.nii" for p in PARTS} | {"seg": "W39_1998.09.19_Segm.nii"},
        (1, 2, 4),
    ),
    "2021": (
        "RSNA_ASNR_MICCAI_BraTS2021_TrainingData/BraTS2021_00000",
        {p: f"BraTS2021_00000_{p}.nii.gz" for p in PARTS},
        (1, 2, 4),
    ),
    "2023": (
        "ASNR-MICCAI-BraTS2023-GLI-Challenge-TrainingData/BraTS-GLI-00000-000",
        {
            p: f"BraTS-GLI-00000-000-{end}.nii.gz"
            for p, end in zip(PARTS, ("t2f", "t1n", "t1c", "t2w", "seg"), strict=True)
        },
        (1, 2, 3),
    ),
    "DeepMedic": (
        "brats2015TrainingData/train/brats_2013_pat0005_1",
        {p: f"{name}.nii.gz" for p, name in ZSCORED.items()},
        (1, 2, 4),
    ),
}


def scan(background: float = 0) -> dict[str, np.ndarray]:
    """Four channels [Z, H, W] on a constant background, and labels 1 necrosis, 2 edema, 3
    enhancing.
    """
    rng = np.random.default_rng(5)
    arrays = {}
    for part in PARTS[:4]:
        arrays[part] = np.full(SHAPE, background, np.int16 if background == 0 else np.float32)
        arrays[part][1:6, 3:18, 4:21] = rng.integers(100, 900, (5, 15, 17))
    labels = np.zeros(SHAPE, np.int16)
    labels[2:5, 5:11, 6:12] = 2
    labels[3:5, 6:10, 7:11] = 3
    labels[4, 7:9, 8:10] = 1
    return arrays | {"seg": labels}


def write(
    root: Path,
    year: str,
    case: str = "",
    arrays: dict[str, np.ndarray] | None = None,
    parts: tuple[str, ...] = PARTS,
) -> Path:
    """Write a case of a year, under another name where `case` says so; returns its folder."""
    where, files, numbers = YEARS[year]
    known, arrays = Path(where).name, arrays or scan()
    folder = root / Path(where).parent / (case or known)
    for part in parts:
        voxels = np.array([0, *numbers], np.int16)[arrays["seg"]] if part == "seg" else arrays[part]
        save_volume(folder / files[part].replace(known, case or known), voxels)
    return folder


def brats(root: Path | None, **options):
    return get("dataset", "brats").load()(root, **{"size": 0} | options)


REAL = Path(os.environ.get("SINCO_BENCH_DATA", "nowhere"))

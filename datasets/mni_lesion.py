"""Simulated brain slices with lesions on the MNI152 anatomy: nothing to download."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from benchmark.plugins import Dataset, InputError, Sample, VolumeStatistics, option, register
from benchmark.plugins.datasets._atlas import CENTER
from benchmark.plugins.datasets._fields import Draws
from benchmark.plugins.datasets._patient import Anatomy, Lesion
from benchmark.plugins.datasets._signal import signal_and_mask

PATIENTS = {"train": range(1, 401), "val": range(401, 441), "test": range(441, 501)}
SLICES = 3
FIELD_OF_VIEW = 208.0  # mm
REACH = 160.0  # mm that the planes of a volume may span, about the middle of the brain
LEVELS = 4095  # images are stored as 12-bit integers, as a scanner's are


@register.dataset("mni-lesion", requires=("nilearn", "nibabel", "scipy"))
class MniLesion(Dataset):
    """Simulated FLAIR or T1 slices with lesions on real anatomy (MNI152): 500 patients, 3 slices
    each, no download.

    Each patient is the MNI152 atlas under a smooth random deformation, with its own tissue
    intensities, bias field and noise, and, but for one in sixteen, a lesion: a core, and edema that
    follows white matter and pushes its surroundings away. The mask is core and edema; about one
    slice in six has none. Everything follows from the id alone, and the same id at another size or
    contrast is the same patient. Skull-stripped, as BraTS is. Row 0 is anterior, column 0 the
    patient's right. `size`: pixels a side of a field of view of 208 mm; `noise`: standard deviation
    in each of the two receiver channels, as a share of the window. Volumes have `planes` planes, as
    far apart as pixels are, lowest first, about the lesion's middle as far as the head allows, or
    about the brain's where there is none.
    """

    licence = (
        "simulated by this project (MIT) on the MNI152 maps, Copyright (C) 1993-2009 Louis Collins,"
        " McConnell Brain Imaging Centre, Montreal Neurological Institute, McGill University (free"
        " use with this notice)"
    )
    citation = (
        "Fonov et al., Unbiased average age-appropriate atlases for pediatric studies, NeuroImage"
        " 54 (2011) 313"
    )

    def __init__(
        self,
        root: Path | None = None,
        *,
        size: int = 128,
        contrast: Literal["flair", "t1"] = "flair",
        noise: float = 0.02,
        planes: int = 32,
    ) -> None:
        if size < 16:
            raise InputError(
                f"mni-lesion with size={size}",
                "a size below 16 pixels",
                option("mni-lesion.size", 128),
            )
        if contrast not in ("flair", "t1"):
            raise InputError(
                f"mni-lesion with contrast={contrast}", "no such contrast", "contrast=flair or t1"
            )
        if not 0 <= noise < 1:
            raise InputError(
                f"mni-lesion with noise={noise}",
                "noise outside [0, 1)",
                option("mni-lesion.noise", 0.02),
            )
        self.size, self.contrast, self.noise, self.planes = size, contrast, noise, planes

    def fetch(self) -> None:
        return None

    def ids(self, split: str) -> list[str]:
        if split not in PATIENTS:
            raise InputError(
                f"the split {split!r}", "no such split", f"one of {', '.join(PATIENTS)}"
            )
        return [f"p{patient:04d}-s{k}" for patient in PATIENTS[split] for k in range(1, SLICES + 1)]

    def load(self, sample_id: str) -> Sample:
        found = re.fullmatch(r"(p(\d{4}))-s([1-3])", sample_id)
        if not found or not 1 <= int(found[2]) <= 500:
            raise InputError(
                f"mni-lesion {sample_id}",
                "no such sample",
                "p0001-s1 to p0500-s3 (test: from p0441-s1)",
            )
        slices = _slices(int(found[2]), self.size, self.contrast, self.noise)
        k = int(found[3]) - 1
        spacing = FIELD_OF_VIEW / self.size
        return Sample(
            id=sample_id,
            dataset="mni-lesion",
            patient=found[1],
            image=slices.image[k, ..., None].copy(),
            mask=slices.mask[k].copy(),
            brain=slices.brain[k].copy(),
            channels=(self.contrast,),
            volume=slices.volume,
            slice_index=slices.z[k],
            spacing_mm=(spacing, spacing),
            window=(0.0, float(LEVELS)),
        )

    def volumes(self, split: str) -> list[str]:
        return list(dict.fromkeys(sample_id.partition("-")[0] for sample_id in self.ids(split)))

    def load_volume(self, volume_id: str) -> Sample:
        found = re.fullmatch(r"p(\d{4})", volume_id)
        if not found or not 1 <= int(found[1]) <= 500:
            raise InputError(
                f"mni-lesion {volume_id}", "no such volume", "p0001 to p0500 (test: from p0441)"
            )
        spacing = FIELD_OF_VIEW / self.size
        most = int(REACH / FIELD_OF_VIEW * self.size)
        if not 2 <= self.planes <= most:
            raise InputError(
                f"mni-lesion with planes={self.planes}",
                f"{self.size} pixels a side make them {spacing:g} mm apart, and the "
                f"head is {REACH:g} mm high",
                f"planes from 2 to {most}, or a larger size",
            )
        planes = _slices(int(found[1]), self.size, self.contrast, self.noise, self.planes)
        rows = (self.planes * self.size, self.size)
        return Sample(
            id=volume_id,
            dataset="mni-lesion",
            patient=volume_id,
            image=planes.image.reshape(*rows, 1).copy(),
            mask=planes.mask.reshape(rows).copy(),
            brain=planes.brain.reshape(rows).copy(),
            channels=(self.contrast,),
            volume=planes.volume,
            spacing_mm=(spacing, spacing),
            window=(0.0, float(LEVELS)),
            depth=self.planes,
        )


@dataclass(frozen=True)
class _Slices:
    image: np.ndarray
    mask: np.ndarray
    brain: np.ndarray
    z: list[int]
    volume: VolumeStatistics


@lru_cache(maxsize=8)
def _slices(
    patient: int, size: int, contrast: str, noise: float, planes: int | None = None
) -> _Slices:
    """The slices of one patient, or the planes of a volume: image float32 [3 or planes, H, W], mask
    and brain.
    """
    draws = Draws(patient)
    anatomy = Anatomy(draws)
    lesion = Lesion(draws, anatomy) if draws.uniform(0, 1) > 0.06 else None
    z = _heights(draws, lesion)
    if planes is not None:
        z = _contiguous(lesion, planes, FIELD_OF_VIEW / size)
    offsets = (np.arange(size) + 0.5) / size * FIELD_OF_VIEW - FIELD_OF_VIEW / 2
    grid = (
        CENTER[0] - offsets,
        CENTER[1] - offsets,
        z,
    )  # radiological: right is left, anterior is up
    tissue = anatomy.tissue(grid, lesion)
    signal, mask = signal_and_mask(draws, grid, tissue, lesion, contrast, FIELD_OF_VIEW / size)
    real, imaginary = noise * draws.normals(2 * signal.size).reshape(2, *signal.shape)
    image = np.hypot(signal + real, imaginary)
    image = (np.round(np.clip(image, 0, 1) * LEVELS) / LEVELS).astype(np.float32)
    return _Slices(
        image, mask, tissue["brain"] > 0.5, [round(float(h)) for h in z], VolumeStatistics.of(image)
    )


def _contiguous(lesion: Lesion | None, planes: int, spacing: float) -> np.ndarray:
    """Heights in mm of planes about the lesion, moved to where they all lie within REACH."""
    room = (REACH - planes * spacing) / 2
    middle = (
        CENTER[2]
        if lesion is None
        else np.clip(lesion.center[2], CENTER[2] - room, CENTER[2] + room)
    )
    heights: np.ndarray = middle + (np.arange(planes) - (planes - 1) / 2) * spacing
    return heights


def _heights(draws: Draws, lesion: Lesion | None) -> np.ndarray:
    """Three heights in mm, sorted: two through the lesion and one that may miss it."""
    if lesion is None:
        return np.sort(np.array([60.0, 80.0, 100.0]) + draws.uniforms(-8, 8, 3))
    c, r = lesion.center[2], lesion.reach
    near, far = draws.uniform(-0.3, 0.3), draws.uniform(0.45, 0.75)
    miss = draws.uniform(0, 1) < 0.35
    away = draws.uniform(1.35, 1.8) if miss else draws.uniform(0.5, 0.8)
    side = 1.0 if draws.uniform(0, 1) < 0.5 else -1.0
    if not 50 < c - side * away * r < 128:
        side = -side
    return np.sort(np.array([c + near * r, c + side * far * r, c - side * away * r]))

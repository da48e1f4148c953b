"""The plain nouns that everything else passes around: arrays and who they are. No torch here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal, TypeAlias

import numpy as np

SPLITS = ("train", "val", "test")
IMAGE_METRICS = ("psnr_db", "ssim", "psnr_brain_db", "ssim_brain")
MASK_METRICS = ("dice", "dice_original", "fp_area_px")  # of a reader of masks
LABEL_METRICS = ("label_kept", "kl", "label_right", "label_right_original")  # of a reader of labels
READER_METRICS = (*MASK_METRICS, *LABEL_METRICS)
DICE_THRESHOLD = 0.5
NULL_SCALE = (
    1.0 + 1e-7
)  # of a null twin's initial weights: the smallest change that a chaotic fit can answer to
LOST_DB = 3.0  # a fit that ends so far below the best that it had reached went wrong
GridKind: TypeAlias = Literal["centers", "corners"]


def at_plane(metric: str, z: int) -> str:
    """The name of a metric of one plane (from 0) of a volume: psnr_db@012. What is read by its
    plain name passes these by.
    """
    return f"{metric}@{z:03d}"


@dataclass(frozen=True)
class VolumeStatistics:
    """Intensity statistics of the whole volume (in the sample's [0, 1] units), for networks that
    normalise by volume.

    Over the voxels above the background; mean and standard deviation after clipping to [p10, p99].
    """

    mean: float
    std: float
    p10: float
    p99: float

    def as_row(self) -> tuple[float, float, float, float]:
        return (self.mean, self.std, self.p10, self.p99)

    @classmethod
    def of(cls, voxels: np.ndarray) -> VolumeStatistics:
        """Statistics of `voxels` (any shape, [0, 1] units); background is at or below 0.02."""
        inside = voxels[voxels > 0.02]
        if inside.size == 0:
            inside = np.asarray(voxels).ravel()
        p10, p99 = np.percentile(inside, [10, 99])
        clipped = np.clip(inside, p10, p99)
        return cls(float(clipped.mean()), float(max(clipped.std(), 1e-6)), float(p10), float(p99))


@dataclass(frozen=True, eq=False)
class Sample:
    """One image in [0, 1] with its mask and who it is.

    image:  float32 [H, W, C]; mask: bool [H, W]; brain: bool [H, W] (where PSNR and SSIM over the
    brain are taken). window: the source intensities that 0 and 1 stand for. spacing_mm: (row,
    column). label: the class of a picture in data sets of classes, else "". depth: planes of a
    volume, which lie one below the other: image [depth * H, W, C], mask and brain [depth * H, W].
    """

    id: str
    dataset: str
    patient: str
    image: np.ndarray
    mask: np.ndarray
    brain: np.ndarray
    channels: tuple[str, ...]
    volume: VolumeStatistics
    slice_index: int = 0
    spacing_mm: tuple[float, float] = (1.0, 1.0)
    window: tuple[float, float] = (0.0, 1.0)
    depth: int = 1
    label: str = ""

    @property
    def has_lesion(self) -> bool:
        return bool(self.mask.any())

    @cached_property
    def hash(self) -> str:
        """Hash of all content that a fit or a score can see."""
        digest = hashlib.sha256()
        what = (self.image.shape, self.channels, self.volume, self.window)
        digest.update(repr(what if self.depth == 1 else (*what, self.depth)).encode())
        for array in (
            self.image.astype(np.float32),
            self.mask.astype(bool),
            self.brain.astype(bool),
        ):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]

    def plane(self, z: int) -> Sample:
        """Plane z (from 0) of a volume as an image of its own."""
        image, mask, brain = (
            planes(array, self.depth)[z] for array in (self.image, self.mask, self.brain)
        )
        return replace(
            self, image=image, mask=mask, brain=brain, slice_index=self.slice_index + z, depth=1
        )


def planes(stacked: np.ndarray, depth: int) -> np.ndarray:
    """[depth * H, W, ...] -> [depth, H, W, ...], a view: the planes of a volume that lie one below
    the other.
    """
    return stacked.reshape(depth, stacked.shape[0] // depth, *stacked.shape[1:])


def extent(shape: tuple[int, ...], depth: int) -> str:
    """An image's or a volume's shape [depth * H, W, C] in words: 240 x 240 pixels, 32 x 64 x 64
    voxels.
    """
    height, width = shape[0] // depth, shape[1]
    return f"{height} x {width} pixels" if depth == 1 else f"{depth} x {height} x {width} voxels"


@dataclass(frozen=True)
class Recipe:
    """Everything about how a fit is run, expanded: no preset name is needed to repeat it."""

    optimizer: str
    lr: float
    steps: int
    schedule: Literal["constant", "cosine"]
    warmup: int
    penalty_every: int | Literal["auto"] = (
        1  # the penalty's gradient is fresh on every n-th step and held between; auto: fit/held.py
    )
    grid: GridKind = "centers"
    stop_at_db: float | None = None  # a fit stops once its PSNR, of the float weights, is this
    patience: int | None = None  # or once so many steps have gained less than 0.01 dB
    optimizer_args: tuple[tuple[str, Any], ...] = ()
    optimizer_source: str = ""  # hash of its code, so that a key notices an edit

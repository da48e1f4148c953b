"""The plain nouns that everything else passes around: arrays and who they are. No torch here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np

SPLITS = ("train", "val", "test")
SCORE_AS = ("decoded", "stretched-png")
IMAGE_METRICS = ("psnr_db", "ssim", "psnr_brain_db", "ssim_brain")
READER_METRICS = ("dice", "fp_area_px", "dice_original")
DICE_THRESHOLD = 0.5


@dataclass(frozen=True)
class VolumeStatistics:
    """Intensity statistics of the whole volume (in the sample's [0, 1] units), for networks that normalise by volume.

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
        """Statistics of `voxels` (any shape, [0, 1] units); background is what is at or below 0.02."""
        inside = voxels[voxels > 0.02]
        if inside.size == 0:
            inside = np.asarray(voxels).ravel()
        p10, p99 = np.percentile(inside, [10, 99])
        clipped = np.clip(inside, p10, p99)
        return cls(float(clipped.mean()), float(max(clipped.std(), 1e-6)), float(p10), float(p99))


@dataclass(frozen=True, eq=False)
class Sample:
    """One image in [0, 1] with its mask and who it is.

    image:  float32 [H, W, C]; mask: bool [H, W]; brain: bool [H, W] (where PSNR and SSIM over the brain are taken).
    window: the source intensities that 0 and 1 stand for. spacing_mm: (row, column).
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

    @property
    def has_lesion(self) -> bool:
        return bool(self.mask.any())

    @cached_property
    def hash(self) -> str:
        """Hash of all content that a fit or a score can see."""
        digest = hashlib.sha256()
        digest.update(repr((self.image.shape, self.channels, self.volume, self.window)).encode())
        for array in (self.image.astype(np.float32), self.mask.astype(bool), self.brain.astype(bool)):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:16]

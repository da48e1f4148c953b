"""A data set for tests: made in microseconds, nothing to read."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmark.plugins import Dataset, Sample, VolumeStatistics, philox_normal, register

PATIENTS = {"train": ("p1", "p2", "p3"), "val": ("p4", "p5"), "test": ("p6", "p7", "p8")}
HEALTHY = ("p3", "p8")


@register.dataset("tiny")
class Tiny(Dataset):
    """A gray disc with noise and a bright lesion: one slice a patient, eight patients, two of them
    without a lesion.
    """

    licence = "MIT"
    citation = "none"

    def __init__(self, root: Path | None = None, *, size: int = 32) -> None:
        self.size = size

    def fetch(self) -> None:
        return None

    def ids(self, split: str) -> list[str]:
        return [f"{patient}-0" for patient in PATIENTS[split]]

    def volumes(self, split: str) -> list[str]:
        return list(PATIENTS[split])

    def load_volume(self, volume_id: str) -> Sample:
        """Four planes, darker from one to the next; the last is empty, and the first two have the
        lesion.
        """
        flat = self.load(f"{volume_id}-0")
        image = np.concatenate([flat.image * shade for shade in (1.0, 0.8, 0.6, 0.0)]).astype(
            np.float32
        )
        mask = np.concatenate([flat.mask, flat.mask, np.zeros((2 * self.size, self.size), bool)])
        return replace(
            flat,
            id=volume_id,
            image=image,
            mask=mask,
            brain=np.concatenate([flat.brain] * 4),
            volume=VolumeStatistics.of(image),
            depth=4,
        )

    def load(self, sample_id: str) -> Sample:
        patient, number = sample_id.partition("-")[0], int(sample_id[1])
        y, x = np.mgrid[: self.size, : self.size] / (self.size - 1) * 2 - 1
        brain = x**2 + y**2 < 0.8
        lesion = (x - 0.1 * (number % 4)) ** 2 + (y + 0.1 * (number % 3)) ** 2 < 0.08
        mask = lesion & (patient not in HEALTHY)
        noise = philox_normal(number, self.size**2).reshape(self.size, self.size)
        gray = brain * (0.45 + 0.1 * np.sin(5 * x + number) + 0.35 * mask) + 0.02 * noise
        image = np.clip(gray, 0, 1).astype(np.float32)[..., None]
        return Sample(
            sample_id, "tiny", patient, image, mask, brain, ("gray",), VolumeStatistics.of(image)
        )

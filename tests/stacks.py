"""Data sets of two small stacks of slices: with masks, with labels alone, and with neither."""

from dataclasses import replace

import numpy as np

from benchmark.plugins import Dataset, InputError, Sample, VolumeStatistics, register


@register.dataset("stack")
class Stack(Dataset):
    """Two patients of five slices: a tumor in slices 1 to 3, and something as bright in slice 4."""

    licence = citation = "none"

    def __init__(self, root=None, *, broken: bool = False, odd: bool = False, slices: str = "all"):
        self.broken, self.odd, self.slices = broken, odd, slices

    def fetch(self):
        return None

    def ids(self, split):
        numbers = range(5) if self.slices == "all" else range(1, 4)
        return [f"{patient}-{z}" for patient in ("a", "b") for z in numbers]

    def load(self, sample_id):
        patient, z = sample_id[0], int(sample_id[-1])
        if self.broken and sample_id == "b-2":
            raise InputError("the file b-2.tif", "it is cut short", "restore it")
        size = 48 if self.odd and sample_id == "a-0" else 32
        y, x = np.mgrid[:size, :size]
        mask = (abs(y - 12) < 5) & (abs(x - 12) < 5) & (1 <= z <= 3)
        false = (abs(y - 24) < 4) & (abs(x - 24) < 4) & (z == 4)
        brain = np.hypot(y - size / 2, x - size / 2) < 15
        bright, gray = (0.9, 0.3) if patient == "a" else (0.8, 0.31)
        plane = np.where(mask | false, bright, gray * brain + 0.01 * z)
        image = plane[..., None].astype(np.float32)
        return Sample(
            sample_id,
            "stack",
            patient,
            image,
            mask,
            brain,
            ("gray",),
            VolumeStatistics.of(image),
            slice_index=z,
            label="light" if z == 4 else "dark",
        )


@register.dataset("named", truth="label")
class Named(Stack):
    """Labels alone."""


@register.dataset("unmarked")
class Unmarked(Stack):
    """Nothing is marked."""

    def load(self, sample_id):
        sample = super().load(sample_id)
        return replace(sample, mask=sample.mask & False)

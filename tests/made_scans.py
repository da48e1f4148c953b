"""A data set of scans that are made here: what a survey looks at, without files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmark.images.scan import Scan
from benchmark.images.volumes import VolumeDataset

Z, SIDE = 7, 40


class Made(VolumeDataset):
    """Scans that are there already; a reader's error stands for a scan that cannot be read."""

    name, salt = "made", "made-0"

    def __init__(self, scans, splits=(), files=()):
        super().__init__(None, {})
        self.scans, self.splits, self.paths = (
            {getattr(s, "case", "broken"): s for s in scans},
            dict(splits),
            dict(files),
        )

    def cases(self):
        return {name: self.paths.get(name, ()) for name in self.scans}

    def split(self, case):
        return self.splits.get(case, "train")

    def read(self, case):
        if isinstance(self.scans[case], Exception):
            raise self.scans[case]
        return self.scans[case]


def scan(case: str = "one_a", seed: int = 0, **changes) -> Scan:
    """Two channels of noise in a disc on a background of 0, a lesion in planes 2 to 4."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE // 2
    disc = y**2 + (1.0 + seed / 10) * x**2 < 250
    channels = {
        name: (
            (
                disc * np.kron(rng.integers(50, 900, (Z, 5, 5)), np.ones((8, 8)))
                + disc * rng.integers(1, 9, (Z, SIDE, SIDE))
            ).astype(np.int16)
        )
        for name in ("flair", "t1")
    }
    labels = np.zeros((Z, SIDE, SIDE), np.uint8)
    labels[2:5, 15:22, 15 - seed : 20] = 1
    return replace(
        Scan(
            case, channels, tuple(range(Z)), labels, known=(0, 1), background={"flair": 0, "t1": 0}
        ),
        **changes,
    )

"""Whether a network's probabilities are what they say: reliability in bins, expected calibration
error, Brier score.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

BINS = 10


@dataclass
class Calibration:
    """Probabilities against what was true, in ten bins of equal width; `add` takes as many as one
    likes.
    """

    counts: np.ndarray = field(default_factory=lambda: np.zeros(BINS, np.int64))
    said: np.ndarray = field(
        default_factory=lambda: np.zeros(BINS)
    )  # sum of the probabilities in each bin
    true: np.ndarray = field(default_factory=lambda: np.zeros(BINS))  # how many of them were right
    squares: float = 0.0

    def add(self, probability: np.ndarray, truth: np.ndarray) -> None:
        """probability in [0, 1] and truth bool, of any one shape."""
        p, y = probability.ravel().astype(np.float64), truth.ravel().astype(np.float64)
        at = np.minimum((p * BINS).astype(int), BINS - 1)
        self.counts += np.bincount(at, minlength=BINS)
        self.said += np.bincount(at, p, BINS)
        self.true += np.bincount(at, y, BINS)
        self.squares += float(np.square(p - y).sum())

    @property
    def ece(self) -> float:
        """Expected calibration error: sum over bins of |mean probability - share that is true|
        weighted by their counts; nan of nothing.
        """
        total = int(self.counts.sum())
        return float(np.abs(self.said - self.true).sum() / total) if total else float("nan")

    @property
    def brier(self) -> float:
        """Mean squared difference of probability and truth (0 or 1); nan of nothing."""
        total = int(self.counts.sum())
        return self.squares / total if total else float("nan")

    def table(self) -> list[tuple[str, int, float, float]]:
        """(bin, count, mean probability, share that is true) of each bin; nan where it is empty."""
        full = np.maximum(self.counts, 1)
        said, true = (
            np.where(self.counts > 0, part / full, np.nan) for part in (self.said, self.true)
        )
        return [
            (
                f"{i / BINS:.1f}-{(i + 1) / BINS:.1f}",
                int(self.counts[i]),
                float(said[i]),
                float(true[i]),
            )
            for i in range(BINS)
        ]

"""The coordinates of pixels: one function for the fit and for the decoder."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np

GridKind: TypeAlias = Literal["centers", "corners"]


def grid(height: int, width: int, bounds: tuple[float, float], kind: GridKind = "centers") -> np.ndarray:
    """Coordinates of all pixels, row (y) first: float32 [height * width, 2] within `bounds`.

    "centers": pixel centres, (i + 0.5) / n of the way; "corners": the first and last pixel lie on the bounds (linspace, as
    in the student reproduction of SINCO).
    """
    low, high = bounds

    def axis(n: int) -> np.ndarray:
        at = (np.arange(n) + 0.5) / n if kind == "centers" else np.linspace(0.0, 1.0, n)
        return low + (high - low) * at

    y, x = np.meshgrid(axis(height), axis(width), indexing="ij")
    return np.stack([y.ravel(), x.ravel()], -1).astype(np.float32)

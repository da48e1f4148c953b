"""The coordinates of pixels and voxels: one function for the fit and for the decoder."""

from __future__ import annotations

import numpy as np

from benchmark.types import GridKind


def dims(depth: int) -> int:
    """The inputs of a backbone: 2 for an image, 3 for a volume."""
    return 3 if depth > 1 else 2


def grid(
    height: int, width: int, bounds: tuple[float, float], kind: GridKind = "centers", depth: int = 1
) -> np.ndarray:
    """Coordinates of all pixels, row (y) first: float32 [height * width, 2] within `bounds`.

    Of a volume of `depth` > 1 planes, plane (z) first, then row, then column: [depth * height *
    width, 3].

    "centers": pixel centres, (i + 0.5) / n of the way; "corners": the first and last pixel lie on
    the bounds (linspace, as in the student reproduction of SINCO).
    """
    low, high = bounds

    def axis(n: int) -> np.ndarray:
        at = (np.arange(n) + 0.5) / n if kind == "centers" else np.linspace(0.0, 1.0, n)
        return low + (high - low) * at

    sides = (height, width) if depth == 1 else (depth, height, width)
    axes = np.meshgrid(*map(axis, sides), indexing="ij")
    return np.stack([positions.ravel() for positions in axes], -1).astype(np.float32)

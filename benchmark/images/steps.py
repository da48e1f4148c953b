"""Named steps on arrays that data sets share: windows, resizing by area, choice of slices,
orientation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

import numpy as np


def percentile_window(
    voxels: np.ndarray, low: float = 0.5, high: float = 99.5
) -> tuple[float, float]:
    """The intensities at two percentiles of `voxels`; the upper one is kept above the lower."""
    bottom, top = (float(value) for value in np.percentile(voxels, [low, high]))
    return bottom, max(top, float(np.nextafter(np.float32(bottom), np.float32(np.inf))))


def rescaled(image: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Map the window's (low, high) to 0 and 1 and clip: float64 of the same shape."""
    low, high = window
    return np.clip((image.astype(np.float64) - low) / (high - low), 0, 1)


def apply_window(image: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Map the window's (low, high) to 0 and 1 and clip: float32 of the same shape."""
    return rescaled(image, window).astype(np.float32)


def area_average(image: np.ndarray, size: int) -> np.ndarray:
    """Resize [H, W] or [H, W, C] to [size, size, ...] float32: each new pixel is the mean over its
    area.

    A picture that is not square is first padded with zeros on both sides of its shorter axis. Size
    0 keeps it as it is.
    """
    if size == 0:
        return image.astype(np.float32)
    height, width = image.shape[:2]
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    squared = np.zeros((side, side, *image.shape[2:]))
    squared[top : top + height, left : left + width] = image
    share = _overlap(side, size)
    rows = np.tensordot(share, squared, (1, 0))
    return np.moveaxis(np.tensordot(share, rows, (1, 1)), 0, 1).astype(np.float32)


def area_mask(mask: np.ndarray, size: int) -> np.ndarray:
    """Resize a mask [H, W] like `area_average`: bool, true where at least half of the new pixel's
    area is inside.
    """
    if not mask.any():  # most slices have no lesion
        return np.zeros((size, size) if size else mask.shape, bool)
    return area_average(mask.astype(bool), size) >= 0.5


def padded(image: np.ndarray, size: int) -> np.ndarray:
    """Center [H, W] or [H, W, C] in a square of `size`: zeros around what is smaller, what is
    larger is cut. Size 0: as it is.
    """
    if size == 0:
        return image
    out = np.zeros((size, size, *image.shape[2:]), image.dtype)
    rows, from_rows = _centered(image.shape[0], size)
    columns, from_columns = _centered(image.shape[1], size)
    out[rows, columns] = image[from_rows, from_columns]
    return out


def _centered(length: int, size: int) -> tuple[slice, slice]:
    """Where in a side of `size` the center of a side of `length` lies, and which part of it."""
    count = min(length, size)
    start, source = max(0, (size - length) // 2), max(0, (length - size) // 2)
    return slice(start, start + count), slice(source, source + count)


@lru_cache(maxsize=16)  # the pictures of a data set have few sizes
def _overlap(before: int, after: int) -> np.ndarray:
    """Share [after, before] of each old pixel in each new one; rows sum to 1."""
    scale = before / after
    start = np.arange(after)[:, None] * scale
    old = np.arange(before)[None]
    shared = np.minimum(start + scale, old + 1) - np.maximum(start, old)
    share: np.ndarray = np.clip(shared, 0, None) / scale
    return share


def corner_value(volume: np.ndarray) -> float:
    """The intensity of the background [Z, H, W]: what most of the eight corners have, the lowest of
    equals.
    """
    values, counts = np.unique(volume[np.ix_(*((0, -1),) * 3)], return_counts=True)
    return float(values[np.argmax(counts)])


def choose_slices(areas: Sequence[int], which: str) -> list[int]:
    """Indices of slices by the area of their masks.

    "middle": len // 2, whatever is in it; "largest": the largest area, the first of equals, none
    where all are empty; "tumour": all with a mask; "all": all.
    """
    count = len(areas)
    if which == "middle":
        return [count // 2] if count else []
    if which == "largest":
        return [int(np.argmax(areas))] if any(areas) else []
    if which == "tumour":
        return [i for i, area in enumerate(areas) if area > 0]
    if which == "all":
        return list(range(count))
    raise ValueError(f"no choice of slices is called {which!r}")


def radiological(plane: np.ndarray) -> np.ndarray:
    """Axial plane [x to the right, y to the front] -> picture: row 0 is anterior, column 0 the
    patient's right.
    """
    return np.swapaxes(plane, 0, 1)[::-1, ::-1]


def split_of(name: str, salt: str, shares: tuple[float, float, float] = (0.60, 0.12, 0.28)) -> str:
    """The split (train, val or test) of a patient by a hash of the name alone, whoever else is
    there.
    """
    word = int.from_bytes(hashlib.sha256(f"{salt}:{name}".encode()).digest()[:8], "big")
    at = word / 2**64
    if at < shares[0]:
        return "train"
    return "val" if at < shares[0] + shares[1] else "test"

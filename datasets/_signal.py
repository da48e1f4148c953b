"""From tissue to signal: FLAIR- or T1-like contrast, lesion, bias field and the scanner's point
spread.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from benchmark.plugins.datasets._fields import Draws, Field
from benchmark.plugins.datasets._patient import HIGH, LOW, Grid, Lesion


def signal_and_mask(
    draws: Draws,
    grid: Grid,
    tissue: dict[str, np.ndarray],
    lesion: Lesion | None,
    contrast: str,
    pixel: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Noise-free signal in [0, 1] and the mask, [z, y, x] each."""
    flair = contrast == "flair"
    white = draws.uniform(0.36, 0.46) if flair else draws.uniform(0.66, 0.78)
    gray = white + (draws.uniform(0.06, 0.14) if flair else -draws.uniform(0.16, 0.26))
    fluid = draws.uniform(0.06, 0.14) if flair else draws.uniform(0.15, 0.24)
    signal = gray * tissue["gray"] + white * tissue["white"] + fluid * tissue["fluid"]
    # Caps and spots around the ventricles, bright on FLAIR and no lesion: age, not tumour.
    aged, spots = draws.uniform(0.0, 0.35), Field(draws, 6, LOW, HIGH).on_grid(*grid)
    bright = (
        np.clip(tissue["ventricle"] * 2.5, 0, 1)
        * tissue["white"]
        * (aged + _sigmoid((spots - 2.1) / 0.15))
    )
    signal += (0.3 if flair else -0.12) * bright
    signal *= 1 + 0.025 * Field(draws, 3.5, LOW, HIGH).on_grid(*grid)
    mask = np.zeros(signal.shape, bool)
    if lesion is not None:
        signal, mask = _with_lesion(
            draws, grid, tissue, lesion, signal, flair, (white, gray, fluid)
        )
    bias = np.exp(draws.uniform(0.05, 0.16) * Field(draws, 85, LOW, HIGH).on_grid(*grid))
    signal = signal * bias * np.clip(tissue["brain"] * 1.6 - 0.3, 0, 1)
    signal = ndimage.gaussian_filter(
        signal, (0, 0.9 / pixel, 0.9 / pixel)
    )  # the point spread of the scanner
    mask = np.stack([without_crumbs(m, pixel) for m in mask & (tissue["brain"] > 0.5)])
    return signal, mask


def _with_lesion(
    draws: Draws,
    grid: Grid,
    tissue: dict[str, np.ndarray],
    lesion: Lesion,
    signal: np.ndarray,
    flair: bool,
    normal: tuple[float, float, float],
) -> tuple[np.ndarray, np.ndarray]:
    white, gray, fluid = normal
    whole, core = lesion.levels(grid, tissue)
    open_fluid = tissue["fluid"] > 0.6  # edema spares ventricles and sulci
    edema = gray + draws.uniform(0.12, 0.34) if flair else white - draws.uniform(0.18, 0.34)
    texture = 1 + 0.06 * lesion.warp[1].on_grid(*grid)
    inside = _sigmoid((1 - whole) / lesion.edge) * np.where(open_fluid & (core > 1), 0, 1)
    signal = signal + inside * (edema * texture - signal)
    # The core may be dead (dark), solid (like edema), or in between; its rim may be brighter.
    solid, rim = draws.uniform(0, 1), draws.uniform(0, 0.2)
    inner = (1 - solid) * (fluid + 0.1) + solid * (edema + (0.05 if flair else -0.05))
    center = _sigmoid((1 - core) / (2 * lesion.edge))
    signal = (
        signal
        + center * (inner * texture - signal)
        + rim * np.exp(-(((core - 1) / 0.2) ** 2)) * inside
    )
    return signal, ((whole < 1) & ~open_fluid) | (core < 1)


def without_crumbs(mask: np.ndarray, pixel: float) -> np.ndarray:
    """Fill holes, drop what is one pixel wide (and corners with it), then pieces below 25 square
    mm.
    """
    mask = ndimage.binary_opening(ndimage.binary_fill_holes(mask))
    label, count = ndimage.label(mask)
    if count == 0:
        return mask
    area = np.bincount(label.ravel()) * pixel**2
    kept: np.ndarray = (area >= 25)[label] & mask
    return kept


def _sigmoid(x: np.ndarray) -> np.ndarray:
    value: np.ndarray = 1 / (1 + np.exp(-np.clip(x, -50, 50)))
    return value

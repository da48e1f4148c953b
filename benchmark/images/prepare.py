"""From a scan to pictures in [0, 1]: slices, window, brain, crop and size, as options that data
sets of volumes share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from benchmark.errors import InputError, did_you_mean
from benchmark.images.scan import Scan
from benchmark.images.steps import (
    area_average,
    area_mask,
    choose_slices,
    padded,
    percentile_window,
    rescaled,
)
from benchmark.types import Sample, VolumeStatistics

CHOICES = {
    "slices": ("middle", "largest", "tumour", "all"),
    "window": ("full", "percentile", "minmax", "zscore"),
    "per": ("volume", "slice"),
    "crop": ("none", "brain", "lesion"),
    "fit": ("resize", "pad"),
}
# Pixels a side: what SSIM and the networks can read, and what memory holds.
SMALLEST, LARGEST = 16, 4096


class Preparation:
    """The options of every data set of volumes.

    splits: a file that says who is in which split (`data split` writes one), instead of the data
    set's own rule. slices: middle (depth // 2), largest lesion (one a case), tumour (all with a
    lesion) or all that show something; every: of these, every n-th. window: intensities that become
    0 and 1: full (the format's range, or the volume's), percentile (0.5 and 99.5 of the tissue),
    minmax, or zscore (mean - 3 to mean + 3 standard deviations of the tissue); per: volume or
    slice. strip: zero outside the brain. crop: none, brain (its bounding box over the volume) or
    lesion (a square of `extent` pixels around the largest lesion's center). size: pixels a side, 0
    is native; fit: resize (padded to a square, then area averages) or pad (center cropped or padded
    with zeros, nothing rescaled). planes: of a volume (--dims 3, which slices and every do not
    concern), around the largest lesion; 0 is all. Raises InputError where a value is none of these.
    """

    def __init__(
        self,
        *,
        splits: str = "",
        slices: Literal["middle", "largest", "tumour", "all"] = "middle",
        every: int = 1,
        window: Literal["full", "percentile", "minmax", "zscore"] = "percentile",
        per: Literal["volume", "slice"] = "volume",
        strip: bool = False,
        crop: Literal["none", "brain", "lesion"] = "none",
        extent: int = 64,
        size: int = 128,
        fit: Literal["resize", "pad"] = "resize",
        planes: int = 32,
    ) -> None:
        self.splits = splits
        self.slices, self.every = slices, every
        self.window, self.per, self.strip = window, per, strip
        self.crop, self.extent, self.size, self.fit, self.planes = crop, extent, size, fit, planes
        for name, known in CHOICES.items():
            given = getattr(self, name)
            if given not in known:
                raise InputError(
                    f"{name}={given}",
                    "no such choice",
                    f"{name}={', '.join(known)}; {did_you_mean(str(given), known)}",
                )
        for name, least, usual in (("every", 1, 1), ("extent", SMALLEST, 64), ("planes", 0, 32)):
            given = getattr(self, name)
            if given < least:
                raise InputError(
                    f"{name}={given}", f"it must be at least {least}", f"{name}={usual}"
                )
        if size != 0 and not SMALLEST <= size <= LARGEST:
            raise InputError(
                f"size={size}",
                f"it must be {SMALLEST} to {LARGEST} pixels, or 0",
                "size=128, or size=0: native",
            )

    def of_sample(self) -> dict[str, Any]:
        """The options that change a sample's content; the others only choose samples."""
        options = dict(vars(self))
        for name in ("splits", "slices", "every", "planes"):
            del options[name]
        return options

    def choose(self, areas: Sequence[int]) -> list[int]:
        """Positions of the chosen planes, by the area of the lesion in each."""
        return choose_slices(areas, self.slices)[:: self.every]


@dataclass(frozen=True)
class View:
    """What all pictures of one scan share, or what one has for itself: the window of each channel,
    and statistics.
    """

    windows: tuple[tuple[float, float], ...]
    statistics: VolumeStatistics


Box = tuple[slice, slice]  # rows and columns that pictures are cut to


def view_of(scan: Scan, how: Preparation, k: int | None) -> View:
    """The view of the whole scan (k None), or with window and statistics of its k-th plane."""
    windows = []
    inside = []  # of each channel the intensities of its tissue, in its window
    for name, voxels in scan.channels.items():
        values = voxels if k is None else voxels[k]
        tissue = scan.tissue(name, k)
        if not tissue.any():
            raise InputError(
                f"the channel {name} of {scan.case}",
                f"every voxel is background ({scan.background[name]:g})",
                "restore the file, or leave the case out",
            )
        window = window_of(values, tissue, how.window, scan.full)
        windows.append(window)
        inside.append(rescaled(values[tissue], window).astype(np.float32))
    lengths = {len(part) for part in inside}
    together = np.stack(inside, -1) if len(lengths) == 1 else np.concatenate(inside)
    return View(tuple(windows), VolumeStatistics.of(together))


def window_of(
    voxels: np.ndarray, tissue: np.ndarray, kind: str, full: tuple[float, float] | None
) -> tuple[float, float]:
    """The source intensities that 0 and 1 stand for."""
    if kind == "full" and full is not None:
        return full
    if kind in ("full", "minmax"):
        return percentile_window(voxels, 0, 100)
    inside = voxels[tissue]
    if kind == "percentile":
        return percentile_window(inside)
    mean, std = float(inside.mean(dtype=np.float64)), float(inside.std(dtype=np.float64))
    above = float(np.nextafter(np.float32(mean), np.float32(np.inf)))
    return mean - 3 * std, max(mean + 3 * std, above)


def picture(
    scan: Scan,
    k: int,
    how: Preparation,
    view: View,
    box: Box,
    *,
    sample_id: str,
    dataset: str,
    patient: str,
) -> Sample:
    """The k-th plane of a scan as a sample."""
    brain = scan.brain_plane(k)
    planes = []
    for voxels, window in zip(scan.channels.values(), view.windows, strict=True):
        planes.append(rescaled(voxels[k], window))
    image = np.stack(planes, -1) * (brain[..., None] if how.strip else 1.0)
    height, width = image[box].shape[:2]
    scale = max(height, width) / how.size if how.size and how.fit == "resize" else 1.0
    resize, resize_mask = (area_average, area_mask) if how.fit == "resize" else (padded, padded)
    return Sample(
        id=sample_id,
        dataset=dataset,
        patient=patient,
        image=resize(image[box], how.size).astype(np.float32),
        mask=resize_mask(scan.mask(k)[box], how.size),
        brain=resize_mask(brain[box], how.size),
        channels=tuple(scan.channels),
        volume=view.statistics,
        slice_index=scan.numbers[k],
        spacing_mm=(scan.spacing_mm[1] * scale, scan.spacing_mm[2] * scale),
        # Channels with windows of their own: the sample's unit is the window, and no one pair of
        # intensities says more.
        window=view.windows[0] if len(set(view.windows)) == 1 else (0.0, 1.0),
        label=scan.label,
    )


def box_of(scan: Scan, how: Preparation) -> Box:
    """Rows and columns that are kept, of every picture of a scan; raises InputError where nothing
    says which.
    """
    depth, height, width = scan.shape
    if how.crop == "none":
        return slice(0, height), slice(0, width)
    if how.crop == "brain":
        brain = np.logical_or.reduce([scan.brain_plane(k) for k in range(depth)])
        if not brain.any():
            raise InputError(f"crop=brain of {scan.case}", "its brain is empty", "crop=none")
        rows, columns = np.flatnonzero(brain.any(1)), np.flatnonzero(brain.any(0))
        return slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    areas = scan.areas()
    if not any(areas):
        raise InputError(
            f"crop=lesion of {scan.case}", "it has no lesion", "crop=none or crop=brain"
        )
    mask = scan.mask(int(np.argmax(areas)))
    row = float(np.flatnonzero(mask.any(1)).mean())
    column = float(np.flatnonzero(mask.any(0)).mean())
    return _around(row, how.extent, height), _around(column, how.extent, width)


def _around(center: float, extent: int, length: int) -> slice:
    """`extent` pixels around a center, moved to lie inside; all where there are fewer."""
    start = min(max(0, round(center - (extent - 1) / 2)), max(0, length - extent))
    return slice(start, min(length, start + extent))

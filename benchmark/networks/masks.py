"""How well masks agree with the truth: a patient's slices together, on arrays only."""

from __future__ import annotations

import math

import numpy as np

from benchmark.score.metrics import dice

METRICS = ("dice", "f1", "iou", "precision", "recall", "hd95_mm", "volume_error", "fp_area_px")


def mask_scores(
    found: np.ndarray, true: np.ndarray, spacing_mm: tuple[float, float] = (1.0, 1.0)
) -> dict[str, float]:
    """Scores of one patient's slices, found and true bool [N, H, W]; nan where one means nothing.

    dice: mean over slices with a lesion, as everywhere in this suite. f1 (the Dice of the volume),
    iou, precision, recall: over the pixels of all slices together; f1 and iou are nan without a
    lesion, where they could only be 0. hd95_mm: mean over the slices where both mark something.
    volume_error: (found - true) / true. fp_area_px: mean falsely marked area of the slices without
    a lesion.
    """
    hit, marked, lesion = int((found & true).sum()), int(found.sum()), int(true.sum())
    dices, distances, areas = [], [], []
    for mask, truth in zip(found, true, strict=True):
        if not truth.any():
            areas.append(float(mask.sum()))
            continue
        dices.append(dice(mask, truth))
        if mask.any():
            distances.append(hd95(mask, truth, spacing_mm))
    return {
        "dice": _mean(dices),
        "f1": _share(2 * hit, (marked + lesion) * (lesion > 0)),
        "iou": _share(hit, (marked + lesion - hit) * (lesion > 0)),
        "precision": _share(hit, marked),
        "recall": _share(hit, lesion),
        "hd95_mm": _mean(distances),
        "volume_error": _share(marked - lesion, lesion),
        "fp_area_px": _mean(areas),
    }


def hd95(a: np.ndarray, b: np.ndarray, spacing_mm: tuple[float, float] = (1.0, 1.0)) -> float:
    """95th percentile of the distances (mm) between the outlines of two masks [H, W], both ways
    together; nan where one is empty.

    An outline is the pixels of the mask that touch what is outside it.
    """
    from scipy import ndimage  # half a second, and not every score needs it

    if not (a.any() and b.any()):
        return math.nan
    outline_a = a & ~ndimage.binary_erosion(a)
    outline_b = b & ~ndimage.binary_erosion(b)
    from_a = ndimage.distance_transform_edt(~outline_a, sampling=spacing_mm)
    from_b = ndimage.distance_transform_edt(~outline_b, sampling=spacing_mm)
    return float(np.percentile(np.concatenate([from_b[outline_a], from_a[outline_b]]), 95))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan

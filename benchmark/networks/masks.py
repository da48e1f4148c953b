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
    with_lesion = true.any((1, 2))
    hit, marked, lesion = int((found & true).sum()), int(found.sum()), int(true.sum())
    distances = [
        hd95(f, t, spacing_mm)
        for f, t in zip(found[with_lesion], true[with_lesion], strict=True)
        if f.any()
    ]
    return {
        "dice": _mean(
            [dice(f, t) for f, t in zip(found[with_lesion], true[with_lesion], strict=True)]
        ),
        "f1": _share(2 * hit, (marked + lesion) * (lesion > 0)),
        "iou": _share(hit, (marked + lesion - hit) * (lesion > 0)),
        "precision": _share(hit, marked),
        "recall": _share(hit, lesion),
        "hd95_mm": _mean(distances),
        "volume_error": _share(marked - lesion, lesion),
        "fp_area_px": _mean([float(f.sum()) for f in found[~with_lesion]]),
    }


def hd95(a: np.ndarray, b: np.ndarray, spacing_mm: tuple[float, float] = (1.0, 1.0)) -> float:
    """95th percentile of the distances (mm) between the outlines of two masks [H, W], both ways
    together; nan where one is empty.

    An outline is the pixels of the mask that touch what is outside it.
    """
    from scipy import ndimage  # half a second, and not every score needs it

    if not (a.any() and b.any()):
        return math.nan
    outlines = [mask & ~ndimage.binary_erosion(mask) for mask in (a, b)]
    far = [ndimage.distance_transform_edt(~outline, sampling=spacing_mm) for outline in outlines]
    return float(np.percentile(np.concatenate([far[1][outlines[0]], far[0][outlines[1]]]), 95))


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _share(part: int, whole: int) -> float:
    return part / whole if whole else math.nan

"""Scores on arrays only: what a decoded picture is worth. Nothing here knows how the picture was
made.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from benchmark.types import Sample, at_plane, planes


def image_scores(
    original: np.ndarray, decoded: np.ndarray, brain: np.ndarray, depth: int = 1
) -> dict[str, float]:
    """PSNR (dB) and SSIM by scikit-image with data_range 1, over the whole image and over the
    brain.

    original, decoded: [H, W, C] in [0, 1]; brain: bool [H, W]. PSNR of equal images is inf. Of a
    volume of `depth` planes, one below the other, SSIM is that of each plane, averaged: no window
    reaches from one plane into the next.
    """
    a, b = original.astype(np.float64), decoded.astype(np.float64)
    values = []
    maps = []
    for one, other in zip(planes(a, depth), planes(b, depth), strict=True):
        value, where = structural_similarity(one, other, data_range=1.0, channel_axis=-1, full=True)
        values.append(value)
        maps.append(where)
    local = np.concatenate(maps)
    inside = brain if brain.any() else np.ones_like(brain)
    with np.errstate(divide="ignore"):
        return {
            "psnr_db": float(peak_signal_noise_ratio(a, b, data_range=1.0)),
            "ssim": float(np.mean(values)),
            "psnr_brain_db": float(peak_signal_noise_ratio(a[inside], b[inside], data_range=1.0)),
            "ssim_brain": float(local[inside].mean()),
        }


def dice(found: np.ndarray, mask: np.ndarray) -> float:
    """2 |A and B| / (|A| + |B|) of two bool masks; 1 where both are empty."""
    total = int(found.sum()) + int(mask.sum())
    return 1.0 if total == 0 else 2.0 * int((found & mask).sum()) / total


def reader_scores(found: np.ndarray, on_original: np.ndarray, sample: Sample) -> dict[str, float]:
    """What one reader's masks of the decoded and of the original image are worth against the true
    mask.

    Slices with a lesion have Dice; slices without stay out of Dice means and have the
    false-positive area in pixels.
    """
    if sample.has_lesion:
        return {"dice": dice(found, sample.mask), "dice_original": dice(on_original, sample.mask)}
    return {"fp_area_px": float(found.sum())}


def label_scores(
    answer: np.ndarray, on_original: np.ndarray, classes: Sequence[str], label: str
) -> dict[str, float]:
    """What one reader's answer on the decoded image is worth beside that on the original:
    probabilities [classes].

    label_kept: 1 where the most probable class is the same, else 0. kl: sum p log(p / q) in nats,
    of the original's p and the decoded image's q (not below the smallest normal float32, so that it
    is finite: at most 87.4). Where the true `label` is one of `classes`, label_right and
    label_right_original: 1 where it is the most probable class.
    """
    least = np.finfo(np.float32).tiny
    p = np.maximum(on_original.astype(np.float64), least)
    q = np.maximum(answer.astype(np.float64), least)
    kept = answer.argmax() == on_original.argmax()
    out = {"label_kept": float(kept), "kl": max(0.0, float((p * (np.log(p) - np.log(q))).sum()))}
    if label in classes:
        truth = list(classes).index(label)
        out["label_right"] = float(answer.argmax() == truth)
        out["label_right_original"] = float(on_original.argmax() == truth)
    return out


def plane_scores(original: np.ndarray, decoded: np.ndarray, depth: int) -> dict[str, float]:
    """psnr_db of each plane of a volume, as "psnr_db@012"; {} of an image."""
    if depth == 1:
        return {}
    errors = planes(original, depth).astype(np.float64) - planes(decoded, depth)
    squares = np.square(errors).reshape(depth, -1).mean(1)
    with np.errstate(divide="ignore"):
        psnr = -10 * np.log10(squares)
    return {at_plane("psnr_db", z): float(value) for z, value in enumerate(psnr)}


def plane_reader_scores(
    found: np.ndarray, on_original: np.ndarray, sample: Sample
) -> dict[str, float]:
    """`reader_scores` of each plane of a volume, as "dice@012"; {} of an image."""
    if sample.depth == 1:
        return {}
    masks = zip(planes(found, sample.depth), planes(on_original, sample.depth), strict=True)
    out = {}
    for z, (mask, mask_on_original) in enumerate(masks):
        for metric, value in reader_scores(mask, mask_on_original, sample.plane(z)).items():
            out[at_plane(metric, z)] = value
    return out

"""What training makes small: a function a loss, of logits and truth."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional as F

EDGE_WEIGHT, EDGE_PIXELS = 4.0, 3.0  # w and sigma of the boundary weight map
SMOOTHING = 0.1  # of labels under KL divergence

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def bce(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Mean binary cross-entropy; logits [B, 1, ...], truth [B, 1, ...]."""
    return F.binary_cross_entropy_with_logits(logits, truth[:, :1])


def dice(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """1 - soft Dice (Milletari et al. 2016), over the batch as one picture: a slice without lesion
    has no Dice of its own.
    """
    p, mask = torch.sigmoid(logits), truth[:, :1]
    return 1 - (2 * (p * mask).sum() + 1) / (p.sum() + mask.sum() + 1)


def bce_dice(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Mean binary cross-entropy + (1 - soft Dice)."""
    return bce(logits, truth) + dice(logits, truth)


def weighted_dice(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """1 - soft Dice whose pixels count 1 + truth[:, 1]: more near the outline (edge_weights)."""
    p, mask, weight = torch.sigmoid(logits), truth[:, :1], 1 + truth[:, 1:2]
    return 1 - (2 * (weight * p * mask).sum() + 1) / (
        (weight * p).sum() + (weight * mask).sum() + 1
    )


def focal_tversky(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """(1 - Tversky index)^0.75, missed pixels 0.7 and false ones 0.3 (Abraham and Khan 2018, arXiv
    1810.07842), over the batch.
    """
    p, mask = torch.sigmoid(logits), truth[:, :1]
    hit, missed, false = (p * mask).sum(), ((1 - p) * mask).sum(), (p * (1 - mask)).sum()
    index = (hit + 1) / (hit + 0.7 * missed + 0.3 * false + 1)
    return (1 - index).clamp_min(1e-6) ** 0.75  # the power's slope is infinite at 0


def cross_entropy(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of logits [B, classes] with labels int64 [B]."""
    return F.cross_entropy(logits, truth)


def kl(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """Mean KL divergence (nats) of the answer from the label, smoothed by 0.1 (Szegedy et al.
    2016): of a one-hot label it would be the cross-entropy."""
    classes = logits.shape[1]
    label = F.one_hot(truth, classes) * (1 - SMOOTHING) + SMOOTHING / classes
    return F.kl_div(F.log_softmax(logits, 1), label.to(logits.dtype), reduction="batchmean")


FUNCTIONS: dict[str, Loss] = {
    "bce": bce,
    "dice": dice,
    "bce+dice": bce_dice,
    "weighted-dice": weighted_dice,
    "focal-tversky": focal_tversky,
    "cross-entropy": cross_entropy,
    "kl": kl,
}


def edge_weights(masks: torch.Tensor) -> torch.Tensor:
    """What pixels near an outline count more than 1: w exp(-d^2 / 2 sigma^2), d the distance in
    pixels to it; masks [N, 1, ...].

    The shape of the weights of Ronneberger et al. 2015, eq. 2; 0 everywhere where there is no mask.
    Made once a mask and then moved with it: a distance transform in each step would take longer
    than all other augmentation. So sigma is zoomed with the image, and what comes in from outside
    counts 1.
    """
    from scipy import ndimage

    extra = np.zeros(masks.shape, np.float32)
    for mask, weight in zip(masks[:, 0].numpy() > 0.5, extra[:, 0], strict=True):
        if mask.any():
            outline = mask & ~ndimage.binary_erosion(mask)
            weight[...] = EDGE_WEIGHT * np.exp(
                -(ndimage.distance_transform_edt(~outline) ** 2) / (2 * EDGE_PIXELS**2)
            )
    return torch.from_numpy(extra)

"""Cheap random changes to a batch of slices, so that a network learns anatomy rather than one
scanner or one patient.

Blur and noise are among them on purpose: the networks will read decoded images, which are smoother
than originals.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch.nn import functional as F


def augment(
    images: torch.Tensor, truth: torch.Tensor, generator: torch.Generator, kind: str = "full"
) -> tuple[torch.Tensor, torch.Tensor]:
    """Flip, rotate, scale, shift, bend both; change gamma, contrast, brightness, sharpness and
    noise of the images.

    images [B, C, H, W] in [0, 1]; truth: masks [B, 1, H, W], beside them what moves along [B, 2, H,
    W], or labels [B], which stay. kind: full, flips or none; volumes [B, C, D, H, W] are flipped
    only, up and down too. `generator` is on the CPU, so that every device draws the same.
    """
    if kind == "none":
        return images, truth
    is_mask = truth.ndim > 1
    if kind == "flips" or images.ndim == 5:
        axes = [torch.rand(len(images), generator=generator) < 0.5 for _ in range(images.ndim - 2)]
        return _flipped(images, axes), _flipped(truth, axes) if is_mask else truth
    grid = _warp(images.shape, generator).to(images.device)
    images = F.grid_sample(images, grid, padding_mode="zeros", align_corners=False)
    if is_mask:
        truth = F.grid_sample(truth, grid, padding_mode="zeros", align_corners=False)
        truth = torch.cat([(truth[:, :1] > 0.5).float(), truth[:, 1:]], 1)
    return _intensities(images, generator), truth


def _flipped(arrays: torch.Tensor, axes: Sequence[torch.Tensor]) -> torch.Tensor:
    """Each array along its spatial axes, where axes[i] [B] says so."""
    for i, flip in enumerate(axes):
        where = flip.to(arrays.device).view(-1, *[1] * (arrays.ndim - 1))
        arrays = torch.where(where, arrays.flip(i + 2), arrays)
    return arrays


def _uniform(generator: torch.Generator, batch: int, low: float, high: float) -> torch.Tensor:
    return low + (high - low) * torch.rand(batch, generator=generator)


def _warp(shape: torch.Size, generator: torch.Generator) -> torch.Tensor:
    batch, _, height, width = shape
    angle = _uniform(generator, batch, -20.0, 20.0) * math.pi / 180
    scale = _uniform(generator, batch, 0.8, 1.25)
    flip_x, flip_y = (
        (torch.rand(batch, generator=generator) < 0.5).float() * 2 - 1 for _ in range(2)
    )
    shift_x, shift_y = (_uniform(generator, batch, -0.12, 0.12) for _ in range(2))
    cos, sin = torch.cos(angle) * scale, torch.sin(angle) * scale
    rows = (
        torch.stack([cos * flip_x, -sin * flip_y, shift_x], 1),
        torch.stack([sin * flip_x, cos * flip_y, shift_y], 1),
    )
    grid = F.affine_grid(torch.stack(rows, 1), [batch, 1, height, width], align_corners=False)
    # A coarse random field, enlarged: about 3 pixels of 128 at most places.
    field = 0.05 * torch.randn(batch, 2, 5, 5, generator=generator)
    return grid + F.interpolate(field, (height, width), mode="bicubic", align_corners=True).permute(
        0, 2, 3, 1
    )


def _intensities(images: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    batch = len(images)

    def draw(low: float, high: float) -> torch.Tensor:
        return _uniform(generator, batch, low, high)[:, None, None, None].to(images.device)

    images = images.clamp(0, 1) ** draw(0.7, 1.4)
    images = images * draw(0.8, 1.2) + draw(-0.03, 0.03)
    blurred = _blur(images, sigma=float(_uniform(generator, 1, 0.5, 1.5)))
    images = images + (draw(0, 1) > 0.6).float() * (blurred - images)
    noise = torch.randn(images.shape, generator=generator).to(images.device)
    return images + draw(0, 0.03) * noise


def _blur(images: torch.Tensor, sigma: float) -> torch.Tensor:
    """Gaussian of seven taps as shifted sums: five times faster than a one-channel convolution on a
    CPU.
    """
    taps = [math.exp(-0.5 * (k / sigma) ** 2) for k in range(-3, 4)]
    for dim in (2, 3):
        shifted = [
            tap / sum(taps) * images.roll(k, dim) for k, tap in zip(range(-3, 4), taps, strict=True)
        ]
        images = torch.stack(shifted).sum(0)
    return images

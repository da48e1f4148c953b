"""Pieces that several U-Nets are made of: stages of convolutions, and the step up with its skip."""

from __future__ import annotations

import torch
from torch import nn


def stage(inside: int, outside: int, count: int = 2) -> nn.Sequential:
    """`count` 3x3 convolutions with bias, each with batch normalisation and ReLU, as Keras models
    have them.
    """
    layers: list[nn.Module] = []
    for _ in range(count):
        layers += [
            nn.Conv2d(inside, outside, 3, padding=1),
            nn.BatchNorm2d(outside),
            nn.ReLU(inplace=True),
        ]
        inside = outside
    return nn.Sequential(*layers)


class Up(nn.Module):
    """Twice the size by a 2x2 transposed convolution with BatchNorm and ReLU, the skip beside it,
    two convolutions.
    """

    def __init__(self, inside: int, skip: int, outside: int) -> None:
        super().__init__()
        self.up = nn.Sequential(
            nn.ConvTranspose2d(inside, outside, 2, stride=2),
            nn.BatchNorm2d(outside),
            nn.ReLU(inplace=True),
        )
        self.merge = stage(outside + skip, outside)

    def forward(self, x: torch.Tensor, skip: torch.Tensor) -> torch.Tensor:
        return self.merge(torch.cat([self.up(x), skip], 1))


class Floors(nn.Module):
    """A U-Net of stages: widths [F] and convolutions [F] of its floors, from the top down; logits
    by a 3x3 convolution.
    """

    def __init__(self, channels: int, widths: list[int], convolutions: list[int]) -> None:
        super().__init__()
        self.down = nn.ModuleList(map(stage, [channels, *widths], widths, convolutions))
        self.up = nn.ModuleList(
            Up(below, width, width)
            for below, width in zip(widths[:0:-1], widths[-2::-1], strict=True)
        )
        self.head = nn.Conv2d(widths[0], 1, 3, padding=1)

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        x = self.down[0](standardized(image, volume))
        skips = []
        for floor in self.down[1:]:
            skips.append(x)
            x = floor(nn.functional.max_pool2d(x, 2))
        for up in self.up:
            x = up(x, skips.pop())
        return self.head(x)


def standardized(image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
    """(image - mean) / std with the numbers of each image's volume: [B, C, H, W], [B, 4] -> [B, C,
    H, W].
    """
    mean, std = volume[:, 0, None, None, None], volume[:, 1, None, None, None]
    return (image - mean) / std

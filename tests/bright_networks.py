"""Plug-ins for tests: networks whose answer can be foretold, by what is bright."""

from __future__ import annotations

import torch
from torch import nn

from benchmark.plugins import register


@register.segmenter("bright", multiple=16)
class Bright(nn.Module):
    """Marks what is brighter than its one weight."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.at = nn.Parameter(torch.tensor(0.75))

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        return 40 * (image.mean(1, keepdim=True) - self.at)


@register.segmenter("deep", multiple=1, dims=3)
class Deep(Bright):
    """The same of volumes."""


@register.segmenter("loud", multiple=1, task="label")
class Loud(nn.Module):
    """Dark or light, by the mean of the image against its one weight."""

    def __init__(self, channels: int, *, classes: int = 2) -> None:
        super().__init__()
        self.at = nn.Parameter(torch.tensor(0.245))

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        x = 40 * (image.mean((1, 2, 3)) - self.at)
        return torch.stack([-x, x], 1)


@register.segmenter("spot", multiple=16, task="label")
class Spot(nn.Module):
    """none or tumor, by the brightest pixel."""

    def __init__(self, channels: int, *, classes: int = 2) -> None:
        super().__init__()
        self.at = nn.Parameter(torch.tensor(0.75))

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        x = 20 * (image.amax((1, 2, 3)) - self.at)
        return torch.stack([-x, x], 1)

"""A network of volumes with its checkpoint, for tests."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from benchmark.networks.network import Network, save_checkpoint
from benchmark.plugins import index
from tests.conftest import TINY

ROWS = torch.tensor([[0.3, 0.2, 0.1, 0.9], [0.4, 0.1, 0.2, 0.8]])


FAST = [
    "--dataset",
    "tiny",
    "--plugin",
    str(TINY),
    "--steps",
    "12",
    "--lr",
    "1e-2",
    "--set",
    "hidden_features=12",
    "--bits",
    "10",
    "--device",
    "cpu",
    "--limit",
    "1",
]


def make(channels: int = 1, **options: int) -> nn.Module:
    torch.manual_seed(0)
    return (
        index.get("segmenter", "resunet3d")
        .load()(channels, **{"base": 4, "levels": 3, **options})
        .eval()
    )


def write(path: Path, **card: object) -> Path:
    """A checkpoint of an untrained network for `tiny`, half of whose voxels count as marked."""
    module = make()
    with torch.no_grad():
        module.head.bias -= module(torch.rand(1, 1, 4, 32, 32), ROWS[:1]).median()
    save_checkpoint(
        path,
        module,
        {
            "segmenter": "resunet3d",
            "options": {"base": 4, "levels": 3},
            "channels": ["gray"],
            "dataset": "tiny",
            **card,
        },
    )
    return path


class Right(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.norm, self.last = (
            nn.Conv3d(channels, 4, 3, padding=1),
            nn.BatchNorm3d(4),
            nn.Conv3d(4, 1, 1),
        )

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        mean, std = (volume[:, n, None, None, None, None] for n in (0, 1))
        return self.last(torch.tanh(self.norm(self.first((image - mean) / std))))


class CutsPlanes(Right):
    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        return super().forward(image, volume)[:, :, 1:]


class BlindToTheLastChannel(Right):
    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        return super().forward(
            image * (torch.arange(image.shape[1]) != 2).view(1, -1, 1, 1, 1), volume
        )


class LooksAside(Right):
    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        return super().forward(image, volume) + image.mean()


def replace_multiple(network: Network, multiple: int) -> Network:
    view = network.planes(1)
    view.multiple = multiple
    return view

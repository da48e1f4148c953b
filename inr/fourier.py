"""Fourier features and a ReLU network (Tancik et al., NeurIPS 2020)."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from benchmark.plugins import FusedMLP, philox_normal, register


@register.inr(
    "fourier",
    size="hidden_features",
    sizes=(2, 256),
    coordinates=(0.0, 1.0),
    optimizer="soap",
    lr=2e-2,
)
class Fourier(nn.Module):
    """ReLU network on [cos 2 pi B v, sin 2 pi B v], B ~ N(0, sigma^2) (Tancik et al. 2020, arXiv
    2006.10739, section 4).

    `features` rows of B come from the fit's seed, so they cost no bytes. The paper's network for
    natural images is `features=256 sigma=10 hidden_features=256 hidden_layers=3`, Adam 1e-3.
    `hidden_layers` counts the ReLU layers; weights start from torch's default.
    """

    B: torch.Tensor

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        *,
        features: int = 32,
        sigma: float = 3.0,
        hidden_features: int = 10,
        hidden_layers: int = 3,
        seed: int = 0,
    ) -> None:
        super().__init__()
        B = sigma * philox_normal(seed, features * in_dim).reshape(features, in_dim)
        self.register_buffer("B", torch.from_numpy(B.astype(np.float32)))
        widths = [2 * features, *[hidden_features] * hidden_layers, out_dim]
        self.layers = nn.ModuleList(
            nn.Linear(n, m) for n, m in zip(widths, widths[1:], strict=False)
        )

    def forward(self, coords: torch.Tensor) -> torch.Tensor:
        x = self.features(coords)
        for layer in self.layers[:-1]:
            x = torch.relu(layer(x))
        return self.layers[-1](x)

    def features(self, coords: torch.Tensor) -> torch.Tensor:
        z = 2 * math.pi * coords @ self.B.T
        return torch.cat([torch.cos(z), torch.sin(z)], -1)

    def fused(self, coords: torch.Tensor) -> FusedMLP:
        names = [f"layers.{i}" for i in range(len(self.layers))]
        return FusedMLP(
            tuple(f"{n}.weight" for n in names),
            tuple(f"{n}.bias" for n in names),
            "relu",
            (1.0,) * (len(names) - 1),
            inputs=self.features(coords),
        )

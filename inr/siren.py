"""SIREN: a multilayer perceptron with sine activations (Sitzmann et al., NeurIPS 2020)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from benchmark.plugins import FusedMLP, register


@register.inr(
    "siren",
    size="hidden_features",
    sizes=(2, 256),
    coordinates=(-1.0, 1.0),
    lr=0.045,
    lr_layers="hidden_layers",
)
class Siren(nn.Module):
    """sin(omega (W x + b)) layers and a linear one: SIREN (Sitzmann et al. 2020, arXiv 2006.09661).

    `hidden_layers` counts the sine layers after the first. Weights start from U(+-1/in) in the
    first layer and from U(+-sqrt(6/in)/omega) after it (section 3.2). Biases: `bias="weights"`
    draws them from the same range as the weights of their layer (COIN, siren-pytorch),
    `bias="torch"` from U(+-1/sqrt(in)) as the original code leaves them. siren-pytorch's network is
    `omega_hidden=1`, with `hidden_features=64 hidden_layers=2` in the reproduction.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        *,
        hidden_features: int = 16,
        hidden_layers: int = 3,
        omega_0: float = 30.0,
        omega_hidden: float = 30.0,
        bias: Literal["weights", "torch"] = "weights",
    ) -> None:
        super().__init__()
        widths = [in_dim, *[hidden_features] * (hidden_layers + 1), out_dim]
        self.layers = nn.ModuleList(
            nn.Linear(n, m) for n, m in zip(widths, widths[1:], strict=False)
        )
        self.omega = [omega_0] + [omega_hidden] * hidden_layers
        for i, layer in enumerate(self.layers):
            n = layer.in_features
            # The linear output layer is initialised like a hidden one, as in the original code.
            bound = 1 / n if i == 0 else (6 / n) ** 0.5 / omega_hidden
            nn.init.uniform_(layer.weight, -bound, bound)
            b = bound if bias == "weights" else n**-0.5
            nn.init.uniform_(layer.bias, -b, b)

    def forward(self, coords: torch.Tensor) -> torch.Tensor:
        x = coords
        for omega, layer in zip(self.omega, self.layers[:-1], strict=True):
            # omega scales the small weights, not the [N, width] activations: the same value, a pass
            # over memory less.
            x = torch.sin(nn.functional.linear(x, omega * layer.weight, omega * layer.bias))
        return self.layers[-1](x)

    def fused(self, coords: torch.Tensor) -> FusedMLP:
        names = [f"layers.{i}" for i in range(len(self.layers))]
        return FusedMLP(
            tuple(f"{n}.weight" for n in names),
            tuple(f"{n}.bias" for n in names),
            "sine",
            tuple(self.omega),
            inputs=coords,
        )

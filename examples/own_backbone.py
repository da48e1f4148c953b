"""A backbone of your own, checked and compared, in one file.

    python examples/own_backbone.py

The file is the plug-in: `--plugin examples/own_backbone.py` makes it known to the command too.
docs/plug-ins/inr.md has the contract.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import nn

import benchmark as sb
from benchmark.plugins import register


@register.inr("morlet", size="hidden_features", sizes=(4, 128), lr=4e-3)
class Morlet(nn.Module):
    """cos(omega z) exp(-z^2 / 2) layers and a linear one: a real Gabor wavelet as activation."""

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        *,
        hidden_features: int = 16,
        hidden_layers: int = 3,
        omega: float = 5.0,
    ) -> None:
        super().__init__()
        widths = [in_dim] + [hidden_features] * hidden_layers
        pairs = zip(widths[:-1], widths[1:], strict=True)
        self.layers = nn.ModuleList(nn.Linear(fan_in, fan_out) for fan_in, fan_out in pairs)
        self.last = nn.Linear(widths[-1], out_dim)
        self.omega = omega

    def forward(self, coords: torch.Tensor) -> torch.Tensor:
        x = coords
        for layer in self.layers:
            z = layer(x)
            x = torch.cos(self.omega * z) * torch.exp(-(z**2) / 2)
        return self.last(x)


def main(out: Path, **options: Any) -> sb.Run:
    """Compare it with SIREN at the same bytes, print the leaderboard by PSNR, return the run."""
    sb.add_plugin(__file__)
    run = sb.run(["morlet", "siren"], lam=[1e-5], out=out, **options)
    board = run.leaderboard()
    columns = ["rank", "method", "mean", "bpp", "seconds"]
    print(board.loc[board["metric"] == "psnr_db", columns].to_string(index=False))
    return run


if __name__ == "__main__":
    main(Path(tempfile.mkdtemp(prefix="own-backbone-")) / "run").close()

"""A backbone and a search that are fast, for tests."""

from __future__ import annotations

from benchmark.cli import main
from benchmark.search.tune import (
    Row,
)
from tests.conftest import TINY

WAVES = '''"""A backbone for tests, so that no shipped default matters."""
import torch
from benchmark.plugins import register


@register.inr("waves", size="width", sizes=(2, 64), optimizer="soap", lr=1e-2)
class Waves(torch.nn.Module):
    """Two layers of sines."""

    def __init__(self, in_dim: int, out_dim: int, *, width: int = 8, depth: int = 2) -> None:
        super().__init__()
        self.first = torch.nn.Linear(in_dim, width)
        self.second = torch.nn.Linear(width, width)
        self.last = torch.nn.Linear(width, out_dim)

    def forward(self, coords: torch.Tensor) -> torch.Tensor:
        return self.last(torch.sin(5 * self.second(torch.sin(10 * self.first(coords)))))
'''


FAST = [
    "--dataset",
    "tiny",
    "--plugin",
    str(TINY),
    "--set",
    "tiny.size=64",
    "--steps",
    "40",
    "--device",
    "cpu",
]


def tune(folder, *words):
    return main(
        [
            "tune",
            "--out",
            str(folder),
            *FAST,
            *([] if "--inr" in words else ["--inr", "waves"]),
            *words,
        ]
    )


def row(
    lr, psnr_db, went_wrong="", *, optimizer="soap", steps=400, image="a", size="n=1", inr="siren"
):
    return Row(
        f"{inr}{size}{image}{optimizer}{lr}{steps}",
        "tiny",
        image,
        image,
        inr,
        size,
        10,
        0.3,
        optimizer,
        lr,
        steps,
        20,
        psnr_db,
        went_wrong,
        1.0,
        "fused",
        "cpu",
    )

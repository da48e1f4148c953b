"""Each claim about an INR fails a network that is wrong in just that way, and none fails one that
is right.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.checks import Subject, claims, run_checks
from benchmark.errors import InputError
from benchmark.plugins import FusedMLP, index


class Right(nn.Module):
    def __init__(self, in_dim: int, out_dim: int, *, width: int = 8) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(in_dim, width), nn.Linear(width, out_dim)

    def forward(self, coords: torch.Tensor) -> torch.Tensor:
        return self.last(torch.tanh(self.first(coords)))


class Flat(Right):
    def forward(self, coords: torch.Tensor) -> torch.Tensor:
        return super().forward(coords).squeeze(-1)


class Huge(Right):
    def forward(self, coords: torch.Tensor) -> torch.Tensor:
        return 1e4 * super().forward(coords)


class Gossip(Right):
    def forward(self, coords: torch.Tensor) -> torch.Tensor:
        return super().forward(coords) + 0.1 * coords.mean()


class Moody(Right):
    def forward(self, coords: torch.Tensor) -> torch.Tensor:
        return super().forward(coords) * (1.01 if self.training else 1.0)


class Remembers(Right):
    first_coords: torch.Tensor | None = None

    def forward(self, coords: torch.Tensor) -> torch.Tensor:
        if self.first_coords is None:
            self.first_coords = coords.detach().clone()
        return super().forward(coords) + 1e-6 * float(self.first_coords[0, 0])


class Vandal(Right):
    def forward(self, coords: torch.Tensor) -> torch.Tensor:
        return super().forward(coords.clamp_(-0.5, 0.5))


class Idle(Right):
    def __init__(self, in_dim: int, out_dim: int, *, width: int = 8) -> None:
        super().__init__(in_dim, out_dim, width=width)
        self.ballast = nn.Parameter(torch.randn(50))

    def forward(self, coords: torch.Tensor) -> torch.Tensor:
        return super().forward(coords) + self.ballast[0]


class Restless(Right):
    def __init__(self, in_dim: int, out_dim: int, *, width: int = 8) -> None:
        super().__init__(in_dim, out_dim, width=width)
        self.last.weight.data += float(np.random.default_rng().random())


class Stuck(Right):
    def __init__(self, in_dim: int, out_dim: int, *, width: int = 8) -> None:
        super().__init__(in_dim, out_dim, width=width)
        for p in self.parameters():
            p.data = torch.linspace(-0.7, 0.9, p.numel()).view(p.shape)


class Unsent(Right):
    """Random constants that torch's state makes: a decoder would make others."""

    def __init__(self, in_dim: int, out_dim: int, *, width: int = 8) -> None:
        super().__init__(in_dim, out_dim, width=width)
        self.register_buffer("scale", torch.rand(1) + 0.5)

    def forward(self, coords: torch.Tensor) -> torch.Tensor:
        return self.scale * super().forward(coords)


class UnsentDespiteSeed(Unsent):
    def __init__(self, in_dim: int, out_dim: int, *, width: int = 8, seed: int = 0) -> None:
        super().__init__(in_dim, out_dim, width=width)


class SeedForNothing(Right):
    def __init__(self, in_dim: int, out_dim: int, *, width: int = 8, seed: int = 0) -> None:
        super().__init__(in_dim, out_dim, width=width)


class Alone(Right):
    def forward(self, coords: torch.Tensor) -> torch.Tensor:
        return super().forward(coords) if self.last.bias.sum() > -1e9 else coords


class Even(Right):
    def __init__(self, in_dim: int, out_dim: int, *, width: int = 8) -> None:
        super().__init__(in_dim, out_dim, width=width // 2 * 2)


class Useless(Right):
    def __init__(self, in_dim: int, out_dim: int, *, width: int = 8, gain: float = 1.0) -> None:
        super().__init__(in_dim, out_dim, width=width)


class Unnamed(Right):
    def __init__(self, in_dim: int, out_dim: int, *, width: int = 8, widths: Any = (3, 4)) -> None:
        super().__init__(in_dim, out_dim, width=width)


class Sine(Right):
    said = 3.0

    def forward(self, coords: torch.Tensor) -> torch.Tensor:
        return self.last(torch.sin(3.0 * self.first(coords)))

    def fused(self, coords: torch.Tensor) -> FusedMLP:
        return FusedMLP(
            ("first.weight", "last.weight"),
            ("first.bias", "last.bias"),
            "sine",
            (self.said,),
            inputs=coords,
        )


class Misdescribed(Sine):
    said = 3.001


class Planar(Right):
    def forward(self, coords: torch.Tensor) -> torch.Tensor:
        return super().forward(coords * (torch.arange(coords.shape[1]) < 2))


class ImagesAlone(Right):
    def __init__(self, in_dim: int, out_dim: int, *, width: int = 8) -> None:
        if in_dim != 2:
            raise InputError("three inputs", "it is made for images", "--dims 2")
        super().__init__(in_dim, out_dim, width=width)


WRONG = [
    (Flat, "output has a row for each point", "(1024,)"),
    (Huge, "output is finite", "it reaches"),
    (Planar, "three inputs serve a volume", "the column (input 2 of 3)"),
    (Gossip, "rows are independent", "57 points alone"),
    (Moody, "forward is deterministic", "eval()"),
    (Remembers, "forward is deterministic", "called with before"),
    (Vandal, "input is untouched", "other values"),
    (Idle, "every parameter gets a gradient", "2% of the entries of ballast"),
    (Restless, "same seed same weights", "come from elsewhere"),
    (Stuck, "other seed other weights", "two seeds"),
    (Unsent, "constants come from the seed", "the buffer scale"),
    (UnsentDespiteSeed, "constants come from the seed", "the buffer scale"),
    (SeedForNothing, "constants come from the seed", "changes no buffer"),
    (Alone, "stacked equals one by one", "data-dependent"),
    (Misdescribed, "compiled kernels agree", "values differ"),
    (Even, "size sets the number of parameters", "width=2 has 9 parameters, 3 has 9"),
    (Useless, "options are literals that matter", "gain changes neither"),
    (Unnamed, "options are literals that matter", "widths is (3, 4)"),
]


def failures(subject: Subject) -> dict[str, str]:
    return {
        result.name: result.why
        for result in run_checks("inr", subject)
        if result.status == "failed"
    }


def subject(factory: type[Right]) -> Subject:
    return Subject.of(factory, size="width", sizes=(2, 40))


def test_a_right_network_passes() -> None:
    results = list(run_checks("inr", subject(Right)))
    assert {r.name: r.status for r in results} == {
        **dict.fromkeys(claims("inr"), "passed"),
        "amnesia": "skipped",
        "compiled kernels agree": "skipped",
    }
    assert "not registered" in results[-1].why
    assert not failures(subject(Sine))


@pytest.mark.parametrize(
    ("wrong", "claim", "why"), WRONG, ids=[wrong.__name__ for wrong, *_ in WRONG]
)
def test_a_wrong_network_fails_just_that_claim(wrong: type[Right], claim: str, why: str) -> None:
    found = failures(subject(wrong))
    assert list(found) == [claim]
    assert why in found[claim]


def test_a_network_for_images_alone_says_so_and_passes() -> None:
    results = {r.name: r for r in run_checks("inr", subject(ImagesAlone))}
    assert all(r.status != "failed" for r in results.values())
    assert (
        results["three inputs serve a volume"].why
        == "it takes no three inputs: it is made for images"
    )


def test_every_claim_is_shown_to_bite() -> None:
    assert {claim for _, claim, _ in WRONG} | {"amnesia"} == set(claims("inr"))


def test_an_error_of_the_plugin_fails_the_claim_and_the_others_go_on() -> None:
    class Broken(Right):
        def forward(self, coords: torch.Tensor) -> torch.Tensor:
            raise KeyError("lost")

    found = failures(subject(Broken))
    assert found["rows are independent"] == "KeyError: 'lost'"
    assert "same seed same weights" not in found


FORGETS = '''
"""A network with a constant of its process."""
import os
import torch
from torch import nn
from benchmark.plugins import register

@register.inr("forgets")
class Forgets(nn.Module):
    def __init__(self, in_dim: int, out_dim: int, *, width: int = 4) -> None:
        super().__init__()
        self.a, self.b, self.shift = nn.Linear(in_dim, width), nn.Linear(width, out_dim), {shift}

    def forward(self, coords):
        return self.b(torch.tanh(self.a(coords))) + 0.3 + 0.1 * self.shift
'''


@pytest.mark.parametrize(
    ("shift", "forgets"), [("os.getpid() % 2**16 / 2**16", True), ("0.5", False)]
)
def test_amnesia_bites_what_a_fresh_process_does_not_know(
    tmp_path: Path, shift: str, forgets: bool
) -> None:
    file = tmp_path / "forgets.py"
    file.write_text(FORGETS.format(shift=shift))
    index.add_plugin_file(file)
    found = failures(Subject.registered(index.get("inr", "forgets")))
    assert list(found) == (["amnesia"] if forgets else [])
    assert not forgets or "the decoded picture differs" in found["amnesia"]

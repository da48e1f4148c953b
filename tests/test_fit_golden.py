"""Golden fits guard FIT_VERSION: where the engine's arithmetic changes a fit, stored cells must not
be taken for new ones.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmark.fit.engine import Member, fit
from benchmark.fit.regularizers.dice import Dice
from benchmark.plan.cells import FIT_VERSION
from benchmark.plugins.choice import Choice
from benchmark.types import Recipe, Sample, VolumeStatistics

SIREN = Choice.of("inr", "siren", hidden_features=7, hidden_layers=2)
FOURIER = Choice.of("inr", "fourier", features=5, hidden_features=7, hidden_layers=2)
SOAP = Recipe("soap", 2e-3, 10, "cosine", 3)
ADAM = Recipe("adam", 2e-3, 10, "cosine", 3)
# What this version's fits end with, in float64: the fidelity, and the sum of all parameters.
GOLDEN = {
    "adam": (SIREN, ADAM, 0.0, "mean", (0.15761676209514613, 1.1290002801826975)),
    "soap": (SIREN, SOAP, 0.0, "mean", (0.20647899941605943, 1.1603293373025978)),
    "fourier": (FOURIER, SOAP, 0.0, "mean", (0.5062573913166403, 1.1107945507527535)),
    "penalty held by the rule": (
        SIREN,
        replace(ADAM, penalty_every="auto"),
        0.02,
        "mean",
        (0.15758150297826196, 1.1290974257655564),
    ),
    "held penalty, sum": (
        SIREN,
        replace(ADAM, penalty_every=3),
        30.0,
        "sum",
        (75.55306512822276, 1.1297114105617145),
    ),
}


class Contrast:
    """A segmenter that needs no weights."""

    def logits(self, images: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        return 8.0 * (images[..., 0] - volume[:, 0, None, None])


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_fit(name):
    inr, recipe, lam, fidelity, golden = GOLDEN[name]
    y, x = np.mgrid[:24, :20] / 24
    image = (0.5 + 0.3 * np.sin(7 * x) * np.cos(4 * y) + 0.1 * x)[..., None].astype(np.float32)
    sample = Sample(
        "g",
        "golden",
        "g",
        image,
        image[..., 0] > 0.6,
        image[..., 0] > 0,
        ("flair",),
        VolumeStatistics.of(image),
    )
    fitted = fit(
        inr,
        [Member(sample, seed=11, lam=lam)],
        recipe,
        fidelity=fidelity,
        dtype=torch.float64,
        penalty=Dice().make([sample], Contrast()) if lam else None,
    )
    got = float(fitted.fidelity[0]), float(sum(array.sum() for array in fitted.states[0].values()))
    message = (
        f"fits have changed: raise FIT_VERSION (now {FIT_VERSION}) in benchmark/plan/cells.py and"
        f" write the new figures here: {got}"
    )
    # The penalty runs in float32, whose last bits differ between machines.
    assert got == pytest.approx(golden, rel=1e-4 if lam else 1e-6), message

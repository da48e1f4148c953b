"""A golden fit guards FIT_VERSION: where the engine's arithmetic changes a fit, stored cells must not be taken for new ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmark.fit.engine import Member, fit
from benchmark.plan import FIT_VERSION, Choice
from benchmark.recipes import Recipe
from benchmark.types import Sample, VolumeStatistics

# What this version's fits end with, in float64: mean squared error, and the sum of all parameters.
GOLDEN = {"adam": (0.15761676209514613, 1.1290002801826975), "soap": (0.20647899941605943, 1.1603293373025978)}


@pytest.mark.parametrize("optimizer", GOLDEN)
def test_golden_fit(optimizer):
    y, x = np.mgrid[:24, :20] / 24
    image = (0.5 + 0.3 * np.sin(7 * x) * np.cos(4 * y) + 0.1 * x)[..., None].astype(np.float32)
    sample = Sample("g", "golden", "g", image, image[..., 0] > 0.6, image[..., 0] > 0, ("flair",), VolumeStatistics.of(image))
    siren = Choice.of("inr", "siren", hidden_features=7, hidden_layers=2)
    fitted = fit(siren, [Member(sample, seed=11)], Recipe(optimizer, 2e-3, 10, "cosine", 3), dtype=torch.float64)
    got = float(fitted.fidelity[0]), float(sum(array.sum() for array in fitted.states[0].values()))
    message = f"fits have changed: raise FIT_VERSION (now {FIT_VERSION}) in benchmark/plan.py and write the new figures here: {got}"
    assert got == pytest.approx(GOLDEN[optimizer], rel=1e-6), message

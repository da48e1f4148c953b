"""What the optimizers reach in how many steps, and what a step costs: `python -m pytest
tests/bench/bench_fit.py`.

SIREN 4x16 (881 parameters) at 128 x 128 on three images: tumour slices of LGG where
SINCO_BENCH_DATA has it, else mni-lesion. PSNR is of the float weights before they are written, as
in the literature's learning curves.
"""

import os
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from benchmark.fit.engine import Member, fit
from benchmark.plugins import index
from benchmark.plugins.choice import Choice
from benchmark.types import Recipe

SIREN = Choice.of("inr", "siren", hidden_features=16, hidden_layers=3)
RECIPES = {
    "adam 2e-4 constant": (Recipe("adam", 2e-4, 0, "constant", 0), (400, 1000, 2000)),
    "adam 2e-3 cosine": (Recipe("adam", 2e-3, 0, "cosine", 20), (400, 1000)),
    "soap 3e-3 cosine": (Recipe("soap", 3e-3, 0, "cosine", 20), (100, 200, 400)),
}  # and the numbers of steps


@pytest.fixture(scope="module")
def images():
    root = os.environ.get("SINCO_BENCH_DATA")
    has_lgg = root and (Path(root) / "lgg").is_dir()
    name, options = ("lgg", {"slices": "largest"}) if has_lgg else ("mni-lesion", {})
    dataset = index.get("dataset", name).load()(None, **options)
    return list(islice((sample for sample in dataset.samples("test") if sample.has_lesion), 3))


def test_quality(images, capsys):
    members = [Member(sample) for sample in images]
    with capsys.disabled():
        print(
            f"\nmean PSNR (dB) on {len(images)} images of {images[0].dataset}; seconds a fit,"
            f" {len(members)} at once"
        )
        for name, (recipe, numbers) in RECIPES.items():
            for steps in numbers:
                fitted = fit(SIREN, members, replace(recipe, steps=steps))
                assert fitted.finite.all(), f"{name} diverged"
                psnr = -10 * np.log10(fitted.fidelity)
                print(
                    f"{name:<20} {steps:>5} steps  {psnr.mean():5.2f} dB "
                    f" {fitted.seconds / len(members):6.2f} s"
                )


@pytest.mark.parametrize("optimizer", ["adam", "soap"])
@pytest.mark.parametrize("k", [1, 8])
def test_step(benchmark, images, optimizer, k):
    recipe = Recipe(optimizer, 2e-3, 20, "constant", 0)
    members = [Member(images[i % len(images)], seed=i) for i in range(k)]
    result = benchmark.pedantic(fit, (SIREN, members, recipe), rounds=5, warmup_rounds=1)
    benchmark.extra_info["ms_per_image_step"] = (
        1e3 * benchmark.stats.compare.stats.median / (20 * k)
    )
    assert result.finite.all()

"""How many `standard` fits of a thousand go wrong: `BENCH_FITS=10 python -m pytest
tests/bench/bench_robust.py` prints it.

Every backbone that runs here, at the sizes that a file of 128x128 pixels has at 0.3, 0.6 and 1.2
bpp and 10 bits, on 64x64 images (BENCH_SIZE) of every data set that is here, at lambda 0, 1e-5 and
1e-3: BENCH_FITS (default 1) fits of each. A fit goes wrong as in a run: not finite, worse than a
flat image, or 3 dB below its best; a run would start it again at half the rate. What got stuck is
counted beside it: less than 3 dB better than a flat image at the end.
"""

from __future__ import annotations

import os
from collections import Counter
from itertools import cycle, islice
from pathlib import Path

import pytest

from benchmark.errors import InputError
from benchmark.fit import kernels
from benchmark.fit.engine import Member, fit
from benchmark.networks.checkpoints import find_checkpoint
from benchmark.networks.network import load_network
from benchmark.plan.cells import Cell, Rate
from benchmark.plan.recipes import PRESETS, recipe_for
from benchmark.plugins import index
from benchmark.plugins.choice import Choice
from benchmark.runner.rows import went_wrong
from benchmark.search.tune import sizes, training_images

FITS, SIZE = int(os.environ.get("BENCH_FITS", 1)), int(os.environ.get("BENCH_SIZE", 64))
LAMBDAS = (0.0, 1e-5, 1e-3)
WEIGHTS = Path(__file__).parents[2] / "segmenters" / "weights" / "unet-mni-lesion.safetensors"
DATASETS = ("mni-lesion", "lgg", "brats", "ms")


def members(dataset: str, lam: float) -> list[Member]:
    """FITS images and seeds: patients first, then seeds."""
    options = {} if dataset == "mni-lesion" else {"slices": "largest"}
    try:
        made = index.get("dataset", dataset).load()(None, size=SIZE, **options)
        images = (
            training_images(made, 5)[0] if dataset != "ms" else list(made.samples("test"))
        )  # one patient, in test
    except InputError as error:
        pytest.skip(f"{error.asked}: {error.found}")
    return [
        Member(image, seed // len(images), lam)
        for seed, image in enumerate(islice(cycle(images), FITS))
    ]


@pytest.mark.parametrize("dataset", DATASETS)
@pytest.mark.parametrize(
    "name", [name for name, entry in index.entries("inr").items() if entry.unavailable() is None]
)
def test_fits_that_go_wrong(dataset: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    kernels.remember_compiled()
    found: Counter[str] = Counter()
    network = load_network(find_checkpoint(f"unet@{WEIGHTS}", dataset, force=True))
    for lam in LAMBDAS:
        fits = members(dataset, lam)
        like = index.get("dataset", "mni-lesion").load()(size=128).load("p0001-s1")
        base = Choice.of("inr", name)
        for inr, _ in sizes(
            base, like, recipe_for(index.get("inr", name), PRESETS["standard"], dict(base.args))
        )[0]:
            recipe = recipe_for(index.get("inr", name), PRESETS["standard"], dict(inr.args))
            make = index.get("regularizer", "dice").load()().make
            fitted = fit(
                inr, fits, recipe, penalty=make([m.sample for m in fits], network) if lam else None
            )
            for k, member in enumerate(fits):
                sample = member.sample
                cell = Cell(
                    dataset,
                    sample.id,
                    sample.patient,
                    sample.hash,
                    inr,
                    Rate(None, 10),
                    recipe,
                    lam=lam,
                )
                end = float(fitted.fidelity[k])
                why = (
                    went_wrong(cell, sample, end, float(fitted.penalty[k]), float(fitted.best[k]))
                    if fitted.finite[k]
                    else "not finite"
                )
                found["fits"] += 1
                end_of = why or ("stuck" if end > 0.5 * float(sample.image.var()) else "well")
                found[end_of if end_of == "well" else f"{end_of} at lambda {lam:g}"] += 1
    with capsys.disabled():
        print(
            f"\n{name} on {dataset}:"
            f" {', '.join(f'{count} {what}' for what, count in found.items())}",
            end="",
        )
    assert (
        found["well"] + sum(count for what, count in found.items() if what.startswith("stuck"))
        == found["fits"]
    )

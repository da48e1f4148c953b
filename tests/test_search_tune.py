"""The search for the optimizer's defaults: the grid, what counts as gone wrong, the rule, and a
search that goes on where it stopped.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

import benchmark.search.tune
from benchmark.errors import InputError
from benchmark.fit.engine import Member, fit
from benchmark.plan.recipes import preset
from benchmark.plugins import index
from benchmark.plugins.choice import Choice
from benchmark.search.tune import (
    Candidate,
    read_rows,
    recipes,
    sizes,
    training_images,
    went_wrong,
)
from tests.searches import WAVES, tune


@pytest.fixture
def waves(tmp_path, tiny_dataset):
    (tmp_path / "waves.py").write_text(WAVES)
    index.add_plugin_file(tmp_path / "waves.py")
    return Choice.of("inr", "waves", width=...)


def test_every_backbone_gets_the_same_grid_and_its_default(waves):
    def grid(inr, *words):
        return [
            Candidate.of(recipe)
            for recipe in recipes(inr, replace(preset("standard"), steps=400, warmup=20), *words)
        ]

    for name in ("siren", "fourier", "hashgrid-torch"):
        default, *others = grid(Choice.of("inr", name))
        assert {default, *others} == {default, *grid(waves)} and default.lr == recipes(
            Choice.of("inr", name), preset("standard")
        )[0].lr
    assert len(grid(waves)) == 12
    for candidate in grid(waves):
        assert candidate.warmup == 20
        assert candidate.optimizer != "adam" or candidate.steps == 1000  # 2.5 times SOAP's
    assert grid(waves, ["adam"], [1e-3]) == [
        Candidate("soap", 1e-2, 400, 20),
        Candidate("adam", 1e-3, 1000, 20),
    ]
    with pytest.raises(InputError, match="the grid has no rates"):
        grid(waves, ["muon"])


def test_sizes_are_the_largest_within_the_rates(waves, tiny_dataset):
    sample, recipe = (
        index.get("dataset", "tiny").load()(size=64).load("p1-0"),
        recipes(waves, preset("standard"))[0],
    )
    found, notes = sizes(waves, sample, recipe)
    assert notes == []
    due = ((7, 0.3), (12, 0.6), (18, 1.2))
    for (choice, bpp), (width, asked) in zip(found, due, strict=True):
        assert dict(choice.args)["width"] == width and 0.8 * asked < bpp <= asked
    found, notes = sizes(waves, tiny_dataset.load("p1-0"), recipe)
    assert (
        len(found) + len(notes) == 3 and "no size is small enough" in notes[0]
    )  # 32 x 32: 38 bytes are less than a header


def test_images_are_of_the_train_split_with_a_lesion_and_one_a_patient(tiny_dataset, monkeypatch):
    monkeypatch.setattr(
        type(tiny_dataset),
        "ids",
        lambda self, split: (
            [f"{p}-{i}" for p in ("p1", "p2", "p3") for i in range(2)]
            if split == "train"
            else pytest.fail("another split was looked at")
        ),
    )
    loaded, load = [], type(tiny_dataset).load
    monkeypatch.setattr(
        type(tiny_dataset), "load", lambda self, i: loaded.append(i) or load(self, i)
    )
    first, second = training_images(tiny_dataset, None)[0]
    assert (first.patient, second.patient) == ("p1", "p2")  # p3 has no lesion
    assert len(loaded) == 1 + 1 + 2  # a patient's second image only where the first will not do
    (only,) = training_images(tiny_dataset, 1)[0]
    assert only.patient == "p1"
    monkeypatch.setattr(type(tiny_dataset), "ids", lambda self, split: ["p3-0"])
    with pytest.raises(InputError, match="there are none"):
        training_images(tiny_dataset, 2)


def test_gone_wrong_is_not_finite_or_flat_or_far_below_its_best(tiny_samples):
    flat = float(tiny_samples[0].image.var())

    def ended(end, best, finite=True):
        return went_wrong(
            SimpleNamespace(
                fidelity=np.array([end]), best=np.array([best]), finite=np.array([finite])
            ),
            0,
            tiny_samples[0],
        )

    assert ended(flat / 10, flat / 10) == ended(flat / 10, flat / 19) == ""  # 2.8 dB
    assert ended(flat / 10, flat / 21) == "ended 3.2 dB below its best"
    assert ended(flat * 1.01, flat) == "worse than a flat image"
    assert ended(flat / 10, flat / 10, finite=False) == ended(math.nan, flat / 10) == "not finite"


def test_a_search_from_end_to_end(waves, tmp_path, capsys):
    assert (
        tune(
            tmp_path,
            "--inr",
            "waves",
            "--inr",
            "siren",
            "--lr",
            "1e-2,2e-2",
            "--optimizer",
            "soap",
            "--json",
        )
        == 0
    )
    said = json.loads(capsys.readouterr().out)
    rows = list(read_rows(tmp_path / "fits.csv").values())
    rates = {
        "waves": 2,
        "siren": len({1e-2, 2e-2, recipes(Choice.of("inr", "siren"), preset("standard"))[0].lr}),
    }  # with its default
    assert len(rows) == 2 * 3 * sum(rates.values())  # images x sizes x rates
    kernels = {"waves": "torch", "siren": "fused"}
    psnr_db = set()
    for row in rows:
        assert row.patient in ("p1", "p2") and row.kernel == kernels[row.inr]
        assert row.n_parameters > 0 and row.seconds > 0 and 5 < row.psnr_db < 40
        psnr_db.add(row.psnr_db)
    assert len(psnr_db) == len(rows)
    chosen = {(one["inr"], one["size"]): one["chosen"] for one in said["tuned"]}
    assert (
        len(chosen) == 8 and chosen["waves", "all sizes"]["candidate"]["lr"] == 1e-2
    )  # 2e-2 has no rate above it
    one = next(r for r in rows if r.inr == "waves" and r.patient == "p2" and r.lr == 2e-2)
    samples = training_images(index.get("dataset", "tiny").load()(size=64), None)[0]
    recipe = next(
        r for r in recipes(waves, preset("standard"), ["soap"], [2e-2], 40) if r.lr == 2e-2
    )
    again = fit(
        Choice.of("inr", "waves", width=int(one.size.partition("=")[2])),
        [Member(sample) for sample in samples],
        recipe,
    )
    assert one.psnr_db == pytest.approx(-10 * math.log10(again.fidelity[1]), abs=1e-3)
    page = (tmp_path / "tuning.md").read_text()
    assert (
        page.count("(default)") == 8
        and str(tmp_path) not in page
        and "tune --inr waves --inr siren --dataset tiny --limit 6" in page
    )


def test_what_is_stored_is_not_fitted_again_and_an_interrupted_search_goes_on(
    waves, tmp_path, monkeypatch, capsys
):
    words = ["--lr", "1e-2,2e-2", "--optimizer", "soap", "--batch", "2"]
    calls = []

    def counted(inr, members, recipe, **options):
        calls.append((inr, recipe.lr))
        if len(calls) == 3:
            raise KeyboardInterrupt
        return fit(inr, members, recipe, **options)

    monkeypatch.setattr(benchmark.search.tune, "fit", counted)
    assert tune(tmp_path, *words) == 130
    assert len(read_rows(tmp_path / "fits.csv")) == 4 and "To go on" in capsys.readouterr().err
    assert tune(tmp_path, *words) == 0
    assert (
        len(calls) == 3 + 4 and len(set(calls)) == 6
    )  # three sizes and two rates; only the interrupted batch was begun twice
    before = (tmp_path / "fits.csv").read_bytes()
    monkeypatch.setattr(
        benchmark.search.tune, "fit", lambda *a, **k: pytest.fail("a stored fit was made again")
    )
    assert tune(tmp_path, *words) == 0
    assert (tmp_path / "fits.csv").read_bytes() == before and len(before.splitlines()) == 1 + 12


def test_a_candidate_that_diverges_is_recorded_and_never_chosen(waves, tmp_path, capsys):
    assert tune(tmp_path, "--lr", "1e-2,2e-2,1e3", "--optimizer", "soap", "--json") == 0
    for row in read_rows(tmp_path / "fits.csv").values():
        assert bool(row.went_wrong) == (row.lr == 1e3)
    for one in json.loads(capsys.readouterr().out)["tuned"]:
        low, high, lost = one["standings"]
        assert low["psnr_db"] < high["psnr_db"] and lost["gone_wrong"] == lost["fits"]
        assert one["chosen"]["candidate"]["lr"] == 1e-2  # 2e-2 is best, and a step from the cliff
    assert (
        "soap 1000, 40 steps"
        in (tmp_path / "tuning.md").read_text().partition("## Gone wrong: 6 of 18 fits")[2]
    )


def test_a_fit_that_raises_says_so_and_is_made_again(waves, tmp_path, monkeypatch):
    words = ["--lr", "2e-2", "--optimizer", "soap"]

    def fails(*a, **k):
        raise RuntimeError("no memory")

    monkeypatch.setattr(benchmark.search.tune, "fit", fails)
    assert tune(tmp_path, *words) == 1
    for row in read_rows(tmp_path / "fits.csv").values():
        assert row.went_wrong == "error: RuntimeError: no memory"
    monkeypatch.setattr(benchmark.search.tune, "fit", fit)
    assert tune(tmp_path, *words) == 0
    for row in read_rows(tmp_path / "fits.csv").values():
        assert row.went_wrong == ""


def test_a_backbone_that_declares_no_size_is_told_so(waves, tmp_path, capsys):
    (tmp_path / "waves.py").write_text(WAVES.replace('size="width", ', ""))
    index.entries.cache_clear()
    assert tune(tmp_path) == 2
    assert "does not say which argument sets its size" in capsys.readouterr().err

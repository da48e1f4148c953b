"""A fit that goes wrong starts again at half the rate, together with all that it is compared with,
and its row says so.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

import benchmark.runner.rows
import benchmark.runner.run
from benchmark.cli import main
from benchmark.plan.cells import Cell, Rate
from benchmark.plugins import index
from benchmark.plugins.choice import Choice
from benchmark.runner.rows import went_wrong
from benchmark.stats.compare import compare
from benchmark.store.store import Store
from benchmark.store.view import Scored
from benchmark.types import Recipe
from tests import tiny_networks
from tests.conftest import TINY

PLAIN = """
import torch
from benchmark.plugins import register

@register.inr("plain", size="width", sizes=(2, 64))
class Plain(torch.nn.Module):
    def __init__(self, in_dim: int, out_dim: int, *, width: int = 4) -> None:
        super().__init__()
        self.a, self.b = torch.nn.Linear(in_dim, width), torch.nn.Linear(width, out_dim)

    def forward(self, coords):
        return self.b(torch.tanh(self.a(coords)))
"""
FAST = [
    "--dataset",
    "tiny",
    "--plugin",
    str(TINY),
    "--steps",
    "30",
    "--lr",
    "1e-2",
    "--set",
    "hidden_features=12",
    "--bits",
    "10",
    "--device",
    "cpu",
    "--kernel",
    "torch",
    "--precision",
    "float32",
]


def cell_of(sample, lam):
    recipe = Recipe("adam", 1e-3, 5, "constant", 0)
    return Cell(
        "tiny",
        sample.id,
        sample.patient,
        sample.hash,
        Choice.of("inr", "siren"),
        Rate(None, 10),
        recipe,
        lam=lam,
        shape=sample.image.shape,
    )


@pytest.fixture
def networks(tiny_dataset) -> None:
    tiny_networks.write()


def run(folder, *words):
    return main(["run", "--out", str(folder), *FAST, *words])


def fits(folder):
    with Store(folder) as store:
        return [row for row in store.rows() if row.facts["codec"] is None]


def test_what_goes_wrong_once_is_fitted_again_with_its_twins(
    networks, store_folder, monkeypatch, capsys
):
    rates = {}
    fit, judge = benchmark.runner.run.fit, benchmark.runner.rows.went_wrong

    def spy(inr, members, recipe, **kwargs):
        for member in members:
            rates.setdefault((member.sample.id, member.seed, member.lam, member.null), []).append(
                member.rate
            )
        return fit(inr, members, recipe, **kwargs)

    def wrong_at_first(cell, sample, *rest):  # the SINCO fit of seed 1 of one image, the first time
        first = (
            cell.lam == 1e-2
            and cell.seed == 1
            and sample.id == chosen
            and len(rates[sample.id, 1, cell.lam, False]) == 1
        )
        return "it was a bad day" if first else judge(cell, sample, *rest)

    monkeypatch.setattr(benchmark.runner.run, "fit", spy)
    monkeypatch.setattr(benchmark.runner.rows, "went_wrong", wrong_at_first)
    chosen = index.get("dataset", "tiny").load()().ids("test")[0]
    assert run(store_folder, "--lambda", "1e-3,1e-2", "--seed", "0,1") == 0
    assert "start again at half the learning rate" in capsys.readouterr().err
    again = {who for who, seen in rates.items() if seen == [1.0, 0.5]}
    assert again == {
        (chosen, 1, 0.0, False),
        (chosen, 1, 0.0, True),
        (chosen, 1, 1e-3, False),
        (chosen, 1, 1e-2, False),
    }
    assert all(seen == [1.0] for who, seen in rates.items() if who not in again)
    stored = {
        (r.facts["sample_id"], r.facts["seed"], r.facts["lambda"], r.facts["null"]): r.facts[
            "restarts"
        ]
        for r in fits(store_folder)
    }
    assert stored == {who: len(seen) - 1 for who, seen in rates.items()}
    # A lambda that is added later starts where its twin ended.
    rates.clear()
    assert run(store_folder, "--lambda", "1e-4", "--seed", "1", "--image", chosen) == 0
    assert rates == {(chosen, 1, 1e-4, False): [0.5]}


def test_a_restart_that_was_interrupted_is_finished(networks, store_folder, monkeypatch):
    """The count is stored, then the twins are fitted; ctrl-C between leaves rows at unequal rates,
    which the next run mends.
    """
    assert run(store_folder, "--lambda", "1e-3", "--limit", "1") == 0
    with Store(store_folder) as store:
        plain = next(
            row
            for row in store.rows()
            if row.facts.get("lambda") == 0 and not row.facts["null"] and not row.facts["codec"]
        )
        store.remember("runs", "restarts", {plain.key: 1})
        store.add([replace(plain, facts=plain.facts | {"restarts": 1})])
    assert run(store_folder, "--lambda", "1e-3", "--limit", "1") == 0
    assert {row.facts["restarts"] for row in fits(store_folder)} == {1}


@pytest.mark.parametrize(("kernel", "why"), [("fused", "fused(coords)"), ("graphs", "NVIDIA GPU")])
def test_a_kernel_that_cannot_be_had_is_a_usage_error(networks, store_folder, capsys, kernel, why):
    plugin = store_folder.parent / "plain.py"
    plugin.write_text(PLAIN)
    assert (
        main(
            [
                "run",
                "--out",
                str(store_folder),
                "--dataset",
                "tiny",
                "--plugin",
                str(TINY),
                "--plugin",
                str(plugin),
                "--inr",
                "plain",
                "--steps",
                "3",
                "--device",
                "cpu",
                "--kernel",
                kernel,
            ]
        )
        == 2
    )
    assert why in capsys.readouterr().err
    with Store(store_folder) as store:
        assert not [row for row in store.rows() if row.status == "failed"]


def test_what_always_goes_wrong_is_given_up_and_says_how_often(networks, store_folder):
    assert run(store_folder, "--lambda", "1e-3", "--lr", "1e4", "--limit", "1", "--yes") == 1
    rows = fits(store_folder)
    assert {row.status for row in rows} == {"diverged"} and {
        row.facts["restarts"] for row in rows
    } == {3}
    assert all("started 4 times" in row.reason for row in rows)
    before = [row.facts["fit_seconds"] for row in rows]
    assert run(store_folder, "--lambda", "1e-3", "--lr", "1e4", "--limit", "1", "--yes") == 1
    assert [
        row.facts["fit_seconds"] for row in fits(store_folder)
    ] == before  # not fitted a fifth time


def test_a_pair_of_unequal_rates_is_no_pair(networks, store_folder):
    assert run(store_folder, "--lambda", "1e-3") == 0
    with Store(store_folder) as store:
        row = next(row for row in store.rows() if row.facts.get("lambda"))
        row.facts["restarts"] = 1
        store.add([row])
        (comparison,) = compare(Scored(store))
    assert comparison.unpaired == 1


@pytest.mark.parametrize(
    ("lam", "fidelity", "penalty", "best", "wrong"),
    [
        (0.0, 0.01, 0.0, 0.01, ""),
        (0.0, 0.019, 0.0, 0.01, ""),
        (0.0, 0.021, 0.0, 0.01, "3 dB below"),
        (0.0, 0.2, 0.0, 0.01, "flat image"),
        (1.0, 0.2, 0.0, 0.19, ""),
        (0.05, 0.03, 0.9, 0.01, "3 dB below"),
        (0.05, 0.03, 0.1, 0.01, ""),
    ],
)
def test_what_counts_as_wrong(tiny_samples, lam, fidelity, penalty, best, wrong):
    """With a penalty an image may give up fidelity for it, as long as the total loss is not worse
    than where it had been.
    """
    sample = tiny_samples[0]
    scale = (
        float(sample.image.var()) / 0.1
    )  # so that the figures above are those of an image whose variance is 0.1
    found = went_wrong(
        cell_of(sample, lam * scale), sample, fidelity * scale, penalty, best * scale
    )
    assert wrong in found and bool(wrong) == bool(found)

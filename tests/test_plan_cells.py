"""Cells: keys say what a fit is, twins are planned without being asked for, batches hold what can
be fitted together.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest

from benchmark.plan.cells import Cell, Rate, batches, with_twins
from benchmark.plan.recipes import PRESETS, recipe_for
from benchmark.plugins import index
from benchmark.plugins.choice import Choice
from benchmark.types import Recipe

RECIPE = Recipe("soap", 3e-3, 200, "cosine", 20)
SINCO = Cell(
    "mni-lesion",
    "p1-s0",
    "p1",
    "hash1",
    Choice.of("inr", "siren", hidden_features=...),
    Rate(0.6),
    RECIPE,
    lam=1e-5,
    segmenter="unet",
    segmenter_hash="abc",
    regularizer=Choice.of("regularizer", "dice"),
    shape=(128, 128, 1),
)


def test_every_sinco_cell_brings_its_plain_and_null_twin_once():
    cells = with_twins([SINCO, replace(SINCO, lam=1e-4), SINCO])
    assert [(c.lam, c.null) for c in cells] == [
        (0.0, False),
        (0.0, True),
        (1e-5, False),
        (1e-4, False),
    ]
    assert [with_twins([c])[0].key for c in cells] == [cells[0].key] * 4


@pytest.mark.parametrize(
    "change",
    [
        {"sample_hash": "other"},
        {"lam": 2e-5},
        {"seed": 1},
        {"null": True},
        {"fidelity": "sum"},
        {"rate": Rate(0.5)},
        {"rate": Rate(0.6, 8)},
        {"segmenter_hash": "def"},
        {"precision": "bf16"},
        {"recipe": replace(RECIPE, steps=201)},
        {"recipe": replace(RECIPE, penalty_every=2)},
        {"inr": Choice.of("inr", "siren", hidden_features=..., omega_0=31.0)},
        {"codec": Choice.of("regularizer", "dice")},
    ],
)
def test_the_key_notices_what_a_fit_is(change):
    assert replace(SINCO, **change).key != SINCO.key


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"lam": 0.0},
        {"lam": 0.0, "null": True},
        {"lam": 1.0},
        {"seed": 3},
        {"precision": "bf16"},
        {"regularizer": None},
        {"fidelity": "sum"},
        {"rate": Rate(None, 8)},
        {"codec": Choice("codec", "jpeg2000", (), "abc")},
        {"codec": Choice("codec", "jpeg2000", (), "abc"), "lam": 0.0},
        {"inr": Choice.of("inr", "siren", omega_0=30)},
        {"inr": Choice.of("inr", "siren", omega_0=30.0)},
        {"sample_hash": 'an "odd" \n name é'},
    ],
)
def test_the_key_is_the_hash_of_the_identity(change):
    """The key is put together from parts; all that is in `identity` and nothing else is in it."""
    cell = replace(SINCO, **change)
    text = json.dumps(cell.identity(), sort_keys=True, default=repr)
    assert cell.key == hashlib.sha256(text.encode()).hexdigest()[:24]
    plain = replace(cell, lam=0.0, null=False)
    assert cell.twin == (None if cell.codec or plain.key == cell.key else plain.key)


@pytest.mark.parametrize(
    "change", [{"dataset": "x"}, {"sample_id": "x"}, {"patient": "x"}, {"shape": (1, 1, 1)}]
)
def test_the_key_is_the_contents_not_the_names(change):
    assert replace(SINCO, **change).key == SINCO.key


@pytest.mark.parametrize(
    "change",
    [
        {"segmenter_hash": "def"},
        {"segmenter": "other"},
        {"precision": "bf16"},
        {"regularizer": None},
        {"recipe": replace(RECIPE, penalty_every=4)},
    ],
)
def test_at_lambda_0_the_key_leaves_out_the_segmenter(change):
    plain = replace(SINCO, lam=0.0)
    assert replace(plain, **change).key == plain.key


def test_the_order_of_arguments_is_not_in_the_key():
    a = Choice.of("inr", "siren", omega_0=31.0, hidden_layers=2)
    b = Choice.of("inr", "siren", hidden_layers=2, omega_0=31.0)
    assert a == b and replace(SINCO, inr=a).key == replace(SINCO, inr=b).key


def test_batches_share_what_they_must_and_put_plain_fits_first():
    cells = with_twins(
        [
            replace(SINCO, seed=s, sample_hash=f"h{i}", sample_id=f"p{i}")
            for s in range(2)
            for i in range(3)
        ]
    )
    cells += with_twins([replace(SINCO, inr=Choice.of("inr", "siren", hidden_layers=2))])
    groups = batches(cells, 4)
    assert sum(len(g) for g in groups) == len(cells) and max(len(g) for g in groups) == 4
    for group in groups:
        assert len({c.batch_key() for c in group}) == 1
    with_penalty = [g[0].lam > 0 for g in groups]
    assert with_penalty == sorted(with_penalty)


def test_presets_only_set_defaults():
    siren = index.get("inr", "siren")
    assert recipe_for(siren, PRESETS["adam-10k"]) == Recipe("adam", 2e-4, 10_000, "constant", 0)
    assert recipe_for(siren, PRESETS["adam-10k"], lr=1e-3, steps=5).lr == 1e-3
    assert recipe_for(siren, PRESETS["quick"], steps=50).warmup == 5
    assert recipe_for(siren, PRESETS["standard"], optimizer="adam").lr == 2e-3


def test_the_declared_rate_falls_with_depth():
    siren, standard = index.get("inr", "siren"), PRESETS["standard"]
    rates = {
        layers: recipe_for(siren, standard, {"hidden_layers": layers - 1}).lr
        for layers in (4, 5, 10)
    }
    assert rates == {4: 0.0074, 5: 0.0056, 10: 0.0023}  # a third of where plain fits began to fail
    assert recipe_for(siren, standard).lr == rates[4]  # the default depth
    assert recipe_for(siren, standard, {"hidden_layers": 9}, optimizer="adam").lr == 2e-3
    assert recipe_for(index.get("inr", "fourier"), standard, {"hidden_layers": 9}).lr == 2e-2

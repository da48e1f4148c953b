"""Learned initial states: they help where they should, belong to one backbone, are in the key, and
no file needs them.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import benchmark.runner.run
import benchmark.search.learn
from benchmark.bitstream import decode
from benchmark.cli import main
from benchmark.errors import InputError
from benchmark.fit.engine import Member, fit
from benchmark.plan.cells import Cell, Rate
from benchmark.plan.inits import default_path, find_init
from benchmark.plan.job import resolve
from benchmark.plan.selection import Selection
from benchmark.plugins.choice import Choice
from benchmark.search.learn import learn, recipe_of, save
from benchmark.stats.compare import Group
from benchmark.store.store import Store
from benchmark.store.view import Scored
from benchmark.types import NULL_SCALE, Recipe
from tests import tiny_networks
from tests.conftest import TINY

SIREN = Choice.of("inr", "siren", hidden_features=8, hidden_layers=1)
SETS = ("hidden_features=8", "hidden_layers=1")
STILL = Recipe("adam", 1e-3, 0, "constant", 0)  # no step: a fit ends where it starts
CELL = Cell("tiny", "p6-0", "p6", "hash", SIREN, Rate(None, 10), STILL)


def parameters(value: float = 0.1, width: int = 8) -> dict[str, np.ndarray]:
    rows = {"0": (width, 2), "1": (width, width), "2": (1, width)}
    weights = {f"layers.{i}.weight": np.full(shape, value, np.float32) for i, shape in rows.items()}
    return weights | {
        f"layers.{i}.bias": np.full(shape[0], value, np.float32) for i, shape in rows.items()
    }


@pytest.fixture
def learned(tiny_dataset) -> Path:
    """A state of SIREN for `tiny` where --init learned looks, and the networks that a run needs."""
    tiny_networks.write()
    path = default_path(SIREN, "tiny")
    save(path, parameters(), SIREN, list(tiny_dataset.samples("train"))[:1], rounds=1, steps=1)
    return path


def select(**changes) -> Selection:
    return replace(
        Selection(dataset="tiny", lam=(1e-3,), steps=4, sets=SETS, init="learned"), **changes
    )


def test_a_learned_state_fits_an_image_it_has_not_seen_sooner(tiny_dataset, tiny_samples):
    state = learn(SIREN, list(tiny_dataset.samples("train"))[:2], rounds=6, steps=20)
    members = [Member(sample) for sample in tiny_samples[:2]]
    own, ours = (
        fit(SIREN, members, recipe_of(SIREN, 20), kernel="torch", init=init).fidelity
        for init in (None, state)
    )
    gained_db = 10 * np.log10(own / ours)
    assert (gained_db > 1).all(), gained_db


def test_fits_that_go_wrong_teach_nothing(tiny_dataset, monkeypatch):
    samples = list(tiny_dataset.samples("train"))[:2]

    def spoiled(wrong):
        def fits(*args, **words):
            fitted = fit(*args, **words | {"kernel": "torch"})
            for k in wrong:
                fitted.finite[k], fitted.states[k] = False, parameters(np.nan)
            return fitted

        return fits

    monkeypatch.setattr(benchmark.search.learn, "fit", spoiled([0]))
    said: list[str] = []
    state = learn(SIREN, samples, rounds=1, steps=2, say=said.append)
    monkeypatch.setattr(benchmark.search.learn, "fit", spoiled([]))
    alone = learn(SIREN, samples[1:], rounds=1, steps=2)
    assert "1 of 2 fits went wrong" in said[0]
    for name, array in state.items():  # K moves the last bits of a fit
        assert np.allclose(array, alone[name], atol=1e-3), name
    monkeypatch.setattr(benchmark.search.learn, "fit", spoiled([0, 1]))
    with pytest.raises(InputError, match="every fit of round 1 went wrong"):
        learn(SIREN, samples, rounds=1, steps=2)


@pytest.mark.parametrize("kernel", ["torch", "fused"])
def test_every_fit_starts_from_the_state_and_null_twins_scale_it(tiny_samples, kernel):
    state = parameters()
    members = [
        Member(tiny_samples[0]),
        Member(tiny_samples[0], seed=3),
        Member(tiny_samples[0], null=True),
    ]
    first, other_seed, null = fit(SIREN, members, STILL, kernel=kernel, init=state).states
    for name, array in state.items():
        assert np.array_equal(first[name], array) and np.array_equal(other_seed[name], array)
        assert np.array_equal(null[name], array * np.float32(NULL_SCALE)) and not np.array_equal(
            null[name], array
        )


def test_a_state_of_other_shapes_is_refused(tiny_samples):
    with pytest.raises(InputError, match="other names or shapes"):
        fit(SIREN, [Member(tiny_samples[0])], STILL, init=parameters(width=9))


@pytest.mark.parametrize(
    "change, found",
    [
        ({"sets": ("hidden_layers=1",)}, "sets={'siren.hidden_features': 16}"),
        ({"sets": ("hidden_features=9", "hidden_layers=1")}, "no such file"),
        ({"seed": (0, 1)}, "one fit, counted 2 times"),
        ({"init": "absent.safetensors"}, "no such file: absent.safetensors"),
    ],
)
def test_what_a_state_is_not_for_is_refused_with_what_to_type(learned, change, found):
    with pytest.raises(InputError) as error:
        resolve(select(**change))
    assert found in str(error.value)


@pytest.mark.parametrize(
    "card, found",
    [
        ({"args": dict(SIREN.args) | {"hidden_features": 9}}, 'arguments .*"hidden_features": 9'),
        ({"source": "other"}, "code other"),
        ({"inr": "gauss"}, "the backbone gauss"),
        ({"channels": ["a", "b"]}, "the number of channels 2"),
    ],
)
def test_a_card_for_something_else_is_refused_with_the_command_that_learns_anew(
    learned, card, found
):
    init = find_init("learned", SIREN, "tiny", ("gray",))
    save_file(init.state, learned, {"card": json.dumps(init.card | card)})
    with pytest.raises(InputError, match=found) as error:
        find_init("learned", SIREN, "tiny", ("gray",))
    assert (
        error.value.todo
        == "python -m benchmark learn --inr siren --dataset tiny --set siren.hidden_features=8 "
        "--set siren.hidden_layers=1"
    )


def test_a_damaged_state_is_refused(learned):
    save_file(
        {"layers.0.weight": np.full((8, 2), np.nan, np.float32)},
        learned,
        {"card": json.dumps(find_init("learned", SIREN, "tiny", ("gray",)).card)},
    )
    with pytest.raises(InputError, match="not finite"):
        find_init("learned", SIREN, "tiny", ("gray",))
    learned.write_bytes(learned.read_bytes()[:200])
    with pytest.raises(InputError, match="damaged"):
        find_init("learned", SIREN, "tiny", ("gray",))


def test_the_state_is_in_the_key_and_cells_without_one_keep_theirs():
    for cell in (
        CELL,
        replace(CELL, lam=1e-3),
        replace(CELL, null=True),
        replace(CELL, codec=Choice("codec", "jpeg2000", (), "abc")),
    ):
        started = replace(cell, init="abc", init_bytes=3524)
        assert started.key != cell.key and replace(started, init="abd").key != started.key
        assert (
            started.key == replace(started, init_bytes=1).key
            and started.batch_key() != cell.batch_key()
        )
        for one in (cell, started):  # the key is put together by hand; see tests/test_plan.py
            assert (
                one.key
                == hashlib.sha256(
                    json.dumps(one.identity(), sort_keys=True, default=repr).encode()
                ).hexdigest()[:24]
            )
    assert (
        "init" not in CELL.identity() and "init_bytes" not in replace(CELL, init="abc").identity()
    )
    twin = replace(CELL, init="abc", lam=1e-3).twin
    assert twin == replace(CELL, init="abc").key


def test_all_cells_of_a_run_have_the_state_and_images_it_was_learned_on_are_said(learned):
    job = resolve(select())
    (init,) = job.inits.values()
    assert {(cell.init, cell.init_bytes) for cell in job.cells} == {
        (init.hash, learned.stat().st_size)
    } and job.notes == []
    assert "1 of 3 images are of patients" in resolve(select(split="train")).notes[0]


def test_learn_run_decode_without_the_state_and_a_report_that_declares_its_bytes(
    tiny_dataset, store_folder, capsys, monkeypatch
):
    tiny_networks.write()
    used: list[dict[str, np.ndarray] | None] = []
    monkeypatch.setattr(
        benchmark.runner.run,
        "fit",
        lambda *args, **words: used.append(words["init"]) or fit(*args, **words),
    )
    plugin = f"--plugin {TINY} --dataset tiny --device cpu".split()
    for text in SETS:
        plugin += ["--set", text]
    assert main(["learn", *plugin, "--rounds", "2", "--steps", "4", "--limit", "2", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    path = Path(made["path"])
    assert path == default_path(SIREN, "tiny") and made["bytes"] == path.stat().st_size
    assert made["card"]["images"] == ["p1-0", "p2-0"] and made["card"]["patients"] == ["p1", "p2"]
    words = f"--out {store_folder} --steps 20 --bits 10 --lambda 1e-2 --limit 1"
    fast = [*plugin, *words.split()]
    assert main(["run", *fast]) == 0 and main(["run", *fast, "--init", "learned"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    said = f"{path.stat().st_size:,} bytes shared by all images, not in bpp"
    assert said in printed and "siren (learned init) + unet, lambda 1e-2" in printed
    assert said in (store_folder / "leaderboard.md").read_text()
    start, half = load_file(path), len(used) // 2
    assert half and used[:half] == [None] * half
    assert all(
        init is not None and all(np.array_equal(init[name], array) for name, array in start.items())
        for init in used[half:]
    )
    path.unlink()
    with Store(store_folder) as store:
        scored = Scored(store, everything=True)
        sinco = [row for row in scored.rows if row.facts["lambda"] and not row.facts["codec"]]
        groups = {Group.of(scored, row): bool(row.facts.get("init")) for row in sinco}
        assert sorted(groups.values()) == [
            False,
            True,
        ], "runs with and without a learned state are one comparison"
        fits = [row for row in store.rows() if row.facts["codec"] is None]
        assert (
            len(fits) == 2 * 3
            and sum(row.facts.get("init_bytes") == made["bytes"] for row in fits) == 3
        )
        assert all(decode(row.data).image.shape == (32, 32, 1) for row in fits)
    assert sum(array.size for array in start.values()) == fits[0].facts["n_parameters"]

"""`profile`: every second has a part, nothing of the user's is touched, estimates are plain
arithmetic.
"""

from __future__ import annotations

import json
import time

import pytest

import benchmark.fit.held
import benchmark.fit.render
import benchmark.networks.network
import benchmark.runner.rows
import benchmark.runner.run
import benchmark.runner.scorer
import benchmark.store.store
from benchmark.cli import main
from tests import tiny_networks
from tests.conftest import TINY

FAST = [
    "--dataset",
    "tiny",
    "--plugin",
    str(TINY),
    "--steps",
    "10",
    "--set",
    "hidden_features=8",
    "--bits",
    "10",
    "--device",
    "cpu",
    "--kernel",
    "torch",
    "--precision",
    "float32",
]


@pytest.fixture
def profile(tiny_dataset, store_folder, capsys):
    """What `profile --json` says."""
    tiny_networks.write()

    def run(*words):
        assert main(["profile", "--out", str(store_folder), *FAST, *words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def columns(found):
    (backbone,) = found["backbones"]
    return backbone["columns"]


def slow(monkeypatch, owner, name, seconds):
    """Make a function wait before each call."""
    original = getattr(owner, name)

    def waiting(*args, **kwargs):
        time.sleep(seconds)
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, waiting)


def test_parts_sum_to_the_wall_and_each_has_its_own_seconds(profile, monkeypatch):
    pause = 0.02
    for owner, name in (
        (benchmark.runner.rows, "encode"),
        (benchmark.runner.scorer, "decode"),
        (benchmark.runner.scorer, "image_scores"),
        (benchmark.networks.network.Network, "segment"),
        (benchmark.store.store.Store, "add"),
        (benchmark.fit.held.HeldPenalty, "refresh"),
        (benchmark.fit.render.Renderer, "step"),
    ):
        slow(monkeypatch, owner, name, pause)
    found = columns(
        profile("--lambda", "1e-3", "--batch", "2", "--steps", "5", "--penalty-every", "5")
    )
    for kind, calls in (("plain", {"inr": 5}), ("SINCO", {"inr": 5, "network": 1})):
        column, calls = (
            found[kind],
            calls
            | {
                "encode": 2,
                "decode": 2,
                "score: metrics": 2,
                "score: readers": 2,
                "store": 1,
            },
        )
        parts = column["parts"]
        assert sum(parts.values()) == pytest.approx(column["seconds"], abs=0.005)
        assert {
            part for part, seconds in parts.items() if seconds >= pause * calls.get(part, 1e9)
        } == set(calls), (kind, parts)
        assert 0 <= parts["wait"] < pause
    assert found["codecs"]["parts"]["score: metrics"] >= found["codecs"]["files"] * pause
    assert sum(found["codecs"]["parts"].values()) == pytest.approx(
        found["codecs"]["seconds"], abs=0.005
    )


def test_a_batch_of_the_users_own_job_is_measured(profile):
    found = profile(
        "--lambda", "1e-3,1e-2", "--seed", "0,1", "--batch", "4", "--penalty-every", "5"
    )
    plain, sinco, codecs = columns(found).values()
    assert (plain["files"], sinco["files"], codecs["files"]) == (
        4,
        4,
        2,
    )  # one image: its two seeds and their twins
    assert plain["image_steps"] == sinco["image_steps"] == 40
    assert sinco["evaluations"] == {"0.001": 2.0, "0.01": 2.0} and plain["evaluations"] == {}
    assert sinco["ms_a_step"]["network"] == pytest.approx(1000 * sinco["parts"]["network"] / 40)
    assert sinco["evaluation_ms"] == pytest.approx(5 * sinco["ms_a_step"]["network"])
    assert (plain["kernel"], plain["precision"], sinco["precision"]) == ("torch", "", "float32")
    assert set(found["once"]) == {
        "choose the precision",
        "compile and load",
        "rate search",
        "read 3 images",
    }


def test_estimates_are_arithmetic_from_the_parts(profile):
    found = profile("--lambda", "1e-3", "--seed", "0,1")
    each = {kind: column["seconds"] / column["files"] for kind, column in columns(found).items()}
    own, reference = found["estimates"]
    assert own["seconds"] == pytest.approx(
        12 * each["plain"] + 6 * each["SINCO"] + 6 * each["codecs"] + 3 * found["original_seconds"]
    )
    assert reference["seconds"] == pytest.approx(
        484
        * (
            5 * (2 * each["plain"] + 5 * each["SINCO"])
            + 2 * each["codecs"]
            + found["original_seconds"]
        )
    )
    assert reference["what"] == "484 images x 5 lambdas x 5 seeds of siren"


def test_originals_are_read_once_an_image_and_counted_so(profile, monkeypatch):
    slow(monkeypatch, benchmark.networks.network.Network, "segment", 0.02)
    assert 0.04 <= profile()["original_seconds"] < 0.07  # two readers, a call each


def test_a_job_without_codecs_has_no_column_of_them(tiny_dataset, store_folder, capsys):
    tiny_networks.write()
    command = ["profile", "--out", str(store_folder), *FAST, "--lambda", "1e-3", "--codec", "none"]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "(SINCO, siren)" in printed and "codecs" not in printed


@pytest.mark.parametrize("stored", [False, True])
def test_nothing_is_written(profile, store_folder, tmp_path_factory, monkeypatch, stored):
    temporary = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    if stored:
        with benchmark.store.store.Store(store_folder) as store:
            store.experiments.begin("first", {}, ())
    before = {path: path.read_bytes() for path in store_folder.glob("*")}
    profile()
    assert {
        path: path.read_bytes() for path in store_folder.glob("*")
    } == before and store_folder.exists() == stored
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(
    ("lam", "heads", "says"),
    [
        (
            "0",
            ["s/fit", "share", "ms/step", "s/file", "share"],
            "of siren: unknown, as no lambda above 0",
        ),
        (
            "1e-3",
            ["s/fit", "share", "ms/step", "s/fit", "share", "ms/step", "s/file", "share"],
            "+ 12,100 x ",
        ),
    ],
)
def test_the_table_fits_a_terminal_of_80_columns(
    tiny_dataset, store_folder, capsys, lam, heads, says
):
    tiny_networks.write()
    assert main(["profile", "--out", str(store_folder), *FAST, "--lambda", lam]) == 0
    printed = capsys.readouterr().out
    table = printed[printed.index("\npart ") : printed.index("\nonce a run")].splitlines()[1:]
    assert table[0].split() == ["part", *heads] and max(map(len, table)) <= 80
    assert table[-1].split()[0] == "all" and table[-1].count(" 100%") == heads.count("share")
    assert "K = 6 fits at once, kernel torch" in printed and says in printed


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--batch", "0"), "it must be at least 1"),
        (("--lambda", "x"), "not a number"),
        (("--bpp", "0.01"), "its smallest file has"),
    ],
)
def test_what_cannot_be_measured_says_what_to_type(tiny_dataset, store_folder, capsys, words, says):
    tiny_networks.write()
    fast = [word for word in FAST if word != "hidden_features=8"]
    fast.pop(fast.index("--set"))
    assert main(["profile", "--out", str(store_folder), *fast, *words]) == 2
    assert says in capsys.readouterr().err


def test_a_fit_that_fails_is_no_measurement(tiny_dataset, store_folder, capsys, monkeypatch):
    tiny_networks.write()

    def broken(*args, **kwargs):
        raise RuntimeError("out of paper")

    monkeypatch.setattr(benchmark.runner.run, "fit", broken)
    assert main(["profile", "--out", str(store_folder), *FAST]) == 2
    assert "a fit of it failed: RuntimeError: out of paper" in capsys.readouterr().err

"""A backbone whose learning rate nobody tuned: it runs as before, and is said to be so."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.cli import main
from benchmark.plan.recipes import PRESETS, lr_tuned, recipe_for, untuned_notes
from benchmark.plugins import index
from benchmark.plugins.new import new_plugin
from benchmark.plugins.rates import UNTUNED, UNTUNED_LR, untuned
from benchmark.report.words import backbone
from benchmark.store.store import Store
from benchmark.store.view import settings
from tests import tiny_networks
from tests.conftest import TINY


@pytest.fixture
def mine(tmp_path: Path) -> index.Entry:
    path = new_plugin("inr", "mine", tmp_path)
    index.add_plugin_file(path)
    return index.get("inr", "mine")


def test_all_that_come_along_are_tuned_and_a_new_one_is_not(mine: index.Entry) -> None:
    assert untuned(mine)
    for name in ("siren", "fourier", "hashgrid", "hashgrid-torch"):
        assert not untuned(index.get("inr", name))
    assert not untuned(index.get("optimizer", "adam"))


def test_the_rate_is_that_of_before_and_the_fact_says_who_chose_it(mine: index.Entry) -> None:
    standard = PRESETS["standard"]
    assert recipe_for(mine, standard).lr == UNTUNED_LR == 3e-3
    assert not lr_tuned(mine, {}, recipe_for(mine, standard))
    assert not lr_tuned(mine, {}, recipe_for(mine, standard, optimizer="adam"))
    assert lr_tuned(mine, {}, recipe_for(mine, standard, lr=1e-2))
    assert lr_tuned(mine, {}, recipe_for(mine, PRESETS["adam-10k"]))
    siren = index.get("inr", "siren")
    assert lr_tuned(siren, {}, recipe_for(siren, standard))


def test_a_run_says_so_before_it_starts_in_its_rows_and_in_its_tables(
    mine: index.Entry,
    tiny_dataset: object,
    store_folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    tiny_networks.write()
    words = (
        "--dataset tiny --steps 200 --limit 1 --bpp 3 --bits 10 --kernel torch --device cpu".split()
    )
    words += ["--inr", "mine", "--inr", "siren", "--plugin", str(TINY), str(mine.path)]
    words.insert(-1, "--plugin")
    assert main(["run", "--out", str(store_folder), *words]) == 0
    told = capsys.readouterr()
    assert "mine: nobody tuned its learning rate; python -m benchmark tune --inr mine" in told.err
    assert "siren: nobody" not in told.err
    with Store(store_folder) as store:
        rows = store.rows()
    found = {(row.facts["inr"], row.facts["lr_tuned"]) for row in rows}
    assert found == {("mine", False), ("siren", True)}
    board = (store_folder / "leaderboard.md").read_text()
    assert f"mine ({UNTUNED})" in board and f"siren ({UNTUNED})" not in board
    # The codecs beside the fits are found by the settings that they share.
    for row in rows:
        assert ("untuned" in settings(row.facts)) is (row.facts["inr"] == "mine")


def test_a_rate_that_was_given_needs_no_note(mine: index.Entry) -> None:
    assert untuned_notes([]) == []
    assert backbone("mine", ()) == "mine"
    assert backbone("mine", ("untuned", "init")) == f"mine ({UNTUNED}) (learned init)"

"""Network in the loss x network that reads: the table against numbers that were planted."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest

from benchmark.report.cross import crossings, full_table, terminal_table, write_cross
from benchmark.report.leaderboard import leaderboard
from benchmark.report.terminal import render
from benchmark.store.store import Score
from benchmark.store.view import Scored
from tests.synthetic import DILATED, UNET, make_store

ENSEMBLE = "e" * 16
GAINS = {
    UNET: {"dice": 0.30, "dice_eval": 0.10},
    DILATED: {"dice": -0.05, "dice_eval": 0.20},
}  # in the loss -> read by unet, by dilated


@pytest.fixture
def store(store_folder):
    """Fits with unet in the loss, and the same with dilated and with both, each with Dice of its
    own for either reader.
    """
    store = make_store(
        store_folder,
        images=4,
        noise=0.01,
        seeds=2,
        effect=lambda n, inr, lam, metric: GAINS[UNET].get(metric, 0.0),
    )
    sinco = [row for row in store.rows() if row.facts.get("segmenter")]
    for name, hash_ in (("dilated", DILATED), ("unet+dilated", ENSEMBLE)):
        more = {}
        for reader, metric in ((UNET, "dice"), (DILATED, "dice_eval")):
            more[reader] = GAINS[DILATED][metric] - GAINS[UNET][metric]
        scores = []
        for key, metric, value, reader, of, _ in store.each_score([row.key for row in sinco]):
            moved = value + more[of] if metric == "dice" else value
            scores.append(Score(f"{key}-{name}", metric, moved, reader, of))
        loss = {"segmenter": name, "segmenter_hash": hash_}
        store.add(
            [replace(row, key=f"{row.key}-{name}", facts=row.facts | loss) for row in sinco], scores
        )
    store.remember("runs", "members", {ENSEMBLE: [UNET, DILATED]})
    return store


def test_each_pair_of_networks_has_the_difference_that_was_planted(store):
    (crossing,) = crossings(Scored(store))
    assert crossing.losses == [DILATED, UNET, ENSEMBLE] and crossing.readers == [DILATED, UNET]
    for loss in (UNET, DILATED):
        for reader, metric in ((UNET, "dice"), (DILATED, "dice_eval")):
            cell = crossing.cells[loss, reader]
            assert cell.summary.mean == pytest.approx(GAINS[loss][metric], abs=0.01), (loss, reader)
            assert (
                cell.in_loss == (loss == reader)
                and cell.summary.images == 4
                and cell.original == pytest.approx(0.9)
            )
            assert (cell.summary.wins, cell.summary.losses) == (
                (4, 0) if GAINS[loss][metric] > 0 else (0, 4)
            )


def test_who_was_in_the_loss_counts_as_no_other_reader(store):
    (crossing,) = crossings(Scored(store))
    assert crossing.others[UNET].mean == pytest.approx(0.10, abs=0.01) and crossing.others[
        DILATED
    ].mean == pytest.approx(-0.05, abs=0.01)
    assert ENSEMBLE not in crossing.others
    for reader in (UNET, DILATED):
        assert crossing.cells[ENSEMBLE, reader].in_loss
    store.remember("runs", "members", {})
    assert ENSEMBLE in crossings(Scored(store))[0].others


def test_the_page_and_the_files_have_it(store, tmp_path):
    scored = Scored(store)
    full = full_table(scored, *crossings(scored))
    heads, table = full.heads, full.rows
    assert heads[1:3] == ["read by dilated", "read by unet"] and len(table) == 3 + 2
    assert (
        table[0][1].startswith("(+0.199 [+0.19")
        and not table[0][2].startswith("(")
        and table[0][2].endswith("0/0/4")
    )
    assert "## Does it help when another network reads?" in leaderboard(scored)
    csv_path, png = write_cross(scored, tmp_path)
    lines = list(csv.DictReader(csv_path.open()))
    assert len(lines) == 6 and {line["kin"] for line in lines} == {"True", "False"}
    assert png.read_bytes()[:4] == b"\x89PNG" and png.stat().st_size > 5_000


def test_a_terminal_gets_it_aligned(store):
    scored = Scored(store)
    head, first, *others = terminal_table(scored, *crossings(scored)).lines()
    assert (
        head.split() == ["in", "the", "loss", "\\", "read", "by", "dilated", "unet"]
        and len(others) == 2
    )
    assert first.split() == ["dilated", "(+0.199", "4/0/0)", "-0.050", "0/0/4"]
    printed = [str(text) for text in render(scored, width=80)]
    assert any("Dice (eval): by those of dilated, unet, not in it" in line for line in printed)
    assert f"  {first}" in printed and all(len(line) <= 80 for line in printed if "/0/" in line)


def test_one_network_in_the_loss_is_no_crossing(store_folder, tmp_path):
    scored = Scored(make_store(store_folder))
    assert (
        crossings(scored) == []
        and write_cross(scored, tmp_path) == []
        and "another network reads" not in leaderboard(scored)
    )


def test_a_precision_of_its_own_does_not_part_two_networks(store):
    changed = []
    for row in store.rows():
        if row.facts.get("segmenter") == "dilated":
            changed.append(replace(row, facts=row.facts | {"precision": "bf16"}))
    store.add(changed, [Score(*score) for score in store.each_score([row.key for row in changed])])
    (crossing,) = crossings(Scored(store))
    assert DILATED in crossing.losses and len(crossing.losses) == 3

"""Flips in a store whose scores were planted."""

from __future__ import annotations

import runpy
from pathlib import Path

from benchmark.report.flips import flips
from benchmark.store.store import Score
from benchmark.store.view import Scored

make_store = runpy.run_path(str(Path(__file__).with_name("synthetic.py")))["make_store"]


def test_flips_count_pairs_whose_winner_changes(store_folder):
    store = make_store(
        store_folder, noise=0.0, effect=lambda n, i, lam, m: 1.0 if m == "psnr_db" else 0.0
    )
    assert flips(Scored(store)) == []  # nothing was scored as a stretched PNG
    for row in store.rows():
        number = int(row.facts["sample_id"].rpartition("_")[2])
        worse = row.facts["lambda"] > 0 and number < 2
        store.add(
            [],
            [
                Score(
                    row.key,
                    "psnr_db",
                    10.0 if worse else 20.0 + (row.facts["lambda"] > 0),
                    score_as="stretched-png",
                )
            ],
        )
    (found,) = flips(Scored(store))
    assert (found.pairs, found.flips) == (6, 2)

"""The rule that chooses from a search, and its page."""

from __future__ import annotations

import csv
import math
from dataclasses import replace

import pytest

from benchmark.errors import InputError
from benchmark.report.tuning import as_json, choose, markdown, outcomes, standings
from benchmark.search.tune import (
    COLUMNS,
    Candidate,
    append_rows,
    read_rows,
)
from tests.searches import row
from tests.test_startup import run as run_bare


@pytest.mark.parametrize(
    ("rows", "chosen"),
    [
        ([row(1e-3, 30), row(2e-3, 31), row(4e-3, 29)], 2e-3),
        (
            [row(1e-3, 30), row(2e-3, 31), row(4e-3, 33)],
            2e-3,
        ),  # above the highest rate nothing was tried
        (
            [row(1e-3, 30), row(2e-3, 31), row(4e-3, 33, "not finite")],
            1e-3,
        ),  # the next step is over the cliff
        ([row(1e-3, 30), row(2e-3, 35, "ended"), row(4e-3, 33), row(8e-3, 20)], 4e-3),
        (
            [
                row(2e-3, 31),
                row(2e-3, 31, image="b"),
                row(4e-3, 30),
                row(4e-3, 30, "ended", image="b"),
            ],
            None,
        ),  # one fit is enough
        (
            [
                row(1e-3, 30),
                row(1e-3, 20, image="b"),
                row(2e-3, 29),
                row(2e-3, 29, image="b"),
                row(4e-3, 9),
                row(4e-3, 9, image="b"),
            ],
            2e-3,
        ),
        (
            [row(1e-3, 31), row(2e-3, 31, optimizer="adam"), row(2e-3, 31, steps=100)],
            None,
        ),  # a neighbour of another kind is none
        ([row(4e-3, 33), row(1e-3, 30), row(2e-3, 34)], 2e-3),  # in whatever order
        (
            [row(2e-3, 31), row(2.5e-3, 30), row(4e-3, 29, "ended")],
            None,
        ),  # a default between two rates makes no smaller margin
        ([row(2e-3, 31), row(2.5e-3, 30, "ended"), row(4e-3, 29)], None),
        ([row(2e-3, 31), row(2.5e-3, 30), row(4e-3, 29), row(8e-3, 9, "ended")], 2e-3),
    ],
)
def test_the_rule(rows, chosen):
    found = choose(standings(rows))
    assert (found and found.candidate.lr) == chosen


def test_standings_count_every_fit_and_hide_none():
    one, other, lost = standings(
        [
            row(1e-3, 30),
            row(1e-3, 20, image="b"),
            row(2e-3, 29),
            row(2e-3, 26, image="b"),
            row(4e-3, 40, "ended"),
            row(4e-3, math.nan, "not finite", image="b"),
        ]
    )
    assert (one.psnr_db, one.worst_gap_db, one.gone_wrong, one.fits) == (
        25,
        10,
        0,
        2,
    )  # against 40 on a and 26 on b
    assert (other.psnr_db, other.worst_gap_db) == (27.5, 11)
    assert (
        math.isnan(lost.psnr_db) and math.isnan(lost.worst_gap_db) and lost.gone_wrong == 2
    )  # no mean over those that are left


def test_the_page_marks_the_chosen_and_the_default_and_pools_the_sizes():
    rows = [
        row(lr, psnr_db + bonus, size=size)
        for size, bonus in (("n=1", 0), ("n=2", 5))
        for lr, psnr_db in ((1e-3, 30), (2e-3, 31.5), (4e-3, 29))
    ]
    tuned = outcomes(rows, {"siren": Candidate("soap", 1e-3, 400, 20)})
    assert [one.size for one in tuned] == ["n=1", "n=2", "all sizes"]
    page = markdown(rows, tuned, "a command")
    assert "| **soap 2e-3, 400 steps** | **31.50** | **0.00** | **0 of 1** |" in page
    assert "| soap 1e-3, 400 steps (default) | 30.00 | 1.50 | 0 of 1 |" in page
    assert (
        "| siren, all sizes | soap 2e-3, 400 steps | 34.00 | soap 1e-3, 400 steps | 32.50 | +1.50 |"
        " 0 of 2 |" in page
    )
    assert "Gone wrong: 0 of 6 fits" in page and "none of which no fit went wrong" not in page
    assert as_json(tuned[2])["chosen"]["candidate"]["lr"] == 2e-3
    unsafe = outcomes(rows[:1], {})
    assert "| siren, n=1 | none is safe | - | not fitted | - | - | - |" in markdown(
        rows[:1], unsafe, ""
    )


def test_a_torn_line_costs_that_line_only(tmp_path):
    path = tmp_path / "deep" / "fits.csv"
    rows = [row(1e-3, 30.25), replace(row(2e-3, math.nan, 'not, "finite"'), seconds=0.5)]
    append_rows(path, rows)
    with path.open("a") as file:
        file.write("siren,tiny,a")
    assert len(read_rows(path)) == 2
    append_rows(path, [row(4e-3, 31)])
    found = list(read_rows(path).values())
    assert (
        [r.lr for r in found] == [1e-3, 2e-3, 4e-3]
        and found[0] == rows[0]
        and found[1].went_wrong == 'not, "finite"'
    )
    assert next(csv.reader(path.open())) == COLUMNS
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="columns are not those of a search"):
        read_rows(path)


@pytest.mark.parametrize(
    "words",
    [
        "--inr sirne",
        "--lr -1",
        "--lr x",
        "--optimizer sopa",
        "--limit 0",
        "--steps 0",
        "--dataset mni-lesoin",
        "--set hidden_features=8",
        "--optimizer soap --set omega=3",
    ],
)
def test_usage_errors_load_nothing_heavy(words):
    assert run_bare("tune", *words.split()) == ["CODE", "2", "LOADED"]

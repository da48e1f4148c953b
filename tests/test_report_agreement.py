"""Two recipes in one store: their quality and their conclusions against hand values, and nothing
said where there is one.
"""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from benchmark.report import agreement_words
from benchmark.report.agreement import as_json
from benchmark.report.agreement_numbers import difference_band
from benchmark.report.leaderboard import leaderboard
from benchmark.store.store import Score
from benchmark.store.view import Scored
from tests.two_recipes import by, only, printed, two_recipes


def test_quality_by_hand(store_folder):
    """12 nulls each, f = 6 (1/6)^2 / 2 seeds: sqrt((.3^2 + .4^2) / 2 / 12) = .1021, df = 12 (.25)^2
    / (.09^2 + .16^2) = 22, t = 2.074.
    """
    shift = by(
        "A",
        {"psnr_db": lambda fit: {"p0": 0.1, "p1": 0.2, "p2": 0.6}[fit["patient"]], "dice": -0.01},
    )
    found = only(two_recipes(store_folder, shift=shift, seeds=2))
    plain, sinco = found.qualities
    psnr = plain.deltas["psnr_db"]
    assert (plain.lam, plain.images, plain.patients, sinco.lam) == (0.0, 6, 3, 1e-5)
    assert psnr.difference == pytest.approx(0.3) and psnr.means == pytest.approx((30.325, 30.025))
    half = 4.3027 * math.sqrt(0.07) / math.sqrt(3)
    assert (psnr.low, psnr.high) == pytest.approx((0.3 - half, 0.3 + half), abs=1e-4)
    assert psnr.band == pytest.approx(2.0739 * 0.10206, abs=1e-4)
    assert plain.deltas["dice"].difference == pytest.approx(-0.01) and plain.deltas[
        "dice_eval"
    ].difference == pytest.approx(0, abs=1e-9)
    assert (
        plain.deltas["dice"].band
        == pytest.approx(psnr.band / 10)
        == pytest.approx(sinco.deltas["dice_eval"].band)
    )
    assert [(c.fits, c.lost, c.bpp, c.seconds, c.kernels) for c in plain.costs] == [
        (12, 0, pytest.approx(0.59), 2.0, "fused cpu"),
        (12, 0, pytest.approx(0.59), 60.0, "fused cpu"),
    ]
    assert agreement_words.ratio(plain) == "30" and sinco.deltas[
        "psnr_db"
    ].difference == pytest.approx(0, abs=1e-9)


def test_patients_and_seeds_count_once(store_folder, tmp_path):
    shift = by("A", {"psnr_db": lambda fit: 0.6 * (fit["number"] == 0) + 0.2 * (fit["seed"] == 1)})
    found = (
        only(two_recipes(store_folder, images=4, shift=shift, seeds=2))
        .qualities[0]
        .deltas["psnr_db"]
    )
    assert found.difference == pytest.approx(
        0.6 / 2 / 3 + 0.2 / 2
    )  # one of two images of one of three patients, one of two seeds
    f = (2 / 36 + 2 / 9) / 2
    assert found.band == pytest.approx(difference_band((np.full(8, 0.3), f), (np.full(8, 0.4), f)))
    one = two_recipes(
        tmp_path / "one",
        images=4,
        shift=shift,
        seeds=2,
        keep=lambda recipe, fit: recipe == "A" or fit["seed"] == 0,
    )
    fewer = only(one).qualities[0]  # of seed 0 alone, and A's null differences of both
    assert [cost.fits for cost in fewer.costs] == [4, 4] and fewer.deltas[
        "psnr_db"
    ].difference == pytest.approx(0.6 / 2 / 3)
    assert fewer.deltas["psnr_db"].band == pytest.approx(
        difference_band((np.full(8, 0.3), 2 * f), (np.full(4, 0.4), 2 * f))
    )


def seeded(recipe, fit, metric):
    """2 dB (0.2 of Dice) more a seed, whatever the recipe."""
    return fit["seed"] * {"psnr_db": 2.0, "dice": 0.2, "dice_eval": 0.2}.get(metric, 0.0)


def test_recipes_are_compared_over_the_seeds_of_both(store_folder):
    """A has one seed more than B, of 2 dB: A - B is (0 + 2 + 4) / 3 - (0 + 2) / 2 = 1 dB where
    unlike seeds are compared, else 0.
    """
    store = two_recipes(
        store_folder,
        seeds=3,
        shift=seeded,
        keep=lambda recipe, fit: recipe == "A" or fit["seed"] < 2,
    )
    found = only(store)
    for quality in found.qualities:
        assert [delta.difference for delta in quality.deltas.values()] == pytest.approx(
            [0.0] * 3, abs=1e-9
        )
        assert quality.deltas["psnr_db"].means == pytest.approx((31.025, 31.025)) and [
            cost.fits for cost in quality.costs
        ] == [12, 12]
        assert quality.deltas["psnr_db"].band == pytest.approx(
            difference_band((np.full(18, 0.3), 1 / 12), (np.full(12, 0.4), 1 / 12))
        )
        assert agreement_words.verdict(quality).startswith("equal: PSNR +0.00 dB")
    note = (
        "lambda 0, 1e-5: 2 seeds paired; left out, as only one recipe has them: 1 seed of A (6"
        " fits)"
    )
    assert found.notes == [note] and "6 fits" in printed(store)
    page = leaderboard(Scored(store, everything=True))
    assert f"- Note: {note}." in page and "| 0 | 6 (3) | 2 | 12 / 12 | 6 / 0 | 31.0" in page
    assert json.loads(json.dumps(as_json(found)))["qualities"][1]["seeds"] == {
        "paired": [0, 1],
        "alone": [[2], []],
        "left_out": [6, 0],
        "images": 0,
    }


def test_who_wins_is_said_of_the_seeds_of_both(store_folder):
    """SINCO gains 9 dB with seed 2, which A alone has: no win of A, and its band is that of two
    seeds.
    """
    gain = by("A", {"psnr_db": lambda fit: 9.0 * (fit["seed"] == 2)}, lam=1e-5)
    lost = by("B", {"psnr_db": lambda fit: -3.0 * (fit["number"] == 4)}, lam=1e-5)
    store = two_recipes(
        store_folder,
        seeds=3,
        shift=lambda *fit: seeded(*fit) + gain(*fit) + lost(*fit),
        keep=lambda recipe, fit: recipe == "A" or fit["seed"] < 2,
    )
    psnr = only(store).conclusions[0]
    (one,) = psnr.disagreements
    assert (psnr.images, psnr.same, one.sample_id, one.verdicts, one.differences) == (
        6,
        5,
        "p1_4",
        ("tie", "loss"),
        pytest.approx((0, -3)),
    )
    assert one.bands == pytest.approx(
        (2.1009 * 0.3 / math.sqrt(2), 2.1788 * 0.4 / math.sqrt(2)), abs=1e-4
    )  # 18 and 12 nulls
    assert [total[0] for total in psnr.totals] == pytest.approx([0, -0.5], abs=1e-9)


def test_seeds_are_paired_image_by_image(store_folder, tmp_path):
    def keep(
        recipe, fit
    ):  # image 0: seed 1 of both; image 1: no seed of both; else seeds 0 and 1 of both
        return {
            ("A", "p0_0"): fit["seed"] >= 1,
            ("B", "p0_0"): fit["seed"] < 2,
            ("A", "p1_1"): fit["seed"] == 2,
            ("B", "p1_1"): fit["seed"] == 0,
        }.get((recipe, fit["sample_id"]), fit["seed"] < 2)

    found = only(two_recipes(store_folder, seeds=3, shift=seeded, keep=keep))
    plain = found.qualities[0]
    assert (plain.images, [cost.fits for cost in plain.costs], found.conclusions[0].images) == (
        5,
        [9, 9],
        5,
    )
    assert plain.deltas["psnr_db"].difference == pytest.approx(0, abs=1e-9)
    assert found.notes == [
        "lambda 0, 1e-5: 2 seeds paired; left out, as only one recipe has them: 1 seed of A (2"
        " fits) and 1 seed of B (2 fits), with them 1 image altogether"
    ]

    twice = two_recipes(tmp_path / "twice", seeds=2)
    row = next(
        row
        for row in twice.rows()
        if row.key.startswith("A") and not row.facts["lambda"] and not row.facts["null"]
    )
    twice.add([replace(row, key="z")], [Score("z", "psnr_db", 50.0)])
    again = only(twice).qualities[0]
    assert again.seeds.left_out == (1, 0) and again.deltas["psnr_db"].difference == pytest.approx(
        0, abs=1e-9
    )

    unread = two_recipes(
        tmp_path / "unread", seeds=2, shift=seeded
    )  # no PSNR of A's seed 1 of image 0
    unread.add(
        [],
        [
            Score(row.key, "psnr_db", None)
            for row in unread.rows()
            if row.key.startswith("A")
            and (row.facts["sample_id"], row.facts["seed"], row.facts["null"]) == ("p0_0", 1, False)
        ],
    )
    missing = only(unread)
    assert [quality.deltas["psnr_db"].difference for quality in missing.qualities] == pytest.approx(
        [0, 0], abs=1e-9
    )
    assert [total[0] for total in missing.conclusions[0].totals] == pytest.approx(
        [0, 0], abs=1e-9
    ) and missing.notes == []


def test_unlike_seeds_are_compared_and_said(store_folder):
    store = two_recipes(
        store_folder, seeds=2, shift=seeded, keep=lambda recipe, fit: fit["seed"] == (recipe == "A")
    )
    found = only(store)
    assert [quality.deltas["psnr_db"].difference for quality in found.qualities] == pytest.approx(
        [2, 2]
    )
    assert [agreement_words.verdict(quality) for quality in found.qualities] == [
        f"undecided: Dice (loss) +0.200 is {0.2 - band:.3f} outside the band of {band:.3f}; Dice"
        f" (eval) +0.200 is {0.2 - band:.3f} outside the band of {band:.3f}; the seeds differ, and"
        " what they do is in it"
        for band in (found.qualities[0].deltas["dice"].band,) * 2
    ]
    assert found.notes == [
        "lambda 0, 1e-5: the seeds differ (A 1; B 0), so all fits are compared, and what the seeds"
        " themselves do is in A - B but not in its band"
    ]
    assert "| 0 | 6 (3) | none | 6 / 6 | 0 / 0 |" in leaderboard(Scored(store, everything=True))
    assert (found.conclusions[0].images, found.conclusions[0].same) == (6, 6)


def test_the_band_holds_what_chance_does():
    rng, sigma, factors = np.random.default_rng(0), (0.5, 0.2), (1 / 5, 1 / 2)
    out = 0
    for _ in range(2000):
        nulls = [
            rng.normal(0, s * math.sqrt(2), 12) for s in sigma
        ]  # each the difference of two fits
        difference = sum(
            rng.normal(0, s * math.sqrt(f)) for s, f in zip(sigma, factors, strict=True)
        )
        out += abs(difference) > difference_band(*zip(nulls, factors, strict=True))
    assert 0.035 < out / 2000 < 0.065
    assert math.isnan(difference_band((np.ones(2), 1.0), (np.ones(9), 1.0)))
    assert difference_band((np.zeros(3), 1.0), (np.zeros(3), 1.0)) == 0


@pytest.mark.parametrize(
    ("moved", "words"),
    [
        ({}, "equal: PSNR +0.00 dB (limit -0.1), Dice (loss) and (eval) inside the band"),
        ({"psnr_db": -0.1}, "equal: PSNR -0.10 dB"),
        ({"psnr_db": +0.9}, "equal: PSNR +0.90 dB"),
        ({"psnr_db": -0.15}, "not equal: PSNR -0.15 dB is 0.05 beyond the limit of -0.1"),
        ({"dice": -0.05}, "not equal: Dice (loss) -0.050 is 0.0"),
        ({"dice_eval": +0.05}, "not equal: Dice (eval) +0.050 is 0.0"),
        ({"dice_eval": -0.02}, "equal: "),
    ],
)
def test_equal_is_what_the_definition_says(moved, words, store_folder):
    found = only(two_recipes(store_folder, shift=by("A", moved), seeds=2))
    assert agreement_words.verdict(found.qualities[0]).startswith(words)
    assert agreement_words.verdict(found.qualities[1]).startswith("equal")


@pytest.mark.parametrize(
    ("store", "words"),
    [
        (
            {"nulls": False},
            (
                "undecided: no null band for Dice (loss) (fewer than 3 null twins); no null band"
                " for Dice (eval)"
            ),
        ),
        ({"without_lesion": 6}, "undecided: no Dice (loss); no Dice (eval)"),
        (
            {"change": lambda recipe, facts: {"bpp": 0.57 if recipe == "A" else 0.61}},
            "not equal: not at the same bytes: 0.57 against 0.61 bpp",
        ),
        ({"change": lambda recipe, facts: {"bpp": 0.607 if recipe == "A" else 0.61}}, "equal"),
    ],
)
def test_what_cannot_be_said_is_said_so(store, words, store_folder):
    assert all(
        agreement_words.verdict(quality).startswith(words)
        for quality in only(two_recipes(store_folder, **store)).qualities
    )


def test_fits_that_went_wrong_are_counted(store_folder):
    found = only(
        two_recipes(
            store_folder,
            seeds=2,
            failed=lambda n, inr, lam, seed, null: "broke" if n == 1 and lam and seed else None,
        )
    )
    assert [[cost.lost for cost in quality.costs] for quality in found.qualities] == [
        [0, 0],
        [1, 1],
    ]
    assert agreement_words.verdict(found.qualities[1]).endswith("; 2 fits in no mean")

"""Two recipes in one store: their quality and their conclusions against hand values, and nothing
said where there is one.
"""

from __future__ import annotations

import io
import json
import locale
import math
import runpy
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmark.cli import main
from benchmark.plan.recipes import PRESETS, recipe_for
from benchmark.plugins import index
from benchmark.report import agreement_words, print_tables, write_report
from benchmark.report.agreement import agreements, as_json
from benchmark.report.agreement_numbers import difference_band
from benchmark.report.leaderboard import leaderboard
from benchmark.report.words import lambda_text
from benchmark.store.store import Row, Score
from benchmark.store.view import Scored

synthetic = runpy.run_path(str(Path(__file__).with_name("synthetic.py")))
make_store, UNET = synthetic["make_store"], synthetic["UNET"]


def expanded(preset, **changes):
    recipe = recipe_for(
        index.get("inr", "siren"), PRESETS[preset], {"hidden_features": 16}, **changes
    )
    args = tuple(sorted(index.get("optimizer", recipe.optimizer).defaults.items()))
    return asdict(replace(recipe, optimizer_args=args, optimizer_source="new"))


def two_recipes(
    folder,
    recipes=None,
    shift=lambda recipe, fit, metric: 0.0,
    change=lambda recipe, facts: {},
    keep=lambda recipe, fit: True,
    **store,
):
    """A store without noise whose fits stand there once a recipe, A at 2 s a fit and B at 60;
    shift(recipe, fit, metric) is added.

    A fit is its facts and its image's `number`. Null twins are 0.3 of a unit (A) and 0.4 (B) away,
    up and down by turns; a unit is 1 dB, or 0.1 of Dice.
    """
    recipes = recipes or {"A": expanded("standard"), "B": expanded("adam-10k")}
    made = make_store(folder, noise=0.0, codecs=None, keep_images=False, **store)
    rows, scores = made.rows(), list(made.each_score(None))
    made.remove([row.key for row in rows])
    for number, (name, recipe) in enumerate(recipes.items()):
        of = {}
        for row in rows:
            facts = row.facts | {
                "recipe": recipe,
                "fit_seconds": (2.0, 60.0)[number],
                "kernel": "fused",
                "device": "cpu",
            }
            facts |= {"twin": row.facts["twin"] and f"{name}-{row.facts['twin']}"} | change(
                name, row.facts
            )
            of[row.key] = Row(
                f"{name}-{row.key}", row.status, row.reason, row.sample_hash, facts, row.data
            )
        kept = {key: row for key, row in of.items() if keep(name, row.facts)}
        moved = []
        for key, metric, value, reader, reader_hash, scored_as in scores:
            if key in kept:
                fit = kept[key].facts | {
                    "number": int(kept[key].facts["sample_id"].rpartition("_")[2])
                }
                metric_name = metric if reader_hash in ("", UNET) else f"{metric}_eval"
                away = (0.3, 0.4)[number] * (-1) ** (fit["number"] + fit["seed"]) * fit["null"]
                value += away * (0.1 if metric == "dice" else 1.0) + shift(name, fit, metric_name)
                moved.append(Score(f"{name}-{key}", metric, value, reader, reader_hash, scored_as))
        made.add(kept.values(), moved)
    return made


def only(store):
    (found,) = agreements(Scored(store, everything=True))
    return found


def by(of, which, lam=0.0):
    """shift: `which` metrics of recipe A's fits at `lam` (None: at all) by a number, or by what a
    function of the fit says.
    """

    def shift(recipe, fit, metric):
        value = which.get(metric, 0.0) if recipe == of and lam in (None, fit["lambda"]) else 0.0
        return value(fit) if callable(value) else value

    return shift


def printed(store, width=None):
    file = io.StringIO()
    print_tables(
        Scored(store, everything=True),
        Console(file=file, width=width, force_terminal=width is not None, color_system=None),
    )
    return file.getvalue()


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


def planted(recipe, fit, metric):
    """SINCO - plain: both win image 0, A wins and B loses image 1, A ties and B wins image 2, B
    alone loses a hair elsewhere.
    """
    if metric != "psnr_db" or not fit["lambda"]:
        return 0.0
    return {("A", 0): 3.0, ("B", 0): 4.0, ("A", 1): 3.0, ("B", 1): -3.0, ("B", 2): 5.0}.get(
        (recipe, fit["number"]), -0.1 * (recipe == "B")
    )


def test_conclusions_by_hand(store_folder):
    found = only(two_recipes(store_folder, shift=planted))
    psnr, dice, dice_eval = found.conclusions
    assert (
        psnr.lam,
        psnr.images,
        psnr.same,
        psnr.count("tie"),
        psnr.count("opposite"),
        psnr.count("unknown"),
    ) == (1e-5, 6, 4, 1, 1, 0)
    first, second = psnr.disagreements
    assert (first.sample_id, first.how, first.verdicts, first.differences) == (
        "p1_1",
        "opposite",
        ("win", "loss"),
        pytest.approx((3, -3)),
    )
    assert (second.sample_id, second.how, second.verdicts) == ("p2_2", "tie", ("tie", "win"))
    assert first.bands == pytest.approx(
        (2.4469 * 0.3, 2.4469 * 0.4), abs=1e-4
    )  # t(0.975, 6), one seed
    assert [total[0] for total in psnr.totals] == pytest.approx(
        [1.0, (3.9 / 2 - 3.1 / 2 + 4.9 / 2) / 3]
    )
    assert (dice.same, dice_eval.same, dice.disagreements) == (6, 6, [])
    assert agreement_words.concluded(found).startswith(
        "16 of 18 verdicts the same, 1 a tie of one recipe only, 1 opposite; 3 of 3 totals"
    )


def test_totals_need_not_agree(store_folder, tmp_path):
    def total(folder, lowest):
        shift = by(
            "A", {"psnr_db": lambda fit: 1.0 + (lowest - 1.0) * (fit["patient"] == "p0")}, lam=1e-5
        )
        return only(two_recipes(folder, shift=shift)).conclusions[0]

    sure, unsure = total(store_folder, 0.9), total(tmp_path / "unsure", -0.5)
    assert (sure.total(0), sure.total(1), sure.same_total) == ("win", "open", False)
    assert (unsure.total(0), unsure.same_total) == ("open", True)
    single = only(two_recipes(tmp_path / "single", images=2, patients=1)).conclusions[0]
    assert single.total(0) == "unknown" and not single.same_total


def test_without_a_band_no_verdict_agrees(store_folder):
    found = only(two_recipes(store_folder, nulls=False, patients=1))
    assert (found.conclusions[0].same, found.conclusions[0].count("unknown")) == (0, 6)
    assert (
        "NaN" not in json.dumps(as_json(found))
        and as_json(found)["qualities"][0]["deltas"]["psnr_db"]["band"] is None
    )


def test_a_diverged_null_twin_is_in_no_band(store_folder):
    store = two_recipes(store_folder)
    null = next(row for row in store.rows() if row.facts["null"])
    store.add(
        [replace(null, status="diverged", reason="worse than flat")],
        [Score(null.key, "psnr_db", 3.0)],
    )
    assert all(quality.deltas["psnr_db"].band < 1 for quality in only(store).qualities)


@pytest.mark.parametrize(
    "why",
    [
        "one recipe",
        "another source",
        "an older row",
        "other bits",
        "other sizes",
        "other images",
        "other network",
    ],
)
def test_nothing_is_said_where_nothing_can_be_compared(why, store_folder, capsys):
    change = {
        "other bits": lambda recipe, facts: {"bits": 12 if recipe == "A" else 10},
        "other sizes": lambda recipe, facts: {
            "inr_args": {"hidden_features": 16 if recipe == "A" else 17}
        },
        "other network": lambda recipe, facts: {
            "segmenter_hash": recipe if facts["segmenter_hash"] else None
        },
    }
    keep = {
        "other images": lambda recipe, fit: (fit["sample_id"] < "p1") == (recipe == "A"),
        "other network": lambda recipe, fit: recipe == "A" or fit["lambda"] > 0 or fit["null"],
    }
    standard = expanded("standard")
    recipes = {
        "one recipe": {"A": standard},
        "another source": {"A": standard, "B": standard | {"optimizer_source": "old"}},
        "an older row": {
            "A": standard,
            "B": {name: value for name, value in standard.items() if name != "patience"},
        },
    }
    more = {
        name: found[why]
        for name, found in (("change", change), ("keep", keep), ("recipes", recipes))
        if why in found
    }
    store = two_recipes(store_folder, **more)
    assert agreements(Scored(store, everything=True)) == []
    assert "recipes agree" not in leaderboard(
        Scored(store, everything=True)
    ) and "against" not in printed(store)
    assert main(["report", str(store_folder), "--all", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["agreements"] == []


def test_recipes_are_called_by_their_preset(store_folder, tmp_path):
    assert only(two_recipes(store_folder)).labels == ("standard", "adam-10k")
    own = {"A": expanded("standard", lr=4e-3), "B": expanded("standard")}
    assert set(only(two_recipes(tmp_path / "own", own)).labels) == {"soap 4e-3 x 400", "standard"}
    older = {
        "A": {
            name: value
            for name, value in expanded("quick").items()
            if name not in ("patience", "stop_at_db")
        },
        "B": own["A"],
    }
    assert only(two_recipes(tmp_path / "older", older)).labels == ("quick", "soap 4e-3 x 400")
    patient = {
        "A": own["B"] | {"patience": 50},
        "B": {name: value for name, value in own["B"].items() if name != "patience"},
    }
    assert set(only(two_recipes(tmp_path / "patient", patient)).labels) == {
        "standard",
        f"soap {lambda_text(own['B']['lr'])} x 400",
    }
    same = {"A": own["B"], "B": own["B"]}
    start = two_recipes(
        tmp_path / "start",
        same,
        change=lambda recipe, facts: (
            {"init": recipe, "identity": {"init": recipe}} if recipe == "A" else {}
        ),
    )
    assert only(start).labels == ("standard (learned init)", "standard")


def test_recipes_that_differ_by_the_penalty_share_their_plain_fits(store_folder):
    recipes = {"A": expanded("standard"), "B": expanded("standard", penalty_every=1)}
    store = two_recipes(
        store_folder,
        recipes,
        keep=lambda recipe, fit: recipe == "A" or fit["lambda"] > 0,
        change=lambda recipe, facts: {"twin": facts["twin"] and f"A-{facts['twin']}"},
    )
    found = only(store)
    assert found.labels == ("standard", "standard, penalty_every 1") and [
        quality.lam for quality in found.qualities
    ] == [1e-5]


def test_plain_fits_alone_are_compared_too(store_folder, tmp_path):
    found = only(two_recipes(store_folder, lams=()))
    assert [quality.lam for quality in found.qualities] == [0.0] and set(
        found.qualities[0].deltas
    ) == {"psnr_db", "dice", "dice_eval"}
    half = only(
        two_recipes(tmp_path / "half", keep=lambda recipe, fit: recipe == "A" or fit["lambda"] == 0)
    )
    assert (
        half.labels == ("standard", "adam-10k")
        and [quality.lam for quality in half.qualities] == [0.0]
        and half.conclusions == []
    )


def test_rows_of_two_versions_are_compared_and_said(store_folder):
    found = only(
        two_recipes(
            store_folder,
            change=lambda recipe, facts: {
                "identity": {
                    "inr": {"args": facts["inr_args"], "source": f"source-{recipe}"},
                    "fit_version": 1,
                }
            },
        )
    )
    assert found.notes == ["the backbone's source differs: source-A and source-B"]


def test_readers_that_read_only_one_of_the_recipes_are_left_out(store_folder):
    store = two_recipes(store_folder, readers=False)
    store.add(
        [],
        [
            Score(row.key, "dice", 0.1, "third", "cccc")
            for row in store.rows()
            if row.key.startswith("A")
        ],
    )
    found = only(store)
    assert (
        found.qualities[1].deltas["dice_eval"].means == pytest.approx((0.7525, 0.7525))
        and "not the same networks" in found.notes[0]
    )


def test_the_words_are_of_what_is_read(store_folder, tmp_path):
    assert "its mean Dice inside the null band, at" in leaderboard(
        Scored(two_recipes(tmp_path / "masks"), everything=True)
    )
    store = two_recipes(store_folder, readers=False)
    for reader in (UNET, "third"):
        store.add(
            [],
            [
                Score(row.key, "kl", 0.1, "vgg16", reader)
                for row in store.rows()
                if row.key.startswith("A") or reader == UNET
            ],
        )
    both = printed(store), leaderboard(Scored(store, everything=True))
    assert (
        "equal: PSNR at most 0.1 dB below B's, Dice and KL inside the band, the same bytes"
        in both[0]
    )
    assert "and its mean Dice and KL inside the null band, at the same bytes" in both[1]
    kept = list(store.each_score(None))
    rows = store.rows()
    store.add(
        rows,
        [s for s in kept if s.metric not in ("dice", "dice_original", "fp_area_px")],
        anew=True,
    )
    page, terminal = leaderboard(Scored(store, everything=True)), printed(store)
    told = page.partition("## Do two recipes agree?")[2]
    assert (
        "its mean KL inside the null band" in told
        and "KL inside the band, the same bytes" in terminal
    )
    assert (
        "Dice" not in told
        and "Dice" not in terminal.partition("B is the reference")[2].partition("the same bytes")[0]
    )
    assert "the table's KL (eval) is of those that did" in told


def test_page_terminal_and_json_show_it(store_folder, capsys):
    dice, opposed = (
        by("B", {"dice": -0.2}, lam=None),
        by("B", {"dice_eval": lambda fit: -0.3 * (fit["number"] == 3)}, lam=1e-5),
    )
    won = by("A", {"dice_eval": lambda fit: 0.3 * (fit["number"] == 3)}, lam=1e-5)
    store = two_recipes(
        store_folder, shift=lambda *fit: planted(*fit) + dice(*fit) + opposed(*fit) + won(*fit)
    )
    page = (
        leaderboard(Scored(store, everything=True))
        .partition("## Do two recipes agree?")[2]
        .partition("\n## ")[0]
    )
    assert "### synthetic: siren, unet in the loss, A standard against B adam-10k" in page
    assert "hidden_features 16, 10 bits a weight" in page
    assert (
        "| p1_1 | 1e-5 | PSNR dB | opposite | win +3.00 (band 0.73) | loss -3.00 (band 0.98) |"
        in page
    )
    lines = page.splitlines()
    assert [line.split(" | ")[3] for line in lines if line.startswith("| p")] == [
        "opposite",
        "opposite",
        "one a tie",
    ]
    assert all(
        lines[i - 1].count(" | ") == line.count(" | ") == lines[i + 1].count(" | ")
        for i, line in enumerate(lines)
        if line.startswith("| ---")
    )
    narrow, wide = printed(store, 80).splitlines(), printed(store, 160).splitlines()
    assert max(map(len, narrow)) <= 80 and 100 < max(map(len, wide)) <= 160
    assert "         0: not equal: Dice (loss) +0.200 is" in "\n".join(narrow)
    assert "opposite: p1_1, lambda 1e-5, PSNR dB: A win" in "\n".join(narrow)
    (found,) = [as_json(one) for one in agreements(Scored(store, everything=True))]
    assert main(["report", str(store_folder), "--all", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["agreements"] == [json.loads(json.dumps(found))]
    assert (
        found["conclusions"][0]["disagreements"][0]["verdicts"] == ["win", "loss"]
        and found["sizes"][0]["bits"] == 10
    )


def test_the_page_is_written_whatever_the_locale_has_become(store_folder):
    """A library may leave the process in the locale C, where Python's own default is ASCII."""
    before = locale.setlocale(locale.LC_CTYPE)
    scored = Scored(two_recipes(store_folder), everything=True)
    try:
        locale.setlocale(locale.LC_CTYPE, "C")
        page = write_report(scored, store_folder)[0]
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    assert not page.read_text(encoding="utf-8").isascii()

"""What a report says of two recipes: its conclusions, words and pages."""

from __future__ import annotations

import json
import locale
from dataclasses import replace

import pytest

from benchmark.cli import main
from benchmark.report import agreement_words, write_report
from benchmark.report.agreement import agreements, as_json
from benchmark.report.leaderboard import leaderboard
from benchmark.report.words import lambda_text
from benchmark.store.store import Score
from benchmark.store.view import Scored
from tests.two_recipes import UNET, by, expanded, only, printed, two_recipes


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

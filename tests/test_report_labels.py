"""Tables of what classifiers read: a lower divergence is better, and readers of masks and of labels
keep apart.
"""

from __future__ import annotations

import io
import runpy
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from benchmark.report import print_tables
from benchmark.report.leaderboard import leaderboard
from benchmark.report.methods import ranking, sections
from benchmark.report.per_image import flat, lines, underperformers
from benchmark.stats.compare import compare, gain, metrics_of
from benchmark.store.store import Score, Store
from benchmark.store.view import Scored

synthetic = runpy.run_path(str(Path(__file__).with_name("synthetic.py")))
CLASSIFIER = "cccccccccccccccc"
HELPED, HARMED = 1, 2  # numbers of images


def store_of(folder: Path, *, seed: int = 0) -> Store:
    """A run with a classifier beside the readers of masks; SINCO lowers its divergence on image 1
    and raises it on image 2.
    """
    store = synthetic["make_store"](folder, images=4, patients=4, lams=(1e-5,), noise=0.1)
    rng, scores = np.random.default_rng(seed), []
    for row in store.rows():
        number = int(row.facts["sample_id"].rpartition("_")[2])
        kl = 0.2 + 0.001 * rng.standard_normal()
        if row.facts["lambda"] > 0:
            kl += {HELPED: -0.1, HARMED: 0.1}.get(number, 0.0)
        if row.facts["codec"]:
            kl = 0.5
        kept = float(kl < 0.25)
        values = {"kl": kl, "label_kept": kept, "label_right": kept, "label_right_original": 1.0}
        scores += [
            Score(row.key, metric, value, "mobilenet-v2", CLASSIFIER)
            for metric, value in values.items()
        ]
    store.add([], scores)
    run = store.experiments.get("synthetic").record
    run["readers"].append({"name": "mobilenet-v2", "hash": CLASSIFIER, "role": "eval"})
    synthetic["remember"](store, run)
    return store


def test_a_gain_is_a_lower_divergence_and_a_higher_dice():
    assert gain("kl", -0.1) == gain("kl_eval", -0.1) == 0.1
    assert gain("dice", -0.1) == gain("label_kept", -0.1) == -0.1


def test_a_lower_divergence_wins_and_a_higher_one_loses(store_folder):
    scored = Scored(store_of(store_folder))
    (comparison,) = compare(scored)
    summary = comparison.summaries["kl_eval"]
    assert (summary.wins, summary.ties, summary.losses) == (1, 2, 1)
    verdicts = {image.sample_id: image.differences["kl_eval"] for image in comparison.images}
    assert verdicts["p1_1"].verdict == "win" and verdicts["p1_1"].difference == pytest.approx(
        -0.1, abs=0.01
    )
    assert verdicts["p2_2"].verdict == "loss" and verdicts["p2_2"].severity < -1
    assert comparison.images[0].sample_id == "p2_2"  # the worst first
    assert comparison.summaries["label_kept_eval"].losses == 1
    worse = [
        row for row in underperformers(lines(scored, comparison)) if row["metric"] == "kl_eval"
    ]
    assert (
        worse[0]["sample_id"] == "p2_2"
        and worse[0]["difference"] > 0.09
        and worse[0]["beyond_band"]
    )
    assert all(row["difference"] > 0 for row in worse)


def test_the_least_divergence_ranks_first(store_folder):
    (section,) = sections(Scored(store_of(store_folder)))
    places = ranking(section, "kl_eval")
    means = [place.mean for place in places]
    assert means == sorted(means) and places[-1].method.label.startswith("jpeg2000")
    assert section.original["label_right_eval"] == 1.0 and "kl_eval" not in section.original


def test_a_classifier_is_in_no_mean_of_dice_and_a_mask_network_in_none_of_labels(
    store_folder, tmp_path
):
    plain = Scored(
        synthetic["make_store"](tmp_path / "plain", images=4, patients=4, lams=(1e-5,), noise=0.1)
    )
    both = Scored(store_of(store_folder))
    for row in both.rows:
        others = both.others(synthetic["UNET"], [row.key])
        assert len(others) == 2
        expected = plain.value(
            row.key, "dice_eval", synthetic["UNET"], plain.others(synthetic["UNET"], [row.key])
        )
        assert both.value(row.key, "dice_eval", synthetic["UNET"], others) == expected
        assert (
            both.value(row.key, "kl_eval", synthetic["UNET"], others)
            == both.values[row.key]["kl", CLASSIFIER]
        )
    assert metrics_of(plain) == ("psnr_db", "ssim", "dice", "dice_eval")
    assert metrics_of(both) == (
        "psnr_db",
        "ssim",
        "dice",
        "dice_eval",
        "label_kept_eval",
        "kl_eval",
    )


def test_columns_are_of_what_reads(store_folder, tmp_path):
    scored = Scored(store_of(store_folder))
    (comparison,) = compare(scored)
    columns = set(flat(scored, lines(scored, comparison)[0]))
    assert {
        "kl_eval_difference",
        "kl_eval_band",
        "sinco_label_right_eval",
        "original_label_right_eval",
        "dice_difference",
    } <= columns
    assert not {"kl_difference", "label_kept_difference"} & columns
    plain = Scored(synthetic["make_store"](tmp_path / "plain", images=4, patients=4))
    (comparison,) = compare(plain)
    assert not [
        name for name in flat(plain, lines(plain, comparison)[0]) if "kl" in name or "label" in name
    ]


@pytest.mark.parametrize("width", [80, 160, None])
def test_the_terminal_says_how_it_is_read(store_folder, width):
    file = io.StringIO()
    print_tables(
        Scored(store_of(store_folder)),
        Console(file=file, width=width, force_terminal=width is not None, color_system=None),
    )
    text = file.getvalue()
    assert (
        "KL (eval)   n 4: 1 win, 2 ties, 1 loss" in text
        and "lower is better" in text
        and "(eval): by mobilenet-v2" in text
    )
    assert "Dice (eval): by dilated, not in it" in text
    assert width is None or max(map(len, text.splitlines())) <= width
    assert "<<" in next(line for line in text.splitlines() if line.startswith("p2_2"))


def test_the_page_says_how_it_is_read(store_folder):
    page = leaderboard(Scored(store_of(store_folder)))
    assert "A lower KL is a win." in page and "### By KL (eval)" in page and "right (eval)" in page
    assert "Dice (eval): mean of dilated. Kept, KL and right (eval): mean of mobilenet-v2." in page
    page = leaderboard(Scored(synthetic["make_store"](store_folder.with_name("plain"))))
    assert "KL" not in page and "Kept" not in page

"""Comparisons read from stores whose answers were planted."""

from __future__ import annotations

import json
import math
import runpy
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from benchmark.plan.cells import Cell, Rate
from benchmark.plugins.choice import Choice
from benchmark.stats.compare import compare
from benchmark.store.store import Score
from benchmark.store.view import Scored, penalty_settings, settings
from benchmark.types import Recipe

synthetic = runpy.run_path(str(Path(__file__).with_name("synthetic.py")))
make_store, UNET, DILATED = synthetic["make_store"], synthetic["UNET"], synthetic["DILATED"]


def planted(number, inr, lam, metric):
    """Image 1 loses 3 dB, image 2 gains 3 dB, image 3 loses 0.3 of the other network's Dice."""
    return {("psnr_db", 1): -3.0, ("psnr_db", 2): 3.0, ("dice_eval", 3): -0.3}.get(
        (metric, number), 0.0
    )


def only(store, **arguments):
    (comparison,) = compare(Scored(store, **arguments))
    return comparison


def verdicts(comparison, metric):
    """Number of each image -> the verdict on it."""
    found = {}
    for image in comparison.images:
        if metric in image.differences:
            number = int(image.sample_id.rpartition("_")[2])
            found[number] = image.differences[metric].verdict
    return found


def bands(comparison):
    """Name of each image -> its band, in dB."""
    return {image.sample_id: image.differences["psnr_db"].band for image in comparison.images}


def test_planted_wins_and_losses_are_found(store_folder):
    comparison = only(make_store(store_folder, noise=0.1, effect=planted, seeds=3))
    assert verdicts(comparison, "psnr_db") == {
        0: "tie",
        1: "loss",
        2: "win",
        3: "tie",
        4: "tie",
        5: "tie",
    }
    assert (
        verdicts(comparison, "dice_eval")[3] == "loss" and verdicts(comparison, "dice")[3] == "tie"
    )
    summary = comparison.summaries["psnr_db"]
    assert (summary.images, summary.patients, summary.wins, summary.ties, summary.losses) == (
        6,
        3,
        1,
        4,
        1,
    )


def test_the_noise_floor_is_what_was_put_in(store_folder):
    comparison = only(make_store(store_folder, images=20, seeds=5, noise=0.5))
    summary = comparison.summaries["psnr_db"]
    assert summary.floor == pytest.approx(0.5 * math.sqrt(2), rel=0.15) and summary.nulls == 100
    t = 1.984  # (0.975, 100)
    least = min(bands(comparison).values())
    assert least == pytest.approx(t * summary.floor / math.sqrt(5), rel=1e-3)


def test_more_seeds_narrow_the_band(store_folder, tmp_path):
    one = bands(only(make_store(store_folder, images=30)))
    five = bands(only(make_store(tmp_path / "five", images=30, seeds=5)))
    assert min(five.values()) < 0.6 * min(one.values())


def test_a_restless_image_has_a_wider_band_from_three_seeds_on(store_folder, tmp_path):
    def scale(number):
        return 10.0 if number == 4 else 1.0

    three = bands(only(make_store(store_folder, images=12, seeds=3, scale=scale)))
    one = bands(only(make_store(tmp_path / "one", images=12, seeds=1, scale=scale)))
    assert max(three, key=three.get) == "p1_4" and len(set(one.values())) == 1


def test_the_worst_image_comes_first(store_folder):
    images = only(make_store(store_folder, noise=0.1, effect=planted)).images
    # 0.3 of Dice is more bands than 3 dB here.
    assert (images[0].sample_id, images[1].sample_id) == ("p0_3", "p1_1")
    severities = [image.severity for image in images]
    assert severities == sorted(severities) and severities[0] < -1


def test_without_null_twins_nothing_is_decided(store_folder):
    comparison = only(make_store(store_folder, nulls=False, effect=planted))
    assert set(verdicts(comparison, "psnr_db").values()) == {"unknown"}
    summary = comparison.summaries["psnr_db"]
    assert math.isnan(summary.floor) and (summary.wins, summary.losses, summary.unknown) == (
        0,
        0,
        6,
    )


def test_failed_cells_are_counted_and_shrink_no_mean_in_silence(store_folder):
    def failed(number, inr, lam, seed, null):
        if number == 1 and lam > 0:
            return "it diverged"
        return "its twin broke" if number == 2 and lam == 0 and not null and seed == 0 else None

    comparison = only(make_store(store_folder, noise=0.1, seeds=2, failed=failed))
    assert (comparison.failed, comparison.unpaired) == (2, 1)
    assert (
        comparison.images[0].sample_id == "p1_1" and comparison.images[0].differences == {}
    )  # failed altogether: first
    assert comparison.summaries["psnr_db"].images == 5
    assert {image.sample_id: len(image.pairs) for image in comparison.images}["p2_2"] == 1
    assert (
        comparison.summaries["psnr_db"].nulls == 11
    )  # the nulls of image 1's twins count, that of the broken twin not


def test_a_diverged_fit_with_scores_is_in_no_mean_and_in_no_band(store_folder):
    store = make_store(store_folder, noise=0.0, seeds=2)
    for row in store.rows():
        mine = row.facts["sample_id"] == "p0_0" and row.facts["seed"] == 0
        if mine and (row.facts["lambda"] > 0 or row.facts["null"]):
            store.add(
                [replace(row, status="diverged", reason="worse than flat")],
                [Score(row.key, "psnr_db", 3.0)],
            )
    comparison = only(store)
    assert comparison.failed == 1 and comparison.summaries["psnr_db"].mean == pytest.approx(
        0.0, abs=1e-9
    )
    assert (
        comparison.summaries["psnr_db"].floor == 0 and comparison.summaries["psnr_db"].nulls == 11
    )


def test_slices_without_lesion_stay_out_of_dice(store_folder):
    comparison = only(make_store(store_folder, without_lesion=2))
    assert comparison.summaries["psnr_db"].images == 6 and comparison.summaries["dice"].images == 4


def test_dice_is_the_loss_networks_and_dice_eval_the_others(store_folder):
    comparison = only(
        make_store(
            store_folder,
            noise=0.0,
            effect=lambda n, i, lam, m: {"dice": 0.1, "dice_eval": -0.2}.get(m, 0.0),
        )
    )
    assert comparison.summaries["dice"].mean == pytest.approx(0.1) and comparison.readers == (
        DILATED,
    )
    assert comparison.summaries["dice_eval"].mean == pytest.approx(-0.2)


def test_readers_are_known_without_a_record_of_the_run(store_folder):
    assert only(make_store(store_folder, readers=False)).readers == (DILATED,)


def test_several_readers_are_averaged_over_the_same_ones_on_both_sides(store_folder):
    store = make_store(store_folder, noise=0.0, readers=False)
    sinco = [row.key for row in store.rows() if row.facts["lambda"] > 0]
    store.add(
        [], [Score(key, "dice", 0.1, "third", "cccc") for key in sinco]
    )  # the twins have not been read by it
    assert "dice_eval" not in only(store).summaries
    store.add([], [Score(row.key, "dice", 0.1, "third", "cccc") for row in store.rows()])
    assert only(store).summaries["dice_eval"].mean == pytest.approx(0.0, abs=1e-9)


def test_backbones_lambdas_and_recipes_are_compared_apart(store_folder):
    store = make_store(store_folder, inrs=("siren", "fourier"), lams=(1e-5, 1e-3))
    assert [(c.group.inr, c.group.lam) for c in compare(Scored(store))] == [
        ("fourier", 1e-5),
        ("fourier", 1e-3),
        ("siren", 1e-5),
        ("siren", 1e-3),
    ]
    slower = []
    for row in store.rows():
        if row.facts["lambda"] == 1e-5:
            facts = json.loads(json.dumps(row.facts).replace('"steps": 200', '"steps": 400'))
            slower.append(replace(row, key="slow-" + row.key, facts=facts))
    store.add(slower)
    assert len(compare(Scored(store))) == 6


def test_the_latest_run_is_shown_and_everything_when_asked(store_folder):
    store = make_store(store_folder, inrs=("siren", "fourier"))
    synthetic["remember"](
        store, {}, [row.key for row in store.rows() if row.facts["inr"] == "siren"]
    )
    (latest,) = compare(Scored(store))
    first, second = compare(Scored(store, everything=True))
    assert latest.group.inr == "siren"
    assert (first.group.inr, second.group.inr) == ("fourier", "siren")


def test_the_band_of_the_mean_holds_the_mean_of_chance(store_folder):
    """24 images, lambda does nothing: the total stays within its band, which is narrower than one
    image's.
    """
    comparison = only(make_store(store_folder, images=24, seeds=3))
    summary = comparison.summaries["psnr_db"]
    assert abs(summary.mean) < summary.mean_band
    assert summary.mean_band == pytest.approx(np.sqrt(2) * 0.5 * 1.99 / math.sqrt(72), rel=0.3)


def test_a_codecs_file_shares_the_settings_of_the_fits_that_it_stands_beside():
    """As a run writes them: the size that the rate decides stays open, and the penalty is no
    setting of a codec.
    """
    inr = Choice.of("inr", "siren", hidden_features=...)
    recipe = Recipe("soap", 3e-3, 200, "cosine", 20)
    plain = Cell("tiny", "a", "p", "0" * 16, inr, Rate(0.6), recipe)
    sinco = replace(
        plain,
        lam=1e-5,
        segmenter="unet",
        segmenter_hash="f" * 16,
        recipe=replace(recipe, penalty_every=4),
    )
    codec = replace(plain, codec=Choice("codec", "jpeg2000", (), "source"))
    other = replace(plain, recipe=replace(recipe, steps=400))

    def facts(cell, size):
        written = {
            "recipe": asdict(cell.recipe),
            "identity": cell.identity(),
            "inr_args": {"hidden_features": size},
            "bpp_requested": cell.rate.bpp,
            "bits": 10,
            "precision": cell.precision,
            "fidelity": cell.fidelity,
        }
        return json.loads(json.dumps(written))

    asked = penalty_settings(facts(sinco, 17))
    assert settings(facts(codec, 16)).items() <= asked.items()
    assert settings(facts(plain, 16)) == settings(facts(codec, 17))
    assert not settings(facts(other, 16)).items() <= asked.items()

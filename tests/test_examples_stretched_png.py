"""The example that scores pictures as `plt.imsave` would have saved them."""

from __future__ import annotations

import csv
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmark.cli import main
from benchmark.score.metrics import image_scores
from benchmark.store.store import Store
from tests import tiny_networks

SCRIPT = Path(__file__).parents[1] / "examples" / "stretched_png.py"
A = np.random.default_rng(0).random((32, 24, 1)).astype(np.float32)


@pytest.fixture(scope="module")
def example() -> dict:
    return runpy.run_path(str(SCRIPT))


@pytest.fixture
def folder(tiny_dataset, store_folder) -> Path:
    tiny_networks.write()
    command = ["run", "--dataset", "tiny", "--steps", "30", "--lr", "1e-2", "--lambda", "1e-3,1"]
    command += ["--kernel", "torch", "--set", "hidden_features=12", "--bits", "10"]
    assert main([*command, "--codec", "none", "--yes", "--out", str(store_folder)]) == 0
    return store_folder


@pytest.mark.parametrize("low, high", [(0.0, 1.0), (0.13, 0.71), (-0.2, 1.4)])
def test_each_pictures_own_range_is_mapped_to_0_and_1(example, low, high):
    stretched = example["stretched_png"]((low + (high - low) * A).astype(np.float32))
    assert stretched.shape == A.shape and stretched.min() == 0.0 and stretched.max() == 1.0
    own = (A - A.min()) / (A.max() - A.min())
    # 256 gray values, cut off rather than rounded, twice: by the index of the color map and by its
    # entry.
    assert np.abs(stretched - own).max() <= 2 / 255


def test_one_bright_pixel_costs_the_stretched_score_dearly(example):
    original, decoded = 0.5 * A, 0.5 * A.copy()
    decoded[0, 0] = 1.0
    whole = np.ones((32, 24), bool)
    stretched = example["stretched_png"](original)
    assert image_scores(original, decoded, whole)["psnr_db"] > 30
    assert image_scores(original, stretched, whole)["psnr_db"] < 12


def test_a_winner_turns_where_the_signs_differ(example):
    pair = example["Pair"]
    assert pair("a", "siren", 1e-5, 0, 0.1, -0.1).turns
    assert not pair("a", "siren", 1e-5, 0, 0.1, 0.2).turns


def test_every_pair_of_a_run_is_scored_both_ways(folder, tmp_path, monkeypatch, capsys):
    out = tmp_path / "stretched.csv"
    monkeypatch.setattr(sys, "argv", ["stretched_png.py", str(folder), "--csv", str(out)])
    capsys.readouterr()
    runpy.run_path(str(SCRIPT), run_name="__main__")
    printed = capsys.readouterr().out.splitlines()
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 6 and len(printed) == 8
    turned = [row for row in rows if row["turns"] == "True"]
    assert printed[-1].endswith(f"another winner in {len(turned)} of 6 pairs")
    with Store(folder, create=False) as store:
        stored = {score.key: score.value for score in store.scores() if score.metric == "psnr_db"}
        for row in store.rows():
            if row.facts["lambda"] != 1:
                continue
            (found,) = [
                one for one in rows if one["image"] == row.facts["sample_id"] and one["lam"] == "1"
            ]
            difference = stored[row.key] - stored[row.facts["twin"]]
            assert float(found["decoded_db"]) == pytest.approx(difference, abs=1e-3)
            assert abs(float(found["stretched_db"]) - difference) > 1e-3


def test_a_run_without_sinco_is_said(tmp_path, monkeypatch):
    with Store(tmp_path):
        pass
    monkeypatch.setattr(sys, "argv", ["stretched_png.py", str(tmp_path)])
    with pytest.raises(SystemExit, match="no SINCO fit"):
        runpy.run_path(str(SCRIPT), run_name="__main__")

"""The two pictures: they exist, show the worst first, and use the readers that they are given."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
from PIL import Image

from benchmark.report import pictures, write_report
from benchmark.report.curves import write_curves
from benchmark.report.per_image import lines
from benchmark.stats.compare import compare
from benchmark.store.view import Scored

synthetic = runpy.run_path(str(Path(__file__).with_name("synthetic.py")))
make_store, decode, UNET, DILATED = (
    synthetic[name] for name in ("make_store", "decode", "UNET", "DILATED")
)


def planted(number, inr, lam, metric):
    return -3.0 if metric == "psnr_db" and number == 1 else 0.0


def test_a_report_has_both_pictures_and_reads_them_with_the_networks_given(store_folder, tmp_path):
    store = make_store(store_folder, images=3, noise=0.1, effect=planted)
    read = []

    def segment(images, volumes, depth):
        read.append((images.shape, len(volumes), depth))
        return (images[..., 0] > 0.6).astype(np.float32)

    paths = write_report(Scored(store), tmp_path, segment={UNET: segment}, decode=decode)
    assert {path.name for path in paths} >= {"curves_synthetic.png", "worst_images.png"}
    assert read == [((1, 48, 48, 1), 1, 1)] * 9  # original, plain and SINCO of three images
    for path in paths:
        if path.suffix == ".png":
            pixels = np.asarray(Image.open(path).convert("RGB"))
            assert min(pixels.shape[:2]) > 300 and pixels.std() > 10


def test_each_image_is_shown_once_worst_first(store_folder, tmp_path, monkeypatch):
    store = make_store(store_folder, images=4, noise=0.1, effect=planted, lams=(1e-5, 1e-4))
    shown = []
    monkeypatch.setattr(
        pictures, "_row", lambda axes, scored, line, sample, *others: shown.append(sample.id)
    )
    scored = Scored(store)
    found = [line for comparison in compare(scored) for line in lines(scored, comparison)]
    assert pictures.write_pictures(scored, found, tmp_path, segment={}, decode=decode)
    assert shown[0] == "p1_1" and sorted(shown) == ["p0_0", "p0_3", "p1_1", "p2_2"]


def test_the_pair_shown_is_the_one_nearest_to_the_mean(store_folder):
    store = make_store(store_folder, images=3, noise=0.3, effect=planted, seeds=5)
    scored = Scored(store)
    (comparison,) = compare(scored)
    line = lines(scored, comparison)[0]
    mean = line.image.differences["psnr_db"].difference
    away = {
        pair: abs(np.subtract(*(scored.value(key, "psnr_db", None) for key in pair)) - mean)
        for pair in line.image.pairs
    }
    assert pictures._pair(scored, line) == min(away, key=away.get)


def test_without_originals_there_is_no_picture_of_them(store_folder, tmp_path):
    store = make_store(store_folder, images=2, keep_images=False)
    assert pictures.write_pictures(Scored(store), [], tmp_path, segment={}, decode=decode) == []


def test_curves_of_each_data_set_and_of_a_metric_that_one_backbone_lacks(store_folder, tmp_path):
    store = make_store(
        store_folder,
        images=3,
        inrs=("siren", "fourier"),
        lams=(1e-5, 1e-3),
        nulls=False,
        failed=lambda n, inr, lam, seed, null: (
            "it broke" if inr == "fourier" and lam == 1e-3 else None
        ),
    )
    scored = Scored(store)
    (path,) = write_curves(scored, compare(scored), tmp_path)
    assert path.name == "curves_synthetic.png" and Image.open(path).width > 600


def test_where_all_fits_failed_there_is_a_report_without_curves(store_folder, tmp_path):
    store = make_store(
        store_folder, images=2, failed=lambda n, inr, lam, seed, null: "it broke" if lam else None
    )
    names = {path.name for path in write_report(Scored(store), tmp_path, decode=decode)}
    assert "leaderboard.md" in names and not any(name.endswith(".png") for name in names)
    assert "| failed | it broke |" in (tmp_path / "leaderboard.md").read_text()

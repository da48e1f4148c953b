"""Scores against hand values and scikit-image, and what the reproduction's save step does to a
picture.
"""

from __future__ import annotations

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from benchmark.score.metrics import dice, image_scores, label_scores, reader_scores
from benchmark.types import Sample, VolumeStatistics

rng = np.random.default_rng(0)
A = rng.random((32, 24, 1)).astype(np.float32)
B = np.clip(A + 0.1 * rng.standard_normal(A.shape), 0, 1).astype(np.float32)


def test_psnr_and_ssim_are_scikit_images():
    whole = np.ones((32, 24), bool)
    scores = image_scores(A, B, whole)
    a, b = A.astype(float), B.astype(float)
    assert scores["psnr_db"] == pytest.approx(peak_signal_noise_ratio(a, b, data_range=1))
    assert scores["ssim"] == pytest.approx(
        structural_similarity(a[..., 0], b[..., 0], data_range=1)
    )
    assert scores["psnr_brain_db"] == pytest.approx(scores["psnr_db"])


def test_psnr_by_hand_and_over_the_brain_alone():
    a, b = np.zeros((16, 16, 1)), np.zeros((16, 16, 1))
    b[:8] = 0.1  # an error of 0.1 in one half: MSE 0.005, and 0.01 inside
    brain = np.zeros((16, 16), bool)
    brain[:8] = True
    scores = image_scores(a, b, brain)
    assert scores["psnr_db"] == pytest.approx(-10 * np.log10(0.005))
    assert scores["psnr_brain_db"] == pytest.approx(20.0)


def test_dice_by_hand():
    a, b = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    assert dice(a, b) == 1.0
    a[0, :3], b[0, 1:4] = True, True
    assert dice(a, b) == pytest.approx(2 * 2 / 6)
    assert dice(a, ~a) == 0.0


def test_slices_without_lesion_have_an_area_and_no_dice():
    empty = Sample(
        "x",
        "d",
        "p",
        A,
        np.zeros((32, 24), bool),
        np.ones((32, 24), bool),
        ("flair",),
        VolumeStatistics.of(A),
    )
    found = np.zeros((32, 24), bool)
    found[:2, :3] = True
    assert reader_scores(found, found, empty) == {"fp_area_px": 6.0}


def test_labels_by_hand():
    classes, p, q = (
        ("a", "b", "c"),
        np.array([0.5, 0.25, 0.25], np.float32),
        np.array([0.25, 0.5, 0.25], np.float32),
    )
    scores = label_scores(q, p, classes, "b")
    assert scores == {
        "label_kept": 0.0,
        "kl": pytest.approx(0.5 * np.log(2) - 0.25 * np.log(2)),
        "label_right": 1.0,
        "label_right_original": 0.0,
    }
    assert label_scores(p, p, classes, "b") == {
        "label_kept": 1.0,
        "kl": 0.0,
        "label_right": 0.0,
        "label_right_original": 0.0,
    }
    other_way = label_scores(
        p, np.array([0.8, 0.1, 0.1], np.float32), classes, ""
    )  # not symmetric, and of the original from the file
    assert other_way == {
        "label_kept": 1.0,
        "kl": pytest.approx(0.8 * np.log(0.8 / 0.5) + 0.2 * np.log(0.1 / 0.25)),
    }


def test_a_divergence_is_finite_whatever_is_answered():
    sure, other = np.array([1.0, 0.0], np.float32), np.array([0.0, 1.0], np.float32)
    assert label_scores(other, sure, ("a", "b"), "z") == {
        "label_kept": 0.0,
        "kl": pytest.approx(87.34, abs=0.01),
    }

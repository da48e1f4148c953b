"""How well masks agree: against numbers counted by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmark.networks.masks import METRICS, hd95, mask_scores


def square(top: int, left: int, side: int, size: int = 20) -> np.ndarray:
    mask = np.zeros((size, size), bool)
    mask[top : top + side, left : left + side] = True
    return mask


NOTHING = np.zeros((20, 20), bool)


def test_every_metric_as_counted_by_hand():
    true = np.stack([square(0, 0, 4), square(8, 8, 2), NOTHING, NOTHING])  # 16 + 4 pixels
    found = np.stack(
        [square(0, 2, 4), NOTHING, square(0, 0, 3), NOTHING]
    )  # 16, of which 8 hit; missed; 9 and 0 false ones
    scores = mask_scores(found, true)
    assert tuple(scores) == METRICS
    assert scores["dice"] == pytest.approx((2 * 8 / 32 + 0) / 2)  # of the two slices with a lesion
    assert scores["f1"] == pytest.approx(2 * 8 / (25 + 20)) and scores["iou"] == pytest.approx(
        8 / (25 + 20 - 8)
    )
    assert scores["precision"] == pytest.approx(8 / 25) and scores["recall"] == pytest.approx(
        8 / 20
    )
    assert scores["volume_error"] == pytest.approx((25 - 20) / 20) and scores[
        "fp_area_px"
    ] == pytest.approx(4.5)
    assert scores["hd95_mm"] == pytest.approx(2.0)  # of the one slice where both mark something


def test_what_means_nothing_is_nan():
    healthy = mask_scores(np.stack([NOTHING, square(0, 0, 2)]), np.stack([NOTHING, NOTHING]))
    assert healthy["fp_area_px"] == 2.0 and healthy["precision"] == 0.0
    assert all(
        math.isnan(healthy[name])
        for name in ("dice", "f1", "iou", "recall", "hd95_mm", "volume_error")
    )
    missed = mask_scores(NOTHING[None], square(0, 0, 2)[None])
    assert missed["dice"] == 0.0 and missed["volume_error"] == -1.0
    assert all(math.isnan(missed[name]) for name in ("precision", "hd95_mm", "fp_area_px"))


def test_hd95_is_symmetric_in_millimeters_and_of_outlines():
    a, b = square(2, 2, 6), square(2, 5, 6)
    assert hd95(a, a) == 0.0 and hd95(a, b) == hd95(b, a) == pytest.approx(3.0)
    assert hd95(a, b, (1.0, 2.0)) == pytest.approx(6.0) and hd95(a, b, (2.0, 1.0)) == pytest.approx(
        3.0
    )
    # A 2x2 square within a 16x16 one: 60 pixels of outline are 7 to 9.9 away, its own 4 exactly 7;
    # filled, most would be nearer.
    ring = [
        math.hypot(max(8 - y, y - 9, 0), max(8 - x, x - 9, 0))
        for y in range(1, 17)
        for x in range(1, 17)
        if {y, x} & {1, 16}
    ]
    assert hd95(square(1, 1, 16), square(8, 8, 2)) == pytest.approx(
        np.percentile([*ring, *[7.0] * 4], 95)
    )
    assert (
        hd95(a | square(19, 19, 1), a) == 0.0
    )  # one outline pixel of 41 lies far off: the 95th percentile leaves it out
    assert hd95(a | square(16, 16, 4), a) == hd95(a, a | square(16, 16, 4)) > 10.0
    assert math.isnan(hd95(a, NOTHING)) and math.isnan(hd95(NOTHING, NOTHING))

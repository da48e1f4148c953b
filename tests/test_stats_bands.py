"""The formulas: null band, verdict, interval over patients, against hand values and against
simulated chance.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmark.stats.compare import null_band, patient_interval, rms, t_quantile, verdict


def test_t_quantiles_are_the_textbook_ones():
    assert [round(t_quantile(df), 3) for df in (1, 4, 10, 100)] == [12.706, 2.776, 2.228, 1.984]


def test_rms_takes_no_mean_off():
    assert rms(np.array([3.0, 3.0])) == 3.0


def test_null_band_by_hand():
    pooled, few = np.array([1.0, -1.0, 1.0, -1.0]), np.array([9.0, 9.0])
    assert null_band(pooled, few, 1) == pytest.approx(2.776, abs=1e-3)
    assert null_band(pooled, few, 4) == pytest.approx(2.776 / 2, abs=1e-3)
    assert null_band(pooled, np.array([2.0, -2.0, 2.0]), 1) == pytest.approx(
        2 * 2.776, abs=1e-3
    )  # its own are wider
    assert null_band(pooled, np.array([0.1, 0.1, 0.1]), 1) == pytest.approx(
        2.776, abs=1e-3
    )  # never narrower
    assert null_band(pooled[:2], few, 1) is None


@pytest.mark.parametrize(
    ("difference", "band", "expected"),
    [
        (0.5, 0.4, "win"),
        (-0.5, 0.4, "loss"),
        (0.3, 0.4, "tie"),
        (-0.4, 0.4, "tie"),
        (9.0, None, "unknown"),
        (0.0, 0.0, "tie"),
    ],
)
def test_verdict(difference, band, expected):
    assert verdict(difference, band) == expected


def test_patients_count_once():
    mean, low, high = patient_interval(
        [1.0, 3.0, 4.0, 6.0], ["a", "a", "b", "c"]
    )  # patients' means 2, 4, 6
    half = 4.3027 * 2.0 / math.sqrt(3)
    assert (mean, low, high) == pytest.approx((4.0, 4.0 - half, 4.0 + half), abs=1e-3)


def test_one_patient_has_a_mean_and_no_interval():
    mean, low, high = patient_interval([1.0, 3.0], ["a", "a"])
    assert mean == 2.0 and math.isnan(low) and math.isnan(high)


@pytest.mark.parametrize(
    ("images", "seeds", "uneven", "low", "high"),
    [
        (6, 1, False, 0.025, 0.06),
        (12, 5, False, 0.015, 0.05),
        (12, 1, True, 0.03, 0.10),
        (12, 5, True, 0.005, 0.05),
    ],
)
def test_chance_alone_leaves_the_band_as_often_as_the_docstring_says(
    images, seeds, uneven, low, high
):
    """Plain, null and "SINCO" fits that differ by chaos only; uneven: from image to image, sigma
    0.8 of its log.
    """
    rng = np.random.default_rng(1)
    beyond = []
    for _ in range(400):
        chaos = np.exp(0.8 * rng.standard_normal((images, 1))) if uneven else 1.0
        plain, null, sinco = (chaos * rng.standard_normal((images, seeds)) for _ in range(3))
        nulls = null - plain
        beyond += [
            verdict(d, null_band(nulls.ravel(), own, seeds)) != "tie"
            for d, own in zip((sinco - plain).mean(1), nulls, strict=True)
        ]
    assert low < np.mean(beyond) < high

"""Calibration and intervals on made numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmark.reading.calibration import Calibration
from benchmark.reading.evaluate import bootstrap


def test_calibration_of_known_numbers():
    sure = Calibration()
    sure.add(np.array([[0.05, 0.05, 0.95, 1.0]]), np.array([[False, True, True, True]]))
    assert list(sure.counts[[0, 9]]) == [2, 2]
    assert sure.ece == pytest.approx((2 * abs(0.05 - 0.5) + 2 * abs(0.975 - 1)) / 4)
    assert sure.brier == pytest.approx((0.05**2 + 0.95**2 + 0.05**2) / 4)
    assert math.isnan(Calibration().ece)


def test_the_interval_is_over_patients_and_says_how_many():
    values = [0.1, 0.5, 0.6, 0.9, math.nan]
    mean = bootstrap(values)
    assert mean == bootstrap(values) and mean.patients == 4 and mean.low < mean.mean < mean.high
    assert mean.mean == pytest.approx(0.525) and math.isnan(bootstrap([0.3]).low) and bootstrap([]).patients == 0
    wide = np.random.default_rng(0).standard_normal(400)
    found = bootstrap(wide)
    assert found.high - found.low == pytest.approx(2 * 1.96 / 20 * wide.std(), rel=0.05)

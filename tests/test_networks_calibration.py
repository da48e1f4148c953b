"""Calibration on made numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest

from benchmark.networks.calibration import Calibration


def test_calibration_of_known_numbers():
    sure = Calibration()
    sure.add(np.array([[0.05, 0.05, 0.95, 1.0]]), np.array([[False, True, True, True]]))
    assert list(sure.counts[[0, 9]]) == [2, 2]
    assert sure.ece == pytest.approx((2 * abs(0.05 - 0.5) + 2 * abs(0.975 - 1)) / 4)
    assert sure.brier == pytest.approx((0.05**2 + 0.95**2 + 0.05**2) / 4)
    assert math.isnan(Calibration().ece)

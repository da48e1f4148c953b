"""Weights as whole numbers: nothing clips, nothing moves by more than half a step, every bit comes
back.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmark.bitstream.quantiser import dequantise, pack_bits, quantise, scale_of, unpack_bits
from benchmark.errors import CellFailed

BITS = st.integers(6, 16)
WEIGHTS = arrays(np.float32, st.integers(1, 40), elements=st.floats(-60_000, 60_000, width=32))


@given(WEIGHTS, BITS, st.sampled_from([1.0, 1e-3, 1e-6]))
@settings(max_examples=200, deadline=None)
def test_no_weight_moves_by_more_than_half_a_step(weights, bits, factor):
    weights = weights * np.float32(factor)
    scale = scale_of(weights)
    levels = quantise(weights, scale, bits)
    assert levels.max() <= 2 * (2 ** (bits - 1) - 1)
    back = dequantise(levels, scale, bits)
    half = float(scale) / (2 ** (bits - 1) - 1) / 2
    assert np.abs(back.astype(float) - weights).max() <= half + 1e-6 * float(
        scale
    )  # and the rounding to float32
    assert np.abs(back).max() <= float(scale)


@given(st.integers(1, 50), BITS, st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None)
def test_every_bit_comes_back(count, bits, seed):
    levels = np.random.default_rng(seed).integers(0, 2**bits, count)
    data = pack_bits(levels, bits)
    assert len(data) == -(-count * bits // 8)
    assert (unpack_bits(data, count, bits) == levels).all()


def test_the_bits_lie_as_the_format_says():
    assert pack_bits(np.array([0b100001, 0b000011]), 6) == bytes([0b10000100, 0b00110000])


def test_zero_stays_zero_and_a_tensor_of_zeros_too():
    weights = np.array([-1.0, 0.0, 0.3], np.float32)
    scale = scale_of(weights)
    assert dequantise(quantise(weights, scale, 7), scale, 7)[1] == 0
    zeros = np.zeros(3, np.float32)
    assert (dequantise(quantise(zeros, scale_of(zeros), 7), scale_of(zeros), 7) == 0).all()


def test_the_scale_is_rounded_up():
    for top in (0.1, 1.0009, 3e-5, 1e-9, 65_504.0):
        weights = np.array([top], np.float32)
        scale = float(scale_of(weights))
        assert scale >= weights[0]
        assert scale <= max(weights[0] * 1.001, weights[0] + 6e-8)  # the steps of float16


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 65_505.0, 1e30])
def test_a_diverged_fit_is_a_failed_cell(bad):
    with pytest.raises(CellFailed):
        scale_of(np.array([0.1, bad], np.float32))

"""Weights <-> bits: uniform, symmetric, one scale a tensor, 6 to 16 bits a weight."""

from __future__ import annotations

import numpy as np

from benchmark.errors import CellFailed, field

SCALE_BYTES = 2


def scale_of(weights: np.ndarray) -> np.float16:
    """The largest magnitude as a float16, rounded up so that no weight is clipped.

    Raises CellFailed where a weight is not finite or beyond float16.
    """
    largest = float(np.abs(weights).max(initial=0.0))
    if not np.isfinite(largest) or largest > 65504.0:
        raise CellFailed(
            "to write the weights",
            f"the largest is {largest:g}: the fit has diverged",
            f"a lower {field('lr')}",
        )
    scale = np.float16(largest)
    return scale if float(scale) >= largest else np.nextafter(scale, np.float16(np.inf))


def quantise(weights: np.ndarray, scale: np.float16, bits: int) -> np.ndarray:
    """Levels 0 .. 2 (2^(bits-1) - 1) as uint32; the middle one is zero.

    No weight moves by more than half a step, scale / (2^(bits-1) - 1) / 2.
    """
    top = (1 << (bits - 1)) - 1
    if scale == 0:
        return np.full(weights.size, top, np.uint32)
    return (np.rint(weights.ravel().astype(np.float64) / float(scale) * top) + top).astype(
        np.uint32
    )


def dequantise(levels: np.ndarray, scale: np.float16, bits: int) -> np.ndarray:
    """Weights as float32 from their levels."""
    top = (1 << (bits - 1)) - 1
    return ((levels.astype(np.float64) - top) * (float(scale) / top)).astype(np.float32)


def pack_bits(levels: np.ndarray, bits: int) -> bytes:
    """Each level in `bits` bits, most significant first, the last byte filled with zeros."""
    shifts = np.arange(bits - 1, -1, -1, dtype=np.uint32)
    return np.packbits((levels[:, None] >> shifts & 1).astype(np.uint8)).tobytes()


def unpack_bits(data: bytes, count: int, bits: int) -> np.ndarray:
    """`count` levels as uint32; `data` has exactly the bytes that they need."""
    flat = (
        np.unpackbits(np.frombuffer(data, np.uint8))[: count * bits]
        .reshape(count, bits)
        .astype(np.uint32)
    )
    return flat @ (np.uint32(1) << np.arange(bits - 1, -1, -1, dtype=np.uint32))

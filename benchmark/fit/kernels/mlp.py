"""A coordinate network's rendering and gradients in one pass over tiles of pixels, several fits at
once.

The activations of a tile stay in a core's cache between the way forward and the way back; nothing
of the size of the image times the width is ever written to memory. Fits and runs of pixels are
independent items of work, each with a gradient of its own that is summed afterwards in a fixed
order: the result does not depend on the number of threads.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from benchmark.fit.kernels.tile import (
    ACTIVATIONS,
    EXACT,
    FREE,
    F,
    T,
    U,
    activate,
    affine,
    outer,
    row_sums,
    scale_rows,
)

__all__ = ["ACTIVATIONS", "Layout", "T", "lay_out", "work"]
TILES = 8  # of an item: 2,048 pixels
# Columns of a layer's row.
IN, OUT, IN4, OUT4, W, B, PACKED, TURNED, BIAS, GRADIENT, BIAS_GRADIENT, X, Z, D = range(14)


@dataclass(frozen=True)
class Layout:
    """Where everything of a network lies in a thread's scratch: `layers` [L, 14] int64, offset of a
    zero row, length.
    """

    layers: np.ndarray
    zero: int
    length: int


def lay_out(widths: list[int], weights: list[int], biases: list[int]) -> Layout:
    """The layout of a network of these widths [L + 1]; weights and biases [L]: their offsets among
    a fit's parameters, -1 for none.
    """
    at, layers = 0, np.zeros((len(weights), 14), np.int64)

    def take(count: int) -> int:
        nonlocal at
        at += count
        return at - count

    def four(n: int) -> int:
        return -(-n // 4) * 4

    before = take(four(widths[0]) * T)
    for row, n, m, w, b in zip(layers, widths, widths[1:], weights, biases, strict=False):
        row[[IN, OUT, IN4, OUT4, W, B, X]] = n, m, four(n), four(m), w, b, before
        for column, count in (
            (PACKED, four(n) * four(m)),
            (TURNED, four(n) * four(m)),
            (GRADIENT, four(n) * four(m)),
            (BIAS, four(m)),
            (BIAS_GRADIENT, four(m)),
            (Z, four(m) * T),
            (D, four(m) * T),
        ):
            row[column] = take(count)
        before = row[Z]
    zero = take(four(max(widths)))
    return Layout(layers, zero, at)


@njit(**FREE)
def _pack(s, row, scale, p):  # type: ignore[no-untyped-def]
    """A layer's weights, scaled, as [out4, in4] and turned, its bias; and zero gradients."""
    n, m, n4, m4 = row[IN], row[OUT], row[IN4], row[OUT4]
    for o in range(m):
        for i in range(n):
            w = scale * p[row[W] + o * n + i]
            s[row[PACKED] + o * n4 + i] = w
            s[row[TURNED] + i * m4 + o] = w
        s[row[BIAS] + o] = scale * p[row[B] + o] if row[B] >= 0 else F(0.0)
    s[row[GRADIENT] : row[GRADIENT] + n4 * m4] = F(0.0)
    s[row[BIAS_GRADIENT] : row[BIAS_GRADIENT] + m4] = F(0.0)


@njit(**FREE)
def _unpack(s, row, scale, g):  # type: ignore[no-untyped-def]
    """A layer's gradients into the fit's vector."""
    n, m, n4 = row[IN], row[OUT], row[IN4]
    for o in range(m):
        for i in range(n):
            g[row[W] + o * n + i] = scale * s[row[GRADIENT] + o * n4 + i]
        if row[B] >= 0:
            g[row[B] + o] = scale * s[row[BIAS_GRADIENT] + o]


@njit(**EXACT)
def _look_up(s, p, index, weight, pixel, x):  # type: ignore[no-untyped-def]
    """Rows at x: the tables' features at a tile's pixels, interpolated between corners."""
    for f in range(index.shape[1]):
        row = U(x + f * T)
        for t in range(U(T)):
            s[row + t] = F(0.0)
        # Corners outside the loop over pixels: 0.7 ns a corner instead of 1.9.
        for c in range(index.shape[0]):
            at, share = index[c, f], weight[c, f]
            for t in range(U(T)):
                s[row + t] += p[np.uint32(at[U(pixel) + t])] * share[U(pixel) + t]


@njit(**EXACT)
def _inputs(s, p, features, index, weight, pixel, row):  # type: ignore[no-untyped-def]
    """The first layer's inputs at a tile's pixels: looked up, or features [in, N'] as they are."""
    if index.shape[0]:
        _look_up(s, p, index, weight, pixel, row[X])
        return
    for i in range(row[IN]):
        feature, at = features[i], U(row[X] + i * T)
        for t in range(U(T)):
            s[at + t] = feature[U(pixel) + t]


@njit(**EXACT)
def _scatter(s, g, index, weight, pixel, x):  # type: ignore[no-untyped-def]
    """The gradient of the tables from that of their features, rows at x."""
    for c in range(index.shape[0]):
        for f in range(index.shape[1]):
            at, share, row = index[c, f], weight[c, f], U(x + f * T)
            for t in range(U(T)):
                g[np.uint32(at[U(pixel) + t])] += share[U(pixel) + t] * s[row + t]


@njit(**FREE)
def _forward(s, layers, ratio, kind):  # type: ignore[no-untyped-def]
    last = layers.shape[0] - 1
    for i in range(last + 1):
        row = layers[i]
        affine(s, row[PACKED], row[BIAS], row[IN4], row[OUT4], row[X], row[Z])
        if i < last:
            activate(s, kind, ratio, row[Z], row[D], row[OUT])


@njit(**FREE)
def _backward(s, layers, zero, to_input):  # type: ignore[no-untyped-def]
    """From the gradient of the outputs (rows at the last Z) to those of the weights, and of the
    inputs where asked.

    The gradient of a layer's values takes the place of the values themselves, which are needed no
    longer by then.
    """
    for i in range(layers.shape[0] - 1, -1, -1):
        row = layers[i]
        outer(s, row[GRADIENT], row[IN4], row[OUT4], row[X], row[Z])
        if row[B] >= 0:
            row_sums(s, row[BIAS_GRADIENT], row[OUT], row[Z])
        if i > 0 or to_input:
            affine(s, row[TURNED], zero, row[OUT4], row[IN4], row[Z], row[X])
        if i > 0:
            scale_rows(s, row[X], layers[i - 1][D], row[IN])


# One function: a sum that is cut into calls is rounded otherwise.
@njit(**FREE)
def work(  # type: ignore[no-untyped-def]  # noqa: C901, PLR0912
    first,
    last,
    chunks,
    back,
    kind,
    ratio,
    scales,
    layers,
    zero,
    s,
    p,
    x,
    index,
    weight,
    image,
    target,
    extra,
    factor,
    g,
    squares,
):
    """Items first..last of K * chunks, each the pixels of one run of one fit.

    p [K, P] parameters; inputs are x [1 or K, in, N'], or looked up by index and weight [corners,
    in, N'] (N': whole tiles). Writes image [K, N, C]; or with `back` g [K, chunks, P], the gradient
    of factor / 2 * |image - target|^2 + <image, extra>, and squares [K, chunks].
    """
    n, channels, output = target.shape[1], target.shape[2], layers[-1][Z]
    for item in range(first, last):
        k, chunk = item // chunks, item % chunks
        for i in range(layers.shape[0]):
            _pack(s, layers[i], scales[i], p[k])
        if back:
            g[k, chunk, :] = F(0.0)
        total = 0.0
        for pixel in range(chunk * TILES * T, min((chunk + 1) * TILES * T, n), T):
            _inputs(s, p[k], x[k % x.shape[0]], index, weight, pixel, layers[0])
            _forward(s, layers, ratio, kind)
            count = min(T, n - pixel)
            for c in range(channels):
                for t in range(count):
                    value = s[output + c * T + t]
                    if back:
                        error = value - target[k, pixel + t, c]
                        total += error * error
                        s[output + c * T + t] = factor * error + extra[k, pixel + t, c]
                    else:
                        image[k, pixel + t, c] = value
                for t in range(count, T):
                    s[output + c * T + t] = F(0.0)
            if back:
                _backward(s, layers, zero, index.shape[0] > 0)
                if index.shape[0]:
                    _scatter(s, g[k, chunk], index, weight, pixel, layers[0][X])
        if back:
            for i in range(layers.shape[0]):
                _unpack(s, layers[i], scales[i], g[k, chunk])
            squares[k, chunk] = total

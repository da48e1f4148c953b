"""What a tile of pixels goes through, compiled by numba: affine layers, activations, and their
gradients.

All values of a tile lie in one flat float32 array `s`, feature-major: row r of a block at offset x
is s[x + r * T : ... + T]. Rows come in fours (weights are padded with zeros), so that 16 products
share 4 loads: 70 GFLOP/s a core where a loop over single rows reached a third of it. Offsets are
unsigned, which spares numba's check for negative indices and lets LLVM vectorise.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

T = 256  # pixels of a tile: 10 layers of 28 rows, and their slopes, stay in a core's cache of 1 MB
U = np.uint64
F = np.float32
SINE, RELU, GAUSS, GABOR = range(4)
ACTIVATIONS = ("sine", "relu", "gauss", "gabor")

# Reassociation is for sums over pixels alone: in a range reduction it would cancel the small parts
# of pi.
FREE: dict[str, Any] = {"fastmath": True, "nogil": True, "cache": True, "error_model": "numpy"}
EXACT: dict[str, Any] = FREE | {"fastmath": {"contract", "nnan", "ninf", "nsz", "arcp"}}

# pi in three parts, the first two with 12 bits to spare, so that n * part is exact for |n| < 4096
# (Cody and Waite 1980).
PI_A, PI_B, PI_C = F(3.140625), F(0.0009675025939941406), F(1.5099580252808664e-07)
INVERSE_PI = F(0.3183098861837907)
MAGIC = F(12582912.0)  # adding 1.5 * 2^23 rounds a float32 to a whole number
# Minimax polynomials (Remez): sin(r) / r and cos(r) in r^2 on [-pi/2, pi/2], errors 3e-9 and 2e-10;
# exp(r) on +-ln(2)/2, 2e-9.
S0, S1, S2, S3, S4 = (
    F(0.999999978),
    F(-0.166666481),
    F(8.33290518e-3),
    F(-1.98011612e-4),
    F(2.59093237e-6),
)
C0, C1, C2, C3, C4, C5 = (
    F(1.0),
    F(-0.499999994),
    F(4.16666363e-2),
    F(-1.38883614e-3),
    F(2.47601614e-5),
    F(-2.60514952e-7),
)
E0, E1, E2, E3, E4, E5, E6 = (
    F(1.0),
    F(1.00000004),
    F(0.50000002),
    F(0.16666415),
    F(0.04166608),
    F(0.00837513),
    F(0.00139561),
)
INVERSE_LN2, LN2_A, LN2_B = F(1.4426950408889634), F(0.693359375), F(-2.12194440e-4)


@intrinsic
def _as_float(typingctx: Any, value: Any) -> Any:
    """The float32 of an int32's bits."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.int32), codegen


@njit(**EXACT)
def sincos(x):  # type: ignore[no-untyped-def]
    """sin(x) and cos(x), within 1e-7 for |x| < 10,000: one range reduction for both."""
    n = (x * INVERSE_PI + MAGIC) - MAGIC
    r = ((x - n * PI_A) - n * PI_B) - n * PI_C
    sign = F(1.0) - F(2.0) * F(np.int32(n) & np.int32(1))
    u = r * r
    sine = r * (S0 + u * (S1 + u * (S2 + u * (S3 + u * S4))))
    cosine = C0 + u * (C1 + u * (C2 + u * (C3 + u * (C4 + u * C5))))
    return sign * sine, sign * cosine


@njit(**EXACT)
def exp(x):  # type: ignore[no-untyped-def]
    """exp(x) for x <= 0, 0 below -87."""
    x = max(x, F(-87.0))
    n = (x * INVERSE_LN2 + MAGIC) - MAGIC
    r = (x - n * LN2_A) - n * LN2_B
    p = E0 + r * (E1 + r * (E2 + r * (E3 + r * (E4 + r * (E5 + r * E6)))))
    power = (np.int32(n) + np.int32(127)) << np.int32(23)
    return p * _as_float(power)  # type: ignore[call-arg]  # numba passes the typing context


@njit(**EXACT)
def activate(s, kind, ratio, z, d, rows):  # type: ignore[no-untyped-def]
    """Rows at z become their activations, rows at d their slopes.

    Gabor: cos(z) exp(-(ratio z)^2).
    """
    for at in range(U(rows * T)):
        x = s[U(z) + at]
        if kind == SINE:
            s[U(z) + at], s[U(d) + at] = sincos(x)
        elif kind == RELU:
            s[U(z) + at], s[U(d) + at] = max(x, F(0.0)), F(1.0) if x > F(0.0) else F(0.0)
        elif kind == GAUSS:
            h = exp(-x * x)
            s[U(z) + at], s[U(d) + at] = h, F(-2.0) * x * h
        else:
            sine, cosine = sincos(x)
            e = exp(-(ratio * x) * (ratio * x))
            s[U(z) + at], s[U(d) + at] = (
                cosine * e,
                -(sine + F(2.0) * ratio * ratio * x * cosine) * e,
            )


@njit(**FREE)
def four(s, at):  # type: ignore[no-untyped-def]
    """Four neighbours."""
    return s[at], s[at + U(1)], s[at + U(2)], s[at + U(3)]


@njit(**FREE)
def add_four(s, at, a, b, c, d):  # type: ignore[no-untyped-def]
    """Add to four neighbours."""
    s[at] += a
    s[at + U(1)] += b
    s[at + U(2)] += c
    s[at + U(3)] += d


@njit(**FREE)
def affine(s, w, b, n_in, n_out, x, z):  # type: ignore[no-untyped-def]
    """z[o, t] = b[o] + sum_i w[o, i] x[i, t]; n_in and n_out are multiples of 4."""
    for o in range(0, n_out, 4):
        z0 = U(z + o * T)
        for j in range(U(4)):
            bias = s[U(b + o) + j]
            for t in range(U(T)):
                s[z0 + j * U(T) + t] = bias
        for i in range(0, n_in, 4):
            x0, r, n = U(x + i * T), U(w + o * n_in + i), U(n_in)
            a0, a1, a2, a3 = four(s, r)
            b0, b1, b2, b3 = four(s, r + n)
            c0, c1, c2, c3 = four(s, r + U(2) * n)
            d0, d1, d2, d3 = four(s, r + U(3) * n)
            for t in range(U(T)):
                p, q, u, v = s[x0 + t], s[x0 + U(T) + t], s[x0 + U(2 * T) + t], s[x0 + U(3 * T) + t]
                s[z0 + t] += a0 * p + a1 * q + a2 * u + a3 * v
                s[z0 + U(T) + t] += b0 * p + b1 * q + b2 * u + b3 * v
                s[z0 + U(2 * T) + t] += c0 * p + c1 * q + c2 * u + c3 * v
                s[z0 + U(3 * T) + t] += d0 * p + d1 * q + d2 * u + d3 * v


@njit(**FREE)
def outer(s, g, n_in, n_out, x, d):  # type: ignore[no-untyped-def]
    """g[o, i] += sum_t d[o, t] x[i, t]: the gradient of an affine layer's weights."""
    zero = F(0.0)
    for o in range(0, n_out, 4):
        d0 = U(d + o * T)
        for i in range(0, n_in, 4):
            x0 = U(x + i * T)
            a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = c0 = c1 = c2 = c3 = e0 = e1 = e2 = e3 = zero
            for t in range(U(T)):
                p, q, u, v = s[x0 + t], s[x0 + U(T) + t], s[x0 + U(2 * T) + t], s[x0 + U(3 * T) + t]
                y = s[d0 + t]
                a0, a1, a2, a3 = a0 + y * p, a1 + y * q, a2 + y * u, a3 + y * v
                y = s[d0 + U(T) + t]
                b0, b1, b2, b3 = b0 + y * p, b1 + y * q, b2 + y * u, b3 + y * v
                y = s[d0 + U(2 * T) + t]
                c0, c1, c2, c3 = c0 + y * p, c1 + y * q, c2 + y * u, c3 + y * v
                y = s[d0 + U(3 * T) + t]
                e0, e1, e2, e3 = e0 + y * p, e1 + y * q, e2 + y * u, e3 + y * v
            r, n = U(g + o * n_in + i), U(n_in)
            add_four(s, r, a0, a1, a2, a3)
            add_four(s, r + n, b0, b1, b2, b3)
            add_four(s, r + U(2) * n, c0, c1, c2, c3)
            add_four(s, r + U(3) * n, e0, e1, e2, e3)


@njit(**FREE)
def row_sums(s, g, n_out, d):  # type: ignore[no-untyped-def]
    """g[o] += sum_t d[o, t]: the gradient of an affine layer's biases."""
    for o in range(n_out):
        total = F(0.0)
        for t in range(U(T)):
            total += s[U(d + o * T) + t]
        s[U(g + o)] += total


@njit(**FREE)
def scale_rows(s, z, d, rows):  # type: ignore[no-untyped-def]
    """z[r, t] *= d[r, t]."""
    for at in range(U(rows * T)):
        s[U(z) + at] *= s[U(d) + at]

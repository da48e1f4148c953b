"""SOAP's step for a batch of matrices, compiled by numba: one call where torch makes dozens of
small ones.

The order of operations is that of `_Group.step` in soap.py, its oracle. Products and QR go to the
BLAS and LAPACK of scipy: loops of our own took 2.5 times as long for a product of 16 x 17, and no
less for a QR of 16 x 16.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

# No nnan or ninf: a fit that overflows has to be seen. error_model: a division by zero gives inf
# and raises nothing.
FAST: dict[str, Any] = {
    "nogil": True,
    "cache": True,
    "error_model": "numpy",
    "fastmath": {"reassoc", "contract", "nsz"},
}


@njit(**FAST)
def lerp(old, new, weight):  # type: ignore[no-untyped-def]
    for i in range(old.shape[0]):
        for j in range(old.shape[1]):
            old[i, j] += weight * (new[i, j] - old[i, j])


@njit(**FAST)
def descending(values):  # type: ignore[no-untyped-def]
    """The order of values, largest first: insertion, since they are nearly sorted (np.argsort takes
    a second to compile).
    """
    order = np.arange(len(values))
    for i in range(1, len(values)):
        while i > 0 and values[order[i - 1]] < values[order[i]]:
            order[i - 1], order[i] = order[i], order[i - 1]
            i -= 1
    return order


@njit(**FAST)
def refresh(factor, q, ramp):  # type: ignore[no-untyped-def]
    """One step of orthogonal iteration, in place; returns the order of the old columns by estimated
    eigenvalue.
    """
    n, values, trace = len(factor), np.zeros_like(ramp), factor.dtype.type(0)
    for i in range(n):
        trace += factor[i, i]
    regular = factor / max(trace, factor.dtype.type(1e-30))
    for i in range(n):
        regular[i, i] += ramp[i]
    image = regular @ q
    for i in range(n):
        for j in range(n):
            values[j] += q[i, j] * image[i, j]
    order = descending(values)
    for i in range(n):
        for j in range(n):
            regular[i, j] = image[i, order[j]]
    basis = np.linalg.qr(regular)[0]
    for i in range(n):  # q[:] = basis takes 3 seconds to compile
        for j in range(n):
            q[i, j] = basis[i, j]
    return order


@njit(**FAST)
def direction(g, left, right, q_left, q_right, m, v, constants):  # type: ignore[no-untyped-def]
    """The update [m, n] of one matrix, to be scaled by the learning rate; factors and moments are
    brought up to date.
    """
    lerp(left, g @ g.T, constants[0])
    lerp(right, g.T @ g, constants[0])
    lerp(m, g, constants[1])
    rotated = q_left.T @ g @ q_right
    lerp(v, rotated * rotated, constants[2])
    update = q_left.T @ m @ q_right
    for i in range(update.shape[0]):
        for j in range(update.shape[1]):
            update[i, j] = (
                update[i, j] / constants[3] / (np.sqrt(v[i, j] / constants[4]) + constants[5])
            )
    return q_left @ update @ q_right.T


# numba finds the types itself, and annotations would change every key.
@njit(**FAST)
def step(  # type: ignore[no-untyped-def]
    g,
    rate,
    update,
    where,
    left,
    right,
    q_left,
    q_right,
    m,
    v,
    ramp_left,
    ramp_right,
    constants,
    due,
):
    """One step of all matrices [B, m, n], of K fits and L layers: reads g [K, P] and writes update
    [K, P] `where` [L, m, n] says.

    rate [K]. constants [6]: the weights of the new factor, gradient and square; Adam's two bias
    corrections; eps. `due`: the bases are refreshed.
    """
    layers, rows, columns = where.shape
    part = np.empty((rows, columns), g.dtype)
    for b in range(len(m)):
        k, place = b // layers, where[b % layers]
        for i in range(rows):
            for j in range(columns):
                part[i, j] = g[k, place[i, j]]
        change = direction(part, left[b], right[b], q_left[b], q_right[b], m[b], v[b], constants)
        for i in range(rows):
            for j in range(columns):
                update[k, place[i, j]] = rate[k] * change[i, j]
        if due:
            by_row = refresh(left[b], q_left[b], ramp_left)
            by_column = refresh(right[b], q_right[b], ramp_right)
            for i in range(rows):
                for j in range(columns):
                    part[i, j] = v[b, by_row[i], by_column[j]]
            for i in range(rows):
                for j in range(columns):
                    v[b, i, j] = part[i, j]

"""Random numbers and smooth random fields in millimetres, the same on every machine and at every
image size.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmark.plugins import philox_normal, philox_uniform

# Standard deviation of a cubic B-spline over independent standard normals in 3-D, averaged over
# positions.
_FIELD_STD = (151 / 315) ** 1.5


class Draws:
    """A patient's random numbers in the order in which they are asked for."""

    def __init__(self, seed: int) -> None:
        self._next = seed << 16  # room for 65,536 draws a patient

    def uniform(self, low: float, high: float) -> float:
        return float(low + (high - low) * self._take(philox_uniform, 1)[0])

    def uniforms(self, low: float, high: float, count: int) -> np.ndarray:
        return low + (high - low) * self._take(philox_uniform, count)

    def normals(self, count: int) -> np.ndarray:
        return self._take(philox_normal, count)

    def _take(self, source: Callable[[int, int], np.ndarray], count: int) -> np.ndarray:
        self._next += 1
        return source(self._next, count)


class Field:
    """A smooth Gaussian random field with mean 0 and standard deviation 1 over a box in
    millimetres.
    """

    def __init__(
        self, draws: Draws, spacing: float, low: tuple[float, ...], high: tuple[float, ...]
    ) -> None:
        self.spacing, self.low = spacing, low
        shape = [int((b - a) // spacing) + 4 for a, b in zip(low, high, strict=True)]
        self.lattice = draws.normals(int(np.prod(shape))).reshape(shape) / _FIELD_STD

    def on_grid(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Values on the grid of three axes, float64 [z, y, x]; the axes stay inside the box."""
        bx, by, bz = (
            _basis((axis - a) / self.spacing, n)
            for axis, a, n in zip((x, y, z), self.low, self.lattice.shape, strict=True)
        )
        planes = np.tensordot(bz, self.lattice, (1, 2))  # [z, lattice x, lattice y]
        values: np.ndarray = by @ (bx @ planes).transpose(0, 2, 1)  # [y, j] @ [z, j, x]
        return values


def _basis(t: np.ndarray, count: int) -> np.ndarray:
    """Cubic B-spline weights [len(t), count] of lattice points -1, 0, 1, ... at t >= 0."""
    distance = np.abs(t[:, None] + 1 - np.arange(count))
    near, far = (4 - 6 * distance**2 + 3 * distance**3) / 6, np.maximum(2 - distance, 0) ** 3 / 6
    weights: np.ndarray = np.where(distance < 1, near, far)
    return weights

"""Random constants that cost no bytes: the same in every version of numpy."""

from __future__ import annotations

import numpy as np


def philox_uniform(seed: int, count: int) -> np.ndarray:
    """`count` float64 in (0, 1) from raw Philox words, the same in every version of numpy (unlike
    its distributions).
    """
    words = np.random.Philox(key=seed).random_raw(count)
    return ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def philox_normal(seed: int, count: int) -> np.ndarray:
    """`count` standard normal float64 by Box-Muller from raw Philox words."""
    u = philox_uniform(seed, 2 * ((count + 1) // 2)).reshape(2, -1)
    radius, angle = np.sqrt(-2.0 * np.log(u[0])), 2.0 * np.pi * u[1]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]

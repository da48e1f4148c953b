"""Seconds of a step or of a call, without what stands about it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np


class Stopwatch:
    """Seconds a step between the first call of `on_step` and the last: neither start nor end of a
    fit is in it.
    """

    def __init__(self) -> None:
        self.at: list[float] = []

    def __call__(self, *_: Any) -> None:
        self.at.append(time.perf_counter())

    def a_step(self) -> float:
        return (self.at[-1] - self.at[0]) / (len(self.at) - 1)


def paired(benchmark: Any, sides: dict[str, Callable[[], float]], rounds: int) -> dict[str, float]:
    """Run all sides in alternation, the last one, ours, for the table; the median over rounds of
    the seconds that each returns.
    """
    *others, ours = sides
    found: dict[str, list[float]] = {name: [] for name in sides}

    def run(*names: str) -> None:
        for name in names:
            found[name].append(sides[name]())

    benchmark.pedantic(run, (ours,), setup=lambda: run(*others), rounds=rounds)
    medians = {name: float(np.median(seconds)) for name, seconds in found.items()}
    benchmark.extra_info.update({f"{name}_ms": 1e3 * seconds for name, seconds in medians.items()})
    return medians


def a_call(function: Callable[[], None], times: int) -> float:
    """Seconds of a call, after one that is not counted."""
    function()
    start = time.perf_counter()
    for _ in range(times):
        function()
    return (time.perf_counter() - start) / times

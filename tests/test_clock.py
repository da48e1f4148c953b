"""The clock: nothing is counted twice, nothing is lost."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

import benchmark.clock
from benchmark.clock import Clock


@pytest.fixture
def now(monkeypatch):
    """A time that the test moves: now.t += seconds."""
    time = SimpleNamespace(t=100.0)
    monkeypatch.setattr(benchmark.clock.time, "perf_counter", lambda: time.t)
    return time


def test_parts_inside_parts_are_counted_once_and_the_rest_is_waiting(now):
    clock = Clock()
    now.t += 1
    with clock.part("score"):
        now.t += 2
        with clock.part("read"):
            now.t += 4
        now.t += 8
        with clock.part("read"):
            now.t += 32
    now.t += 16
    assert clock.parts() == {"wait": 17, "score": 10, "read": 36}
    now.t += 1
    assert sum(clock.parts().values()) == clock.total() == 64


def test_a_part_that_raises_is_counted_and_left(now):
    clock = Clock()
    with pytest.raises(ValueError), clock.part("decode"):
        now.t += 2
        raise ValueError
    now.t += 1
    assert clock.parts() == {"wait": 1, "decode": 2}


def test_another_clock_tells_a_part_apart(now):
    clock = Clock()
    with clock.part("fit"):
        inner = Clock()
        now.t += 3
        inner.lap("inr")
        now.t += 1
    clock.split("fit", inner.spent)
    assert clock.parts() == {"wait": 0, "fit": 1, "inr": 3}

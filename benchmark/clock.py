"""Where the seconds of a run go."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

WAIT = "wait"  # what no part claims


class Clock:
    """Seconds by what they were spent on. On CUDA work is only queued when a lap ends, so there the
    parts of a fit are not to be read.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Begin again, outside of any part."""
        self.start = self.last = time.perf_counter()
        self.spent: dict[str, float] = {}
        self.now = WAIT

    def lap(self, what: str) -> None:
        """All seconds since the last lap went to `what`."""
        now = time.perf_counter()
        self.spent[what] = self.spent.get(what, 0.0) + now - self.last
        self.last = now

    @contextmanager
    def part(self, what: str) -> Iterator[None]:
        """What happens inside goes to `what`; a part inside it is not counted twice."""
        outer = self.now
        self.lap(outer)
        self.now = what
        try:
            yield
        finally:
            self.lap(what)
            self.now = outer

    def split(self, what: str, parts: dict[str, float]) -> None:
        """Seconds of `what` that another clock has told apart."""
        for part, seconds in parts.items():
            self.spent[what] -= seconds
            self.spent[part] = self.spent.get(part, 0.0) + seconds

    def parts(self) -> dict[str, float]:
        """All seconds until now; they sum to the time since the clock was made."""
        self.lap(self.now)
        return dict(self.spent)

    def total(self) -> float:
        return time.perf_counter() - self.start

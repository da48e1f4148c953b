"""What long work tells while it goes on. Whoever wants to hear nothing passes `Quiet()`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from benchmark.types import Recipe


class Fit(Protocol):
    """What a listener looks at in a cell: its key, lambda, and the recipe with its steps."""

    @property
    def key(self) -> str: ...
    @property
    def lam(self) -> float: ...
    @property
    def recipe(self) -> Recipe: ...


class Listener(Protocol):
    """Told of a run as it goes on: notes, what is planned, steps, and batches that are done."""

    def say(self, text: str) -> None: ...
    def plan(self, batches: Sequence[Sequence[Fit]], stored: int) -> None: ...
    def more(self, batches: Sequence[Sequence[Fit]]) -> None: ...
    def step(self, batch: Sequence[Fit], step: int, psnr_db: float) -> None: ...
    def done(self, batch: Sequence[Fit], seconds: float) -> None: ...


class Quiet:
    """A listener that tells nobody."""

    def say(self, text: str) -> None:
        pass

    def plan(self, batches: Sequence[Sequence[Fit]], stored: int) -> None:
        pass

    def more(self, batches: Sequence[Sequence[Fit]]) -> None:
        pass

    def step(self, batch: Sequence[Fit], step: int, psnr_db: float) -> None:
        pass

    def done(self, batch: Sequence[Fit], seconds: float) -> None:
        pass

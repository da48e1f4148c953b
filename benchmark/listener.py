"""What long work tells while it goes on. Whoever wants to hear nothing passes `Quiet()`.

Each kind of work asks for a small protocol; `Quiet` answers all of them, so a listener of one's own
is a subclass of it with the methods that matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from benchmark.types import Recipe


class Says(Protocol):
    """Told lines for a person: notes, and what is done."""

    def say(self, text: str) -> None: ...


class Counts(Says, Protocol):
    """Told how far work is that goes thing by thing: images that are read, cases, bytes."""

    def reading(self, what: str, i: int, count: int) -> None: ...


class Fit(Protocol):
    """What a listener looks at in a cell: its key, lambda, and the recipe with its steps."""

    @property
    def key(self) -> str: ...
    @property
    def lam(self) -> float: ...
    @property
    def recipe(self) -> Recipe: ...


class Listener(Says, Protocol):
    """Told of a run or a search as it goes on: what is planned, steps, batches that are done."""

    def plan(self, batches: Sequence[Sequence[Fit]], stored: int) -> None: ...
    def more(self, batches: Sequence[Sequence[Fit]]) -> None: ...
    def step(self, batch: Sequence[Fit], step: int, psnr_db: float) -> None: ...
    def done(self, batch: Sequence[Fit], seconds: float) -> None: ...


class Epochs(Protocol):
    """How far a training is. history: a row an epoch: `loss`, `val_dice` or `val_accuracy`."""

    @property
    def epoch(self) -> int: ...
    @property
    def minutes(self) -> float: ...
    @property
    def best_epoch(self) -> int: ...
    @property
    def history(self) -> list[dict[str, float]]: ...


class TrainListener(Counts, Protocol):
    """Told of a training as it goes on: images that are read, batches, and epochs that are done."""

    def batch(self, i: int, count: int) -> None: ...
    def epoch(self, progress: Epochs) -> None: ...


class Quiet:
    """A listener that tells nobody."""

    def say(self, text: str) -> None:
        pass

    def reading(self, what: str, i: int, count: int) -> None:
        pass

    def plan(self, batches: Sequence[Sequence[Fit]], stored: int) -> None:
        pass

    def more(self, batches: Sequence[Sequence[Fit]]) -> None:
        pass

    def step(self, batch: Sequence[Fit], step: int, psnr_db: float) -> None:
        pass

    def done(self, batch: Sequence[Fit], seconds: float) -> None:
        pass

    def batch(self, i: int, count: int) -> None:
        pass

    def epoch(self, progress: Epochs) -> None:
        pass

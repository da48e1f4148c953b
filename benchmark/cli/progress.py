"""Live progress of a run: rich where there is a terminal, plain lines where the output is piped."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self, TextIO

from benchmark.cli.words import as_options
from benchmark.listener import Epochs, Fit


class Counter:
    """Counts cells and image-steps, and estimates the time left from the seconds that steps took so
    far.
    """

    def __init__(self) -> None:
        self.left: dict[bool, int] = {
            False: 0,
            True: 0,
        }  # image-steps left, by whether a segmenter is in the loss
        self.seconds: dict[bool, float] = {False: 0.0, True: 0.0}
        self.made: dict[bool, int] = {False: 0, True: 0}
        self.cells_total = self.cells_done = self.stored = self.batch_steps = 0
        self.psnr_db = math.nan
        self.start = time.perf_counter()

    def plan(self, batches: Sequence[Sequence[Fit]], stored: int) -> None:
        self.stored = stored
        for batch in batches:
            self.cells_total += len(batch)
            self.left[batch[0].lam > 0] += len(batch) * batch[0].recipe.steps

    def more(self, batches: Sequence[Sequence[Fit]]) -> None:
        self.plan(batches, self.stored)

    def step(self, batch: Sequence[Fit], psnr_db: float) -> None:
        self.left[batch[0].lam > 0] -= len(batch)
        self.made[batch[0].lam > 0] += len(batch)
        self.batch_steps += len(batch)
        if not math.isnan(psnr_db):
            self.psnr_db = psnr_db

    def done(self, batch: Sequence[Fit], seconds: float) -> None:
        self.cells_done += len(batch)
        self.seconds[batch[0].lam > 0] += seconds
        self.left[batch[0].lam > 0] -= (
            len(batch) * batch[0].recipe.steps - self.batch_steps
        )  # a batch that failed early
        self.batch_steps = 0

    @property
    def steps_a_second(self) -> float:
        return sum(self.made.values()) / max(1e-9, time.perf_counter() - self.start)

    @property
    def seconds_left(self) -> float | None:
        """None until a batch is done; steps with a segmenter count four times the others until
        measured.
        """
        if not self.cells_done:
            return None
        plain = self.seconds[False] / self.made[False] if self.made[False] else None
        with_penalty = self.seconds[True] / self.made[True] if self.made[True] else None
        plain = plain if plain is not None else (with_penalty or 0.0) / 4
        with_penalty = with_penalty if with_penalty is not None else 4 * plain
        return self.left[False] * plain + self.left[True] * with_penalty

    def line(self) -> str:
        left = self.seconds_left
        return (
            f"{self.cells_done}/{self.cells_total} fits · {self.steps_a_second:,.0f} image-steps/s"
            + (f" · {self.psnr_db:.1f} dB" if not math.isnan(self.psnr_db) else "")
            + (f" · {_clock(left)} left" if left is not None else "")
        )


def _clock(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


class PlainProgress:
    """One line a batch at most every two seconds; nothing where `quiet`."""

    def __init__(self, stream: TextIO, quiet: bool = False) -> None:
        self.stream, self.quiet, self.counter, self.last = stream, quiet, Counter(), 0.0

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None

    def say(self, text: str) -> None:
        if not self.quiet:
            print(as_options(text), file=self.stream, flush=True)

    def plan(self, batches: Sequence[Sequence[Fit]], stored: int) -> None:
        self.counter.plan(batches, stored)
        self.say(f"{self.counter.cells_total} fits to do, {stored} cells stored already")

    def more(self, batches: Sequence[Sequence[Fit]]) -> None:
        """Fits that were not foreseen."""
        self.counter.more(batches)

    def step(self, batch: Sequence[Fit], step: int, psnr_db: float) -> None:
        self.counter.step(batch, psnr_db)

    def done(self, batch: Sequence[Fit], seconds: float) -> None:
        self.counter.done(batch, seconds)
        now = time.perf_counter()
        if now - self.last >= 2.0 or self.counter.cells_done == self.counter.cells_total:
            self.last = now
            self.say(self.counter.line())


class RichProgress(PlainProgress):
    """A live bar: fits done, image-steps a second, the current PSNR, the time left."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn

        super().__init__(stream)
        self.bar = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=24),
            TextColumn("{task.description}"),
            console=Console(file=stream),
            transient=True,
        )
        self.task: Any = None

    def __enter__(self) -> RichProgress:
        self.bar.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.bar.__exit__(kind, error, trace)

    def say(self, text: str) -> None:
        self.bar.console.print(as_options(text), highlight=False)

    def plan(self, batches: Sequence[Sequence[Fit]], stored: int) -> None:
        super().plan(batches, stored)
        self.task = self.bar.add_task("starting", total=sum(self.counter.left.values()))

    def step(self, batch: Sequence[Fit], step: int, psnr_db: float) -> None:
        super().step(batch, step, psnr_db)
        self.bar.update(self.task, advance=len(batch), description=self.counter.line())

    def more(self, batches: Sequence[Sequence[Fit]]) -> None:
        super().more(batches)
        self.bar.update(
            self.task, total=sum(self.counter.left.values()) + sum(self.counter.made.values())
        )

    def done(self, batch: Sequence[Fit], seconds: float) -> None:
        self.counter.done(batch, seconds)


def progress_for(stream: TextIO, quiet: bool = False) -> PlainProgress:
    """The progress display that fits `stream`."""
    return RichProgress(stream) if stream.isatty() and not quiet else PlainProgress(stream, quiet)


class TrainProgress:
    """Progress of a training: a bar in a terminal, a plain line an epoch when piped."""

    def __init__(self, stream: TextIO, quiet: bool = False) -> None:
        self.stream = stream
        self.bar: Any = None
        if stream.isatty() and not quiet:
            from rich.console import Console
            from rich.progress import Progress

            self.bar = Progress(console=Console(file=stream), transient=True)
            self.task = self.bar.add_task("reading")

    def __enter__(self) -> Self:
        if self.bar:
            self.bar.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.bar:
            self.bar.__exit__(kind, error, trace)

    def say(self, text: str) -> None:
        if self.bar:
            self.bar.console.print(as_options(text), highlight=False)
        else:
            print(as_options(text), file=self.stream, flush=True)

    def reading(self, what: str, i: int, count: int) -> None:
        what = what if what == "compressing" else f"reading {what}"
        if self.bar:
            self.bar.update(self.task, description=what, completed=i, total=count)
        elif i == count:
            self.say(f"{what}: {count} images")

    def batch(self, i: int, count: int) -> None:
        if self.bar:
            self.bar.update(self.task, description="epoch", completed=i, total=count)

    def epoch(self, progress: Epochs) -> None:
        row = progress.history[-1]
        mark = " *" if progress.best_epoch == progress.epoch else ""
        name = "Dice" if "val_dice" in row else "accuracy"
        score = row.get("val_dice", row.get("val_accuracy", math.nan))
        self.say(
            f"epoch {progress.epoch}: loss {row['loss']:.4f}, validation {name} {score:.4f}{mark},"
            f" {progress.minutes:.1f} minutes"
        )

"""What a run would do: cells by method and lambda, how many are stored, minutes for the rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmark.plan.cells import Cell
from benchmark.plan.job import Job
from benchmark.store.store import Row, Store

STORED_READ = 5_000  # keys are hashes: the first rows of a large store are a random draw
Kind = tuple[str, bool, int]  # method, whether a segmenter is in the loss, steps


@dataclass(frozen=True)
class Line:
    """The cells of a method at one lambda ("-" of a codec). minutes: for those that are not stored;
    None where no stored fit of the kind says how long one takes.
    """

    method: str
    lam: str
    cells: int
    stored: int
    minutes: float | None


@dataclass(frozen=True)
class Estimate:
    """What a job would do in a folder."""

    lines: list[Line]

    @property
    def missing(self) -> int:
        """Cells that are not stored."""
        count = 0
        for line in self.lines:
            count += line.cells - line.stored
        return count

    @property
    def minutes(self) -> float:
        """For the lines whose minutes are known."""
        total = 0.0
        for line in self.lines:
            total += line.minutes or 0.0
        return total

    @property
    def unknown(self) -> bool:
        """Whether the minutes of a line are not known."""
        return None in (line.minutes for line in self.lines)


def estimate(job: Job, folder: Path) -> Estimate:
    """Hold a job against the store in `folder`, if there is one; nothing is written or computed."""
    if not (folder / "store.sqlite").is_file():
        return Estimate(lines_of(job.cells, {}, {}))
    with Store(folder, create=False) as store:
        statuses = store.statuses(cell.key for cell in job.cells)
        if job.selection.precision == "auto":
            statuses |= _in_bf16(job, store)
        seconds = mean_seconds(store.each_row(data=False, limit=STORED_READ))
    return Estimate(lines_of(job.cells, statuses, seconds))


def _in_bf16(job: Job, store: Store) -> dict[str, str]:
    """Statuses of fits that are stored in the other precision that `auto` may choose, by key."""
    keys = {}
    for cell in job.cells:
        if cell.lam > 0:
            keys[replace(cell, precision="bf16").key] = cell.key
    found = {}
    for key, status in store.statuses(keys).items():
        found[keys[key]] = status
    return found


def mean_seconds(rows: Iterable[Row]) -> dict[Kind, float]:
    """The mean seconds of stored fits of each kind."""
    seconds: dict[Kind, list[float]] = defaultdict(list)
    for row in rows:
        if row.status == "ok":
            facts = row.facts
            kind = _kind(facts["method"], facts["lambda"], facts["recipe"]["steps"])
            seconds[kind].append(facts["fit_seconds"])
    means = {}
    for kind, known in seconds.items():
        means[kind] = sum(known) / len(known)
    return means


def lines_of(
    cells: Sequence[Cell], statuses: Mapping[str, str], seconds: Mapping[Kind, float]
) -> list[Line]:
    """A line each of method and lambda, in the order of the cells; a failed cell is to do."""
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in cells:
        lam = "null twin" if cell.null else "-" if cell.codec else f"{cell.lam:g}"
        groups.setdefault((cell.method, lam), []).append(cell)
    lines = []
    for (method, lam), group in groups.items():
        todo = []
        for cell in group:
            if statuses.get(cell.key, "failed") == "failed":
                todo.append(cell)
        stored = len(group) - len(todo)
        lines.append(Line(method, lam, len(group), stored, _minutes(todo, seconds)))
    return lines


def _minutes(todo: Sequence[Cell], seconds: Mapping[Kind, float]) -> float | None:
    """For all of the cells; None where nothing says how long one of them takes."""
    total = 0.0
    for cell in todo:
        each = seconds.get(_kind(cell.method, cell.lam, cell.recipe.steps))
        if each is None:
            return None
        total += each / 60
    return total


def _kind(method: str, lam: float, steps: int) -> Kind:
    return method, lam > 0, steps

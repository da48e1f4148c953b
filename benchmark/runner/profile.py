"""Where the seconds of a run go, measured on one batch of each kind of its files, and what a whole
run of them takes.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchmark.clock import WAIT
from benchmark.errors import InputError, call
from benchmark.listener import Listener, Quiet
from benchmark.plan.cells import Cell
from benchmark.plan.job import Job
from benchmark.store.store import Store

if TYPE_CHECKING:
    from benchmark.runner.run import Runner

PLAIN, SINCO, CODECS = KINDS = ("plain", "SINCO", "codecs")
LOOP = ("inr", "network", "optimizer")
PARTS = (
    *LOOP,
    "fit",  # what LOOP leaves of it
    "encode",
    "decode",
    "score: metrics",
    "score: readers",
    "store",
    WAIT,
)
ONCE = ("load networks", "rate search", "read originals")  # not once a file: kept out of its column
# Of the run that is estimated: as many images as Task01 has patients.
IMAGES, LAMBDAS, SEEDS = 484, 5, 5


@dataclass(frozen=True)
class Column:
    """One kind of file as measured: how many, what they took, part by part, and how they were
    fitted.

    seconds: of the wall, without what is done once. parts: of PARTS. evaluations: of the network, a
    fit, by lambda.
    """

    files: int
    seconds: float
    parts: dict[str, float]
    image_steps: int
    kernel: str
    precision: str
    evaluations: dict[float, float]
    evaluation_ms: float | None  # of an image, forward and backward

    @property
    def seconds_each(self) -> float:
        return self.seconds / self.files

    def ms_a_step(self, part: str) -> float | None:
        """Milliseconds an image-step of a part of the step loop; None of any other part."""
        if part in LOOP and part in self.parts:
            return 1000 * self.parts[part] / self.image_steps
        return None


@dataclass(frozen=True)
class Backbone:
    """The columns of one backbone, by kind, and what it settled on."""

    name: str
    args: dict[str, Any]
    bits: int
    shape: tuple[int, ...]
    depth: int
    recipe: dict[str, Any]
    columns: dict[str, Column]


@dataclass(frozen=True)
class Profile:
    """A job's backbones; once: seconds that its run spends once; original_seconds: to read an
    original, once an image.
    """

    backbones: list[Backbone]
    once: dict[str, float]
    original_seconds: float

    def seconds_of(self, files: Mapping[tuple[str, str], int], images: int) -> float | None:
        """Of so many files by (backbone, kind) of so many images; None where a kind of them was not
        measured.
        """
        columns: dict[tuple[str, str], Column] = {}
        for backbone in self.backbones:
            for kind, column in backbone.columns.items():
                columns[backbone.name, kind] = column
        seconds = 0.0
        for name, count in files.items():
            if not count:
                continue
            if name not in columns:
                return None
            seconds += count * columns[name].seconds_each
        return images * self.original_seconds + seconds


def kind_of(cell: Cell) -> str:
    if cell.codec:
        return CODECS
    return SINCO if cell.lam > 0 else PLAIN


def files_of(cells: Sequence[Cell]) -> Counter[tuple[str, str]]:
    """How many files by (backbone, kind)."""
    return Counter((cell.inr.name, kind_of(cell)) for cell in cells)


def files_of_reference(name: str, codecs: int) -> Counter[tuple[str, str]]:
    """IMAGES x LAMBDAS x SEEDS of one backbone, with the twins and so many classical codecs."""
    files = Counter({(name, PLAIN): 2 * IMAGES * SEEDS, (name, SINCO): IMAGES * LAMBDAS * SEEDS})
    if codecs:
        files[name, CODECS] = codecs * IMAGES
    return files


def measure(
    job: Job, progress: Listener, *, device: str, batch: int | None = None, kernel: str = "auto"
) -> Profile:
    """Run one batch of each kind of the job's files in a temporary store. Raises InputError where a
    fit of it fails.

    Kernels are compiled first, even where a run as short as this job would do without: the next run
    has them then.
    """
    # Here and not above, so that a usage error of `profile` loads no torch.
    from benchmark.runner.precision import settle_precision
    from benchmark.runner.run import Runner

    with TemporaryDirectory(prefix="sinco-bench-") as folder, Store(Path(folder)) as store:
        start = time.perf_counter()
        settle_precision(job, store, device, progress.say)
        once = {"choose the precision": time.perf_counter() - start}
        runner = Runner(job, store, Quiet(), device=device, batch=batch, kernel=kernel)
        once["compile and load"] = _warm_up(runner)
        runner.progress = progress
        runner.clock.reset()
        pieces = _pieces(runner)
        once["rate search"] = runner.clock.parts().get("rate search", 0.0)
        fits = [cells for (_, kind), cells in pieces.items() if kind != CODECS]
        progress.plan(fits, 0)
        columns: dict[str, dict[str, Column]] = defaultdict(dict)
        originals = 0.0
        for (name, kind), cells in pieces.items():
            columns[name][kind], seconds = _column(runner, kind, cells)
            originals += seconds
        images = len(runner.scorer.originals) / len(job.readers)
        backbones = []
        for name, found in columns.items():
            backbones.append(_backbone(runner, pieces[name, PLAIN][0], found))
        return Profile(backbones, once, originals / images)


def _warm_up(runner: Runner) -> float:
    """Seconds of all first calls: two steps of a fit of each kind, from its rate search to its
    scores.
    """
    start = time.perf_counter()
    first = {(cell.inr.name, kind_of(cell)): cell for cell in reversed(runner.job.cells)}
    for cell in first.values():
        short = replace(cell, recipe=replace(cell.recipe, steps=2, warmup=0))
        _make(runner, kind_of(cell), [short])
    runner.scorer.originals.clear()
    return time.perf_counter() - start


def _make(runner: Runner, kind: str, cells: list[Cell]) -> None:
    """Make the files of some cells of one kind."""
    if kind == CODECS:
        runner.encode_peers(cells)
    else:
        runner.fit_all(cells)


def _pieces(runner: Runner) -> dict[tuple[str, str], list[Cell]]:
    """The job's first batch of each (backbone, kind), and the classical codecs' files of the images
    in the plain one.
    """
    pieces: dict[tuple[str, str], list[Cell]] = {}
    for group in runner.batches(runner.job.fits):
        pieces.setdefault((group[0].inr.name, kind_of(group[0])), group)
    peers: dict[str, list[Cell]] = {name: [] for name, _ in pieces}
    for name, found in peers.items():
        images = {cell.sample_hash for cell in pieces[name, PLAIN]}
        for cell in runner.job.cells:
            if cell.codec and cell.inr.name == name and cell.sample_hash in images:
                found.append(cell)
    for name, found in peers.items():
        if found:
            pieces[name, CODECS] = found
    return pieces


def _column(runner: Runner, kind: str, cells: list[Cell]) -> tuple[Column, float]:
    """What some files took, and the seconds of reading their originals, which are not in it."""
    runner.clock.reset()
    start = time.perf_counter()
    _make(runner, kind, cells)
    wall, spent = time.perf_counter() - start, runner.clock.parts()
    facts = _facts_of(runner, kind, cells)
    aside = {}
    for part in ONCE:
        aside[part] = spent.pop(part, 0.0)
    parts: dict[str, float] = defaultdict(float)
    for part, seconds in spent.items():  # on CUDA work is only queued when a lap of the loop ends
        in_fit = part == "start" or (runner.device == "cuda" and part in LOOP)
        parts["fit" if in_fit else part] += seconds
    evaluations: dict[float, list[int]] = defaultdict(list)
    if kind == SINCO:
        for cell, fact in zip(cells, facts, strict=True):
            evaluations[cell.lam].append(fact["evaluations"])
    means = {}
    for lam, counts in sorted(evaluations.items()):
        means[lam] = sum(counts) / len(counts)
    evaluated = sum(map(sum, evaluations.values()))
    evaluation_ms = None
    if evaluated and "network" in parts:
        evaluation_ms = 1000 * parts["network"] / evaluated
    column = Column(
        files=len(cells),
        seconds=wall - sum(aside.values()),
        parts=dict(parts),
        image_steps=sum(fact.get("steps", 0) for fact in facts),
        kernel=facts[0].get("kernel", ""),
        precision=cells[0].precision if kind == SINCO else "",
        evaluations=means,
        evaluation_ms=evaluation_ms,
    )
    return column, aside["read originals"]


def _facts_of(runner: Runner, kind: str, cells: list[Cell]) -> list[dict[str, Any]]:
    """The facts of the rows of cells that were just made; raises InputError where a fit failed."""
    facts = {}
    for row in runner.store.each_row([cell.key for cell in cells], data=False):
        facts[row.key] = row.facts
        if row.status == "failed" and kind != CODECS:
            name = cells[0].inr.name
            raise InputError(
                f"to profile {name}",
                f"a fit of it failed: {row.reason}",
                call("check", "inr", name),
            )
    return [facts[cell.key] for cell in cells]


def _backbone(runner: Runner, cell: Cell, columns: dict[str, Column]) -> Backbone:
    facts = next(runner.store.each_row([cell.key], data=False)).facts
    ordered = {}
    for kind in KINDS:
        if kind in columns:
            ordered[kind] = columns[kind]
    return Backbone(
        name=cell.inr.name,
        args=facts["inr_args"],
        bits=facts["bits"],
        shape=cell.shape,
        depth=cell.depth,
        recipe=facts["recipe"],
        columns=ordered,
    )

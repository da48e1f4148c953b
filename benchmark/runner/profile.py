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
from typing import Any

from benchmark.clock import WAIT
from benchmark.errors import InputError, call
from benchmark.listener import Listener, Quiet
from benchmark.plan.cells import Cell
from benchmark.plan.job import Job
from benchmark.runner.precision import settle_precision
from benchmark.runner.run import Runner
from benchmark.store.store import Store

PLAIN, SINCO, CODECS = KINDS = ("plain", "SINCO", "codecs")
LOOP = ("inr", "network", "optimizer")
PARTS = (
    *LOOP,
    "fit",
    "encode",
    "decode",
    "score: metrics",
    "score: readers",
    "store",
    WAIT,
)  # fit: what LOOP leaves of it
ONCE = ("load networks", "rate search", "read originals")  # not once a file: kept out of its column
IMAGES, LAMBDAS, SEEDS = (
    484,
    5,
    5,
)  # of the run that is estimated: as many images as Task01 has patients


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
        return (
            1000 * self.parts[part] / self.image_steps
            if part in LOOP and part in self.parts
            else None
        )


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
        columns = {
            (backbone.name, kind): column
            for backbone in self.backbones
            for kind, column in backbone.columns.items()
        }
        if any(n and kind not in columns for kind, n in files.items()):
            return None
        return images * self.original_seconds + sum(
            n * columns[kind].seconds_each for kind, n in files.items() if n
        )


def kind_of(cell: Cell) -> str:
    return CODECS if cell.codec else SINCO if cell.lam > 0 else PLAIN


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
        progress.plan([cells for (_, kind), cells in pieces.items() if kind != CODECS], 0)
        columns: dict[str, dict[str, Column]] = defaultdict(dict)
        originals = 0.0
        for (name, kind), cells in pieces.items():
            columns[name][kind], seconds = _column(runner, kind, cells)
            originals += seconds
        images = len(runner.scorer.originals) / len(job.readers)
        backbones = [
            _backbone(runner, pieces[name, PLAIN][0], found) for name, found in columns.items()
        ]
        return Profile(backbones, once, originals / images)


def _warm_up(runner: Runner) -> float:
    """Seconds of all first calls: two steps of a fit of each kind, from its rate search to its
    scores.
    """
    start = time.perf_counter()
    first = {(cell.inr.name, kind_of(cell)): cell for cell in reversed(runner.job.cells)}
    for cell in first.values():
        short = replace(cell, recipe=replace(cell.recipe, steps=2, warmup=0))
        (runner.encode_peers if cell.codec else runner.fit_all)([short])
    runner.scorer.originals.clear()
    return time.perf_counter() - start


def _pieces(runner: Runner) -> dict[tuple[str, str], list[Cell]]:
    """The job's first batch of each (backbone, kind), and the classical codecs' files of the images
    in the plain one.
    """
    pieces: dict[tuple[str, str], list[Cell]] = {}
    for group in runner.batches(runner.job.fits):
        pieces.setdefault((group[0].inr.name, kind_of(group[0])), group)
    for name in dict.fromkeys(name for name, _ in pieces):
        images = {cell.sample_hash for cell in pieces[name, PLAIN]}
        beside = [
            cell
            for cell in runner.job.cells
            if cell.codec and cell.inr.name == name and cell.sample_hash in images
        ]
        if beside:
            pieces[name, CODECS] = beside
    return pieces


def _column(runner: Runner, kind: str, cells: list[Cell]) -> tuple[Column, float]:
    """What some files took, and the seconds of reading their originals, which are not among them."""
    runner.clock.reset()
    start = time.perf_counter()
    (runner.encode_peers if kind == CODECS else runner.fit_all)(cells)
    wall, spent = time.perf_counter() - start, runner.clock.parts()
    rows = {row.key: row for row in runner.store.each_row([cell.key for cell in cells], data=False)}
    if kind != CODECS and (
        failed := [row.reason for row in rows.values() if row.status == "failed"]
    ):
        name = cells[0].inr.name
        raise InputError(
            f"to profile {name}",
            f"a fit of it failed: {failed[0]}",
            call("check", "inr", name),
        )
    aside = {part: spent.pop(part, 0.0) for part in ONCE}
    parts: dict[str, float] = defaultdict(float)
    for part, seconds in spent.items():  # on CUDA work is only queued when a lap of the loop ends
        parts["fit" if part == "start" or runner.device == "cuda" and part in LOOP else part] += (
            seconds
        )
    facts = [rows[cell.key].facts for cell in cells]
    evaluations: dict[float, list[int]] = defaultdict(list)
    for cell, fact in zip(cells, facts, strict=True):
        if kind == SINCO:
            evaluations[cell.lam].append(fact["evaluations"])
    evaluated = sum(sum(counts) for counts in evaluations.values())
    column = Column(
        len(cells),
        wall - sum(aside.values()),
        dict(parts),
        sum(fact.get("steps", 0) for fact in facts),
        facts[0].get("kernel", ""),
        cells[0].precision if kind == SINCO else "",
        {lam: sum(counts) / len(counts) for lam, counts in sorted(evaluations.items())},
        1000 * parts["network"] / evaluated if evaluated and "network" in parts else None,
    )
    return column, aside["read originals"]


def _backbone(runner: Runner, cell: Cell, columns: dict[str, Column]) -> Backbone:
    facts = next(runner.store.each_row([cell.key], data=False)).facts
    return Backbone(
        cell.inr.name,
        facts["inr_args"],
        facts["bits"],
        cell.shape,
        cell.depth,
        facts["recipe"],
        {kind: columns[kind] for kind in KINDS if kind in columns},
    )

"""A recorded search for the optimizer and the learning rate of each backbone: one grid, the same
for all of them and for every size.

Plain fits (lambda 0) of training images, the PSNR of their float weights, and whether they went
wrong. Each is a row of a CSV that grows with every batch, so a search that was interrupted goes on;
the choice and the tables are views of those rows (report/tuning.py).
"""

from __future__ import annotations

import csv
import logging
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.errors import BenchmarkError, InputError, Words, field
from benchmark.fit.engine import Fitted, Member, fit, lost
from benchmark.fit.memory import images_at_once
from benchmark.listener import Listener
from benchmark.plan.cells import Cell, Rate, batches
from benchmark.plan.recipes import Preset, recipe_for
from benchmark.plan.samples import check_sample, spread
from benchmark.plugins import index
from benchmark.plugins.choice import Choice
from benchmark.runner.rate import largest
from benchmark.types import Recipe, Sample

LOG = logging.getLogger("benchmark")
GRID = {
    "soap": (1e-3, 2e-3, 3e-3, 6e-3, 1e-2, 1.5e-2, 2e-2, 4e-2),
    "adam": (1e-3, 2e-3, 5e-3, 1e-2),
}
# Times the preset's: about the seconds that SOAP takes; seconds themselves are too noisy to allot.
STEPS = {"adam": 2.5}
# The three sizes of a backbone: the largest that meet these rates at this bit width.
BPPS, BITS = (0.3, 0.6, 1.2), 10
# how `went_wrong` begins where the fit raised: such a row is no evidence, and is made again
ERROR = "error: "


@dataclass(frozen=True)
class Candidate:
    """What is compared: an optimizer with its highest rate, its steps and its warm-up."""

    optimizer: str
    lr: float
    steps: int
    warmup: int

    @classmethod
    def of(cls, recipe: Recipe) -> Candidate:
        return cls(recipe.optimizer, recipe.lr, recipe.steps, recipe.warmup)


@dataclass(frozen=True)
class Row:
    """One fit. key: of its cell, so a changed backbone or optimizer is fitted again. psnr_db: nan
    where not finite.

    bpp: of a file of this size at 10 bits. went_wrong: how, empty where it did not. seconds: its
    share of its batch.
    """

    key: str
    dataset: str
    image: str
    patient: str
    inr: str
    size: str  # argument=value
    n_parameters: int
    bpp: float
    optimizer: str
    lr: float
    steps: int
    warmup: int
    psnr_db: float
    went_wrong: str
    seconds: float
    kernel: str
    device: str

    @property
    def candidate(self) -> Candidate:
        return Candidate(self.optimizer, self.lr, self.steps, self.warmup)


# --- what is to be fitted


def training_images(dataset: Any, limit: int | None) -> tuple[list[Sample], list[str]]:
    """One image with a lesion of each of `limit` patients of the train split, and a note on each
    that cannot be used.
    """
    found: dict[str, Sample] = {}
    notes: list[str] = []
    taken = set()
    for sample_id in spread(dataset.ids("train")):
        name = sample_id.rpartition("-")[0] or sample_id
        if len(found) == limit:
            break
        if name in taken:
            continue
        try:
            sample = dataset.load(sample_id)
            check_sample(sample)
        except InputError as error:
            notes.append(Words(f"left out: {error.asked.marked}: {error.found.marked}"))
            continue
        if sample.has_lesion and sample.patient not in found:
            found[sample.patient] = sample
            taken.add(name)
    if not found:
        raise InputError(
            "images of the train split with a lesion",
            notes[0] if notes else "there are none",
            f"another {field('dataset')} or {field('root')}",
        )
    return list(found.values()), notes


def recipes(
    inr: Choice,
    base: Preset,
    optimizers: Sequence[str] = (),
    lrs: Sequence[float] = (),
    steps: int | None = None,
) -> list[Recipe]:
    """The shipped default of a backbone, and the grid; optimizers, lrs: instead of the grid's. The
    same for every size.
    """
    entry, args = index.get("inr", inr.name), dict(inr.args)
    if steps is None:
        steps = base.steps
    wanted = [recipe_for(entry, base, args, steps=steps)]
    for optimizer in optimizers or GRID:
        if optimizer not in GRID and not lrs:
            raise InputError(
                field("optimizer", optimizer),
                "the grid has no rates for it",
                field("optimizer", optimizer, lr=[1e-3, 1e-2]),
            )
        count = round(steps * STEPS.get(optimizer, 1))
        for lr in lrs or GRID[optimizer]:
            wanted.append(recipe_for(entry, base, args, optimizer=optimizer, lr=lr, steps=count))
    coded = []
    for recipe in wanted:
        choice = Choice.of("optimizer", recipe.optimizer)
        coded.append(replace(recipe, optimizer_args=choice.args, optimizer_source=choice.source))
    return list(dict.fromkeys(coded))


def sizes(
    inr: Choice, sample: Sample, recipe: Recipe
) -> tuple[list[tuple[Choice, float]], list[str]]:
    """(backbone, bpp of its files) at each of BPPS, and a note on each rate that no size of its own
    meets.

    `inr` leaves its size open. Raises InputError where none is small enough.
    """
    size = index.get("inr", inr.name).declared["size"]
    height, width, _ = sample.image.shape
    found: dict[Any, tuple[Choice, float]] = {}
    notes = []
    for bpp in BPPS:
        sized = largest(_cell(sample, inr, Rate(bpp, BITS), recipe), sample, BITS)
        value = None if sized is None else dict(sized.inr.args)[size]
        if sized is None or value in found:
            why = "no size is small enough" if sized is None else f"{size}={value} again"
            notes.append(f"{inr.name} at {bpp} bpp on {height} x {width} pixels: {why}")
        else:
            found[value] = (sized.inr, 8 * sized.bytes / (height * width))
    if not found:
        raise InputError(
            f"{inr.name} at {BPPS[-1]} bpp on {height} x {width} pixels",
            "its smallest file is larger",
            "larger images",
        )
    return list(found.values()), notes


def _cell(sample: Sample, inr: Choice, rate: Rate, recipe: Recipe) -> Cell:
    """A plain fit of a sample."""
    return Cell(
        sample.dataset,
        sample.id,
        sample.patient,
        sample.hash,
        inr,
        rate,
        recipe,
        shape=sample.image.shape,
    )


def plan_search(
    inrs: Sequence[Choice], samples: Sequence[Sample], grid: dict[str, list[Recipe]]
) -> tuple[dict[str, Row], list[Cell], list[str]]:
    """Every fit of the search: rows by key with what is known before it, their cells, and notes.
    grid: by backbone.
    """
    rows: dict[str, Row] = {}
    cells, notes = [], []
    for inr in inrs:
        sized: dict[tuple[int, ...], list[tuple[Choice, float]]] = {}
        for sample in samples:
            shape = sample.image.shape
            if shape not in sized:
                sized[shape], found = sizes(inr, sample, grid[inr.name][0])
                notes += found
            for choice, bpp in sized[shape]:
                for recipe in grid[inr.name]:
                    cell = _cell(sample, choice, Rate(None, BITS), recipe)
                    cells.append(cell)
                    rows[cell.key] = _planned(cell, bpp)
    return rows, cells, notes


def _planned(cell: Cell, bpp: float) -> Row:
    """The row of a fit, with what is known before it is made."""
    size = index.get("inr", cell.inr.name).declared["size"]
    return Row(
        key=cell.key,
        dataset=cell.dataset,
        image=cell.sample_id,
        patient=cell.patient,
        inr=cell.inr.name,
        size=f"{size}={dict(cell.inr.args)[size]}",
        n_parameters=0,
        bpp=round(bpp, 4),
        **asdict(Candidate.of(cell.recipe)),
        psnr_db=math.nan,
        went_wrong="",
        seconds=0.0,
        kernel="",
        device="",
    )


# --- the fits


def search(
    planned: dict[str, Row],
    cells: Sequence[Cell],
    samples: Sequence[Sample],
    path: Path,
    progress: Listener,
    *,
    device: str,
    batch: int | None = None,
) -> list[Row]:
    """Fit what `path` does not hold yet, adding to it after every batch; returns the rows of all
    `planned` fits.
    """
    stored = read_rows(path)
    todo = []
    for cell in cells:
        if cell.key not in stored or stored[cell.key].went_wrong.startswith(ERROR):
            todo.append(cell)
    by_hash = {sample.hash: sample for sample in samples}
    groups = batches(todo, batch or _at_once(todo, device))
    progress.plan(groups, len(cells) - len(todo))
    for group in groups:
        start = time.perf_counter()
        rows = _fit(group, by_hash, planned, progress, device)
        append_rows(path, rows)
        for row in rows:
            stored[row.key] = row
        progress.done(group, time.perf_counter() - start)
    return [stored[cell.key] for cell in cells]


def _at_once(cells: Sequence[Cell], device: str) -> int:
    """How many of some fits a batch holds: what the largest of them allow."""
    kinds = {(cell.shape, cell.inr) for cell in cells}
    return min((images_at_once(shape, inr, device) for shape, inr in kinds), default=1)


def _fit(
    group: Sequence[Cell],
    by_hash: dict[str, Sample],
    planned: dict[str, Row],
    progress: Listener,
    device: str,
) -> list[Row]:
    rows = []
    members = []
    for cell in group:
        rows.append(replace(planned[cell.key], device=device))
        members.append(Member(by_hash[cell.sample_hash], cell.seed))
    try:
        fitted = fit(
            group[0].inr,
            members,
            group[0].recipe,
            device=device,
            kernel="auto",
            on_step=lambda step, psnr_db: progress.step(group, step, psnr_db),
        )
    except BenchmarkError:
        raise
    except Exception as error:  # a plug-in may raise anything: its rows say so, the search goes on
        LOG.info("a batch of %s failed", group[0].inr.name, exc_info=True)
        return [replace(row, went_wrong=f"{ERROR}{type(error).__name__}: {error}") for row in rows]
    done = []
    for k, (row, member) in enumerate(zip(rows, members, strict=True)):
        done.append(
            replace(
                row,
                n_parameters=sum(array.size for array in fitted.states[k].values()),
                psnr_db=_psnr_db(fitted.fidelity[k]),
                went_wrong=went_wrong(fitted, k, member.sample),
                seconds=round(fitted.seconds / len(rows), 4),
                kernel=fitted.kernel,
            )
        )
    return done


def _psnr_db(fidelity: float) -> float:
    if not np.isfinite(fidelity):
        return math.nan
    return round(float(-10 * np.log10(max(fidelity, 1e-20))), 4)


def went_wrong(fitted: Fitted, k: int, sample: Sample) -> str:
    """How fit k of a batch went wrong; empty where it did not."""
    end, best = float(fitted.fidelity[k]), float(fitted.best[k])
    if not (fitted.finite[k] and math.isfinite(end)):
        return "not finite"
    if end > float(sample.image.var()):
        return "worse than a flat image"
    if lost(end, best):
        return f"ended {_psnr_db(best) - _psnr_db(end):.1f} dB below its best"
    return ""


# --- the file

COLUMNS = [field.name for field in fields(Row)]
_KINDS: dict[str, type] = {
    field.name: {"int": int, "float": float}.get(str(field.type), str) for field in fields(Row)
}


def read_rows(path: Path) -> dict[str, Row]:
    """The rows of a search by key, the last of each; none where there is no such file. A torn last
    line is left out.
    """
    if not path.is_file():
        return {}
    rows = {}
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames is not None and list(reader.fieldnames) != COLUMNS:
            raise InputError(
                f"the search in {path}",
                "its columns are not those of a search",
                f"another {field('out')}",
            )
        for texts in reader:
            if None in texts or None in texts.values():  # torn
                continue
            try:
                values: dict[str, Any] = {name: _KINDS[name](text) for name, text in texts.items()}
            except ValueError as error:
                raise InputError(
                    f"the search in {path}",
                    f"a line cannot be read: {error}",
                    f"mend it, or another {field('out')}",
                ) from error
            rows[texts["key"]] = Row(**values)
    return rows


def append_rows(path: Path, rows: Iterable[Row]) -> None:
    """Add rows in one write; a new file gets its heads, and a torn last line its end."""
    text = StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    old = path.read_text(encoding="utf-8") if path.is_file() else ""
    if not old:
        path.parent.mkdir(parents=True, exist_ok=True)
        writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    with path.open("a", encoding="utf-8", newline="") as file:
        file.write(("\n" if old and not old.endswith("\n") else "") + text.getvalue())

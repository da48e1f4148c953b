"""A search for optimizers and rates as it is asked for: checked first, then fitted and recorded."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import InputError, call, field, option
from benchmark.listener import Listener, Quiet
from benchmark.plan.recipes import preset
from benchmark.plan.selection import INR
from benchmark.plugins import index
from benchmark.plugins.choice import Choice
from benchmark.plugins.sets import Sets, options_by_plugin

if TYPE_CHECKING:
    from benchmark.search.tune import Candidate, Row

FITS = "fits.csv"


@dataclass(frozen=True)
class TuneRequest:
    """Which backbones, on which images, over which part of the grid.

    limit: images of the train split, each with a lesion and of another patient. optimizer and lr:
    instead of the grid's; the shipped default is always fitted too. steps: SOAP's, and Adam's are
    2.5 times as many. sets: options of the backbones or the data set, sizes apart. out: the folder
    whose fits.csv grows with every batch. batch: fits at once, default by their pixels.
    """

    inr: tuple[str, ...] = (INR,)
    dataset: str = "mni-lesion"
    root: Path | None = None
    limit: int = 6
    optimizer: tuple[str, ...] = ()
    lr: tuple[float, ...] = ()
    steps: int | None = None
    sets: Sets = ()
    out: Path = Path("results/runs/tuning")
    device: str = "auto"
    batch: int | None = None


@dataclass(frozen=True)
class Tuning:
    """A finished search. rows: its fits; defaults: the shipped candidate of each backbone; fits:
    the file that keeps the rows; notes: images and sizes that were left out.
    """

    request: TuneRequest
    rows: list[Row]
    defaults: dict[str, Candidate]
    fits: Path
    notes: list[str]

    @property
    def raised(self) -> bool:
        """Whether a fit raised: its row says so, and the same request makes it again."""
        from benchmark.search.tune import ERROR

        return any(row.went_wrong.startswith(ERROR) for row in self.rows)


def tune_rates(request: TuneRequest, listener: Listener | None = None) -> Tuning:
    """Fit what the folder does not hold yet; the best candidate is chosen by report/tuning.py.

    Raises InputError where something asked for does not fit, before any image is read.
    """
    listener = listener or Quiet()
    check_tuning(request)
    plugins = [*(("inr", name) for name in request.inr), ("dataset", request.dataset)]
    options = options_by_plugin(request.sets, plugins)
    choices = [_choice(name, options["inr", name]) for name in request.inr]

    from benchmark.device import resolve_device
    from benchmark.search.tune import Candidate, plan_search, recipes, search, training_images

    device = resolve_device(request.device)
    grid = {}
    for inr in choices:
        base = preset("standard")
        grid[inr.name] = recipes(inr, base, request.optimizer, request.lr, request.steps)
    dataset = index.get("dataset", request.dataset).load()(
        request.root, **options["dataset", request.dataset]
    )
    samples, left_out = training_images(dataset, request.limit)
    planned, cells, more = plan_search(choices, samples, grid)
    notes = [*left_out, *more]
    for note in notes:
        listener.say(note)
    fits = request.out / FITS
    rows = search(planned, cells, samples, fits, listener, device=device, batch=request.batch)
    defaults = {name: Candidate.of(recipes[0]) for name, recipes in grid.items()}
    return Tuning(request, rows, defaults, fits, notes)


def check_tuning(request: TuneRequest) -> None:
    """Raises InputError for a plug-in that cannot run here, or a number out of its range."""
    asked = [("inr", name) for name in request.inr]
    asked += [("optimizer", name) for name in request.optimizer]
    check_plugins([*asked, ("dataset", request.dataset)])
    check_counts({"limit": request.limit, "steps": request.steps, "batch": request.batch})
    for lr in request.lr:
        if not (math.isfinite(lr) and lr > 0):
            raise InputError(field("lr", lr), "it must be above 0", field("lr", 3e-3))


def check_plugins(asked: Sequence[tuple[str, str]]) -> None:
    """Raises InputError where a plug-in (kind, name) is not there or cannot run here."""
    for kind, name in asked:
        entry = index.get(kind, name)
        why = entry.unavailable()
        if why is not None:
            todo = entry.declared["install"] or call("list", kind)
            raise InputError(field(kind, name), why, todo)


def check_counts(counts: dict[str, int | None], usual: int = 6) -> None:
    """Raises InputError where a count, by the name of its field, is below 1."""
    for name, count in counts.items():
        if count is not None and count < 1:
            raise InputError(field(name, count), "it must be at least 1", field(name, usual))


def _choice(name: str, options: dict[str, Any]) -> Choice:
    """A backbone whose size is left open: the search sets it."""
    size = index.get("inr", name).declared["size"]
    if size is None:
        raise InputError(
            field("inr", name),
            "it does not say which argument sets its size",
            f'@register.inr("{name}", size="...", ...)',
        )
    if size in options:
        raise InputError(
            option(size, "..."),
            f"it is the size of {name}, which the search sets itself",
            "leave it out",
        )
    return Choice.of("inr", name, **options | {size: ...})

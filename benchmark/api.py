"""What a notebook calls, and the command too: `import benchmark as sb`, then `sb.run(...)`.

Everything here is handed on by the package lazily: `import benchmark` loads neither torch nor
pandas. docs/python.md is the page to it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from benchmark.errors import InputError, did_you_mean
from benchmark.listener import Listener
from benchmark.plan.doubts import doubts
from benchmark.plan.job import resolve
from benchmark.plan.selection import Selection
from benchmark.plugins import index
from benchmark.report.opened import Picture, Run
from benchmark.runner.experiment import Engine, run_experiment
from benchmark.store.view import Only

__all__ = ["Picture", "Run", "add_plugin", "open", "run"]
T = TypeVar("T")
# Fields of a Selection that take one value or several, by the name that a call may use as well.
SEVERAL = ("inr", "lam", "image", "segmenter", "reader", "seed", "sets")
ALSO = {"seeds": "seed", "images": "image", "readers": "reader", "segmenters": "segmenter"}


def run(
    inr: str | Iterable[str] = "siren",
    *,
    dataset: str = "mni-lesion",
    lam: float | Iterable[float] = 1e-5,
    seeds: int | Iterable[int] = 0,
    out: Path | str | None = None,
    name: str | None = None,
    device: str = "auto",
    batch: int | None = None,
    kernel: str = "auto",
    fresh: bool = False,
    report: bool = False,
    listener: Listener | None = None,
    command: Iterable[str] = (),
    **options: Any,
) -> Run:
    """Fit, encode, decode and score what is missing of an experiment, and open it.

    inr, lam, seeds: one or several; each lambda brings its plain twins. out: the folder of its
    store (default results/runs/DATASET). name: of the experiment (default: the time). options: all
    other fields of `Selection`, such as limit=12, bpp=0.4, segmenter="unet", preset="standard",
    sets={"omega_0": 60}. report: write tables and pictures into the folder too. listener: is told
    how it goes on. Values that are hardly meant raise a UserWarning.

    Raises InputError, with `asked`, `found` and `todo`, before the first fit.
    """
    selection = selection_of(inr=inr, dataset=dataset, lam=lam, seeds=seeds, **options)
    for doubt in doubts(selection):
        warnings.warn(doubt, stacklevel=2)
    folder = Path(out) if out is not None else default_folder(selection)
    done = run_experiment(
        resolve(selection),
        folder,
        name=name,
        engine=Engine(device, batch, kernel, fresh),
        listener=listener,
        command=tuple(command),
    )
    opened = Run(folder, done.name)
    if report:
        opened.report()
    return opened


def open(
    folder: Path | str,
    experiment: str | None = None,
    *,
    everything: bool = False,
    inr: str | Iterable[str] = (),
    lam: float | Iterable[float] = (),
    image: str | Iterable[str] = (),
) -> Run:
    """Open a run's folder; nothing is fitted and nothing written.

    experiment: its name; the default is the one that was finished last. everything: all cells that
    the store holds. inr, lam, image: only those. Raises InputError where there is no such run.
    """
    only = Only(_several(inr), tuple(float(value) for value in _several(lam)), _several(image))
    return Run(folder, experiment, everything=everything, only=only if only != Only() else None)


def add_plugin(path: Path | str) -> None:
    """Make the plug-ins of a file known, as `--plugin FILE.py` does."""
    index.add_plugin_file(Path(path))


def default_folder(selection: Selection) -> Path:
    """results/runs/DATASET below the current folder, DATASET-volumes with dims=3."""
    volumes = "-volumes" if selection.dims == 3 else ""
    return Path("results") / "runs" / (selection.dataset + volumes)


def selection_of(**given: Any) -> Selection:
    """A Selection of plain Python values: one value stands for a list of one.

    `sets` may be a dict, {"omega_0": 60} or {"siren.omega_0": 60}. Without `limit` or images the
    embedded data set gives 6 images, as the command does. Raises InputError on an unknown name.
    """
    known = {field.name for field in fields(Selection)}
    values: dict[str, Any] = {}
    for key, value in given.items():
        name = ALSO.get(key, key)
        if name not in known:
            raise InputError(
                f"run({key}=...)", "no such option", did_you_mean(key, [*known, *ALSO])
            )
        if name == "sets" and isinstance(value, dict):
            value = [f"{option}={_text(setting)}" for option, setting in value.items()]
        values[name] = _several(value) if name in SEVERAL else value
    if "lam" in values:
        values["lam"] = tuple(float(lam) for lam in values["lam"])
    if "seed" in values:
        values["seed"] = tuple(int(seed) for seed in values["seed"])
    if isinstance(values.get("root"), str):
        values["root"] = Path(values["root"])
    embedded = values.get("dataset", Selection.dataset) == Selection.dataset
    if embedded and values.get("limit") is None and not values.get("image"):
        values["limit"] = 6
    return Selection(**values)


def _text(setting: Any) -> str:
    return str(setting).lower() if isinstance(setting, bool) else str(setting)


def _several(value: T | Iterable[T]) -> tuple[T, ...]:
    """One value, or several in a list, a tuple, a range: as a tuple."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        return (value,)
    return tuple(value)

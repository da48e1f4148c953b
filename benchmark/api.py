"""What a notebook calls, and the command too: `import benchmark as sb`, then `sb.run(...)`.

Everything here is handed on by the package lazily: `import benchmark` loads neither torch nor
pandas. docs/python.md is the page to it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any, Literal, TypeVar

import pandas as pd

from benchmark.bitstream.anyfile import decode_any
from benchmark.checks import check
from benchmark.errors import InputError, did_you_mean, field
from benchmark.listener import Listener
from benchmark.networks.reading import ImageReading, ReadRequest, read_image
from benchmark.plan.catalog import catalog
from benchmark.plan.doubts import doubts
from benchmark.plan.job import resolve
from benchmark.plan.selection import INR, Selection
from benchmark.plugins import index
from benchmark.plugins.contracts import Decoded
from benchmark.report.evaluated import rows_by, write_evaluation
from benchmark.report.opened import Picture, Run
from benchmark.runner.evaluation import EvaluateRequest, evaluate_networks
from benchmark.runner.experiment import Engine, run_experiment
from benchmark.store.view import Only
from benchmark.training.request import Trained, TrainRequest, train_network

__all__ = [
    "Picture",
    "Run",
    "add_plugin",
    "check",
    "decode",
    "evaluate",
    "list",
    "open",
    "read",
    "run",
    "train",
]
T = TypeVar("T")
# Fields of a Selection that take one value or several, by the name that a call may use as well.
SEVERAL = ("inr", "lam", "image", "segmenter", "reader", "seed", "sets")
PATHS = ("root", "out", "file")
TUPLES = ("image", "fresh", "freeze", "post")
ALSO = {"seeds": "seed", "images": "image", "readers": "reader", "segmenters": "segmenter"}


def run(
    inr: str | Iterable[str] = INR,
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


def train(segmenter: str, dataset: str, **options: Any) -> Trained:
    """Train a network that reads, test it once, and write its checkpoint with its card.

    options: the other fields of `TrainRequest`, such as epochs=14, loss="dice", out=Path("mine.
    safetensors"), sets={"slices": "all"}. Raises InputError where something does not fit.
    """
    listener = options.pop("listener", None)
    return train_network(_request(TrainRequest, options, segmenter, dataset), listener)


def evaluate(
    segmenter: str | Iterable[str],
    dataset: str = "mni-lesion",
    *,
    by: Literal["image", "patient"] = "image",
    out: Path | str | None = None,
    **options: Any,
) -> pd.DataFrame:
    """How well networks read the originals of a data set: one row a network and image, or patient.

    out: a folder for the page, the tables and the pictures. options: the other fields of
    `EvaluateRequest`. What a reader of the numbers should know stands in `.attrs["notes"]`. Raises
    InputError where names, channels or sizes do not fit.
    """
    listener = options.pop("listener", None)
    request = _request(EvaluateRequest, options, _several(segmenter), dataset)
    found = evaluate_networks(request, listener)
    if out is not None:
        write_evaluation(found, Path(out))
    table = pd.DataFrame(rows_by(found, by))
    table.attrs["notes"] = [*found.notes]
    return table


def read(file: Path | str, **options: Any) -> ImageReading:
    """Strip, classify and segment one image, original or compressed.

    options: the other fields of `ReadRequest`, such as segment="unet", strip="none". Raises
    InputError where the file is no image or a network does not fit.
    """
    return read_image(_request(ReadRequest, options, Path(file)))


def decode(file: bytes | Path | str) -> Decoded:
    """The image of a compressed file, of a backbone or a codec: float32 [H, W, C] in [0, 1].

    file: its bytes, or its path. Raises InputError where it is foreign, cut short or damaged.
    """
    data = file if isinstance(file, bytes) else Path(file).read_bytes()
    return decode_any(data)


def list(kind: str | None = None) -> pd.DataFrame:
    """What can be chosen by name: one row a plug-in, of all kinds or one.

    kind: inr, segmenter, dataset, codec, regularizer, optimizer or preset. `available` says whether
    it can run here, `why` why not and `todo` what to do about it. Nothing is imported. Raises
    InputError where there is no such kind.
    """
    rows = []
    for name_of_kind, plugins in catalog(kind).items():
        for name, facts in plugins.items():
            row: dict[str, Any] = {"kind": name_of_kind, "name": name, "what": facts.doc}
            row |= {"available": facts.available, "why": facts.why, "todo": facts.todo}
            options = {option.name: option.default for option in facts.options}
            rows.append(row | {"options": options})
    return pd.DataFrame(rows)


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
    known = {one.name for one in fields(Selection)}
    values: dict[str, Any] = {}
    for key, value in given.items():
        name = ALSO.get(key, key)
        if name not in known:
            raise InputError(
                f"run({field(key)}=...)", "no such option", did_you_mean(key, [*known, *ALSO])
            )
        if name == "sets" and isinstance(value, dict):
            value = _texts(value)
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


def _request(kind: type[T], options: dict[str, Any], *given: Any) -> T:
    """A request of plain Python values; raises InputError on a name that it does not have."""
    known = {one.name for one in fields(kind)}  # type: ignore[arg-type]  # a dataclass
    for name, value in options.items():
        if name not in known:
            raise InputError(field(name, value), "no such option", did_you_mean(name, known))
        if name in PATHS and isinstance(value, str):
            options[name] = Path(value)
        elif name in TUPLES:
            options[name] = _several(value)
    if isinstance(options.get("sets"), dict):
        options["sets"] = _texts(options["sets"])
    return kind(*given, **options)


def _texts(sets: dict[str, Any]) -> tuple[str, ...]:
    """{"omega_0": 60} as the texts of --set."""
    texts = []
    for option, setting in sets.items():
        text = str(setting).lower() if isinstance(setting, bool) else str(setting)
        texts.append(f"{option}={text}")
    return tuple(texts)


def _several(value: T | Iterable[T]) -> tuple[T, ...]:
    """One value, or several in a list, a tuple, a range: as a tuple."""
    if isinstance(value, str) or not isinstance(value, Iterable):
        return (value,)
    return tuple(value)

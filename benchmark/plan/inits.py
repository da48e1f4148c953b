"""Learned initial states as files: where they are, what their card says, and whether a backbone may
start from one. No torch here.

A safetensors file of float32 parameters by name with a JSON card under "card" in its metadata: what
`python -m benchmark learn` writes. Only the encoder needs it: a compressed file holds all weights.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from benchmark.errors import InputError, call, field, option
from benchmark.folders import cache_folder
from benchmark.plugins import index
from benchmark.plugins.choice import Choice
from benchmark.types import Sample

CARD_KEYS = (
    "inr",
    "args",
    "source",
    "dataset",
    "channels",
    "shape",
    "patients",
)  # what a card must have; `learn` writes more


@dataclass(frozen=True, eq=False)
class Init:
    """A learned initial state: its file, the first 16 hex digits of the file's sha256, its size in
    bytes, its card and parameters.
    """

    path: Path
    hash: str
    bytes: int
    card: dict[str, Any]
    state: dict[str, np.ndarray]


def default_path(inr: Choice, dataset: str) -> Path:
    """Where `learn` writes the state of a backbone with these arguments, and `--init learned` looks
    for it.
    """
    args = hashlib.sha256(json.dumps(dict(inr.args), sort_keys=True).encode()).hexdigest()[:8]
    return cache_folder() / "inits" / f"{inr.name}-{dataset}-{args}.safetensors"


def check_size_is_given(inr: Choice, asked: str) -> None:
    """Raise InputError where the rate would choose the backbone's size: a learned state belongs to
    one.
    """
    size = index.get("inr", inr.name).declared["size"]
    if size is not None and size not in dict(inr.args):
        raise InputError(
            asked,
            f"a learned state belongs to one size of {inr.name}, and none is given",
            option(f"{inr.name}.{size}", index.get("inr", inr.name).defaults[size]),
        )


def init_for(
    spec: str, inr: Choice, dataset: str, samples: Sequence[Sample], seeds: Sequence[int]
) -> tuple[Init, list[str]]:
    """The state that `--init` names for the fits of some images and seeds, and notes on what to
    know before reading their scores.

    Raises InputError as `find_init` does, and for several seeds of a backbone that has no constants
    of its own to draw.
    """
    if len(seeds) > 1 and "seed" not in index.get("inr", inr.name).defaults:
        raise InputError(
            f"{field('seeds', seeds)} with {field('init', spec)}",
            f"all fits of {inr.name} start from the same weights: its seeds would be one fit,"
            f" counted {len(seeds)} times",
            f"{field('seeds', seeds[0])}; null twins measure the noise",
        )
    init, shape, notes = (
        find_init(spec, inr, dataset, samples[0].channels),
        list(samples[0].image.shape),
        [],
    )
    if seen := sum(
        sample.dataset == init.card["dataset"] and sample.patient in init.card["patients"]
        for sample in samples
    ):
        notes.append(
            f"{seen} of {len(samples)} images are of patients that the initial state of {inr.name}"
            " was learned on"
        )
    if shape != init.card["shape"]:
        notes.append(
            f"the initial state of {inr.name} was learned on images of {init.card['shape']}, not"
            f" {shape}"
        )
    return init, notes


def find_init(spec: str, inr: Choice, dataset: str, channels: Sequence[str]) -> Init:
    """The state that `--init learned` or `--init FILE` names for a backbone.

    Raises InputError where there is none, where it is damaged, and where it was learned for another
    backbone, other arguments, other code or another number of channels.
    """
    check_size_is_given(inr, field("init", spec))
    path = default_path(inr, dataset) if spec == "learned" else Path(spec)
    if not path.is_file():
        raise InputError(
            f"{field('init', spec)} for {inr.name} on {dataset}",
            f"no such file: {path}",
            learn_command(inr, dataset),
        )
    init = _read(path, learn_command(inr, dataset))
    asked = {
        "the backbone": inr.name,
        "arguments": dict(inr.args),
        "code": inr.source,
        "the number of channels": len(channels),
    }
    found = {
        "the backbone": init.card["inr"],
        "arguments": init.card["args"],
        "code": init.card["source"],
        "the number of channels": len(init.card["channels"]),
    }
    if wrong := [what for what in asked if _text(asked[what]) != _text(found[what])]:
        raise InputError(
            f"{field('init', spec)} for {inr.name} with"
            f" {', '.join(f'{what} {_text(asked[what])}' for what in wrong)}",
            f"{path} was learned for {', '.join(f'{what} {_text(found[what])}' for what in wrong)}",
            learn_command(inr, dataset),
        )
    return init


def learn_command(inr: Choice, dataset: str) -> str:
    """What makes the state that `--init learned` looks for; with the --root and the data set's
    --set of the run, where it has any.
    """
    defaults, size = (
        index.get("inr", inr.name).defaults,
        index.get("inr", inr.name).declared["size"],
    )
    sets = {}
    for name, value in inr.args:
        if name == size or defaults.get(name) != value:
            sets[f"{inr.name}.{name}"] = value
    return call("learn", inr=inr.name, dataset=dataset, sets=sets)


def _read(path: Path, todo: str) -> Init:
    data = path.read_bytes()
    try:
        with safe_open(path, "numpy") as file:
            card = json.loads((file.metadata() or {})["card"])
            state = {}
            for name in file.keys():  # noqa: SIM118  a handle, no dict
                state[name] = file.get_tensor(name)
        missing = [name for name in CARD_KEYS if name not in card]
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"the initial state {path}",
            f"it is no file of `learn`, or it is damaged: {error}",
            todo,
        ) from None
    if missing:
        raise InputError(
            f"the initial state {path}", f"its card does not say its {', '.join(missing)}", todo
        )
    if bad := [
        name
        for name, array in state.items()
        if array.dtype != np.float32 or not np.isfinite(array).all()
    ]:
        raise InputError(
            f"the initial state {path}", f"{bad[0]} is not float32, or not finite", todo
        )
    return Init(path, hashlib.sha256(data).hexdigest()[:16], len(data), card, state)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)

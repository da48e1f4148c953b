"""Trained weights as files: where they are, what their card says, and whether they may be used. No torch here.

A checkpoint is a safetensors file of float16 weights with a JSON card under "card" in its header's metadata.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import InputError
from benchmark.folders import cache_folder
from benchmark.plugins.index import get

CARD_KEYS = ("segmenter", "options", "channels", "dataset")  # what a card must have to be used; `train` writes more


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was found: segmenter, file, the first 16 hex digits of the file's sha256, and its card."""

    name: str
    path: Path
    hash: str
    card: dict[str, Any]

    @property
    def channels(self) -> tuple[str, ...]:
        return tuple(self.card["channels"])


def default_path(name: str, dataset: str) -> Path:
    """Where `train` writes a checkpoint and where a bare name is looked for first."""
    return cache_folder() / "checkpoints" / f"{name}-{dataset}.safetensors"


def places(name: str, dataset: str) -> list[Path]:
    """Where the weights of a bare segmenter's name may lie, the first found is taken: the cache, then what is shipped."""
    return [default_path(name, dataset), get("segmenter", name).path.parent / "weights" / f"{name}-{dataset}.safetensors"]


def read_card(path: Path) -> dict[str, Any]:
    """The card of a checkpoint; raises InputError where the file is absent, no safetensors file, or has no card."""
    asked, todo = f"the checkpoint {path}", "NAME@FILE with a file that `python -m benchmark train` wrote"
    if not path.is_file():
        raise InputError(asked, "no such file", todo)
    with path.open("rb") as file:
        # The format: eight bytes of little-endian length, then that many bytes of JSON, then the tensors.
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= path.stat().st_size - 8:
            raise InputError(asked, "it is not a safetensors file, or it is cut short", todo)
        try:
            header = json.loads(file.read(length))
            tensors = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        except (ValueError, AttributeError, LookupError, TypeError):
            raise InputError(asked, "it is not a safetensors file: its header cannot be read", todo) from None
    if path.stat().st_size != 8 + length + max(tensors, default=0):
        raise InputError(asked, "its length is not what its header says: it is cut short", todo)
    try:
        card = json.loads(header["__metadata__"]["card"])
    except (KeyError, ValueError, TypeError):
        raise InputError(asked, "it holds weights but no card that says what they are", todo) from None
    if not isinstance(card, dict) or not isinstance(card.get("channels", []), list):
        raise InputError(asked, "its card is damaged", todo)
    if missing := [key for key in CARD_KEYS if key not in card]:
        raise InputError(asked, f"its card does not say its {', '.join(missing)}", todo)
    return card


def find_checkpoint(spec: str, dataset: str, *, channels: Sequence[str] | None = None,
                    force: bool = False) -> Checkpoint:
    """The checkpoint for "NAME" or "NAME@FILE" on a data set.

    A bare NAME is looked for as NAME-DATASET.safetensors in the cache, then in weights/ beside the segmenter's file.
    Raises InputError where none is found, and where its card names another segmenter, data set or channels. `force`
    lifts that, except for another number of channels.
    """
    name, _, file = spec.partition("@")
    looked_in = [Path(file)] if file else places(name, dataset)
    path = next((place for place in looked_in if place.is_file()), None)
    if path is None:
        looked = ", ".join(map(str, looked_in))
        others = [] if file else sorted(path for folder in dict.fromkeys(place.parent for place in looked_in)
                                        for path in folder.glob(f"{name}-*.safetensors"))
        borrowed = f"; or borrow those of another data set: --segmenter {name}@{others[0]} --force" if others else ""
        raise InputError(f"segmenter {spec} on {dataset}", f"no weights there: {looked}",
                         f"python -m benchmark train --segmenter {name} --dataset {dataset}{borrowed}")
    card = read_card(path)
    _check(card, name, dataset, channels, path, force)
    return Checkpoint(name, path, hashlib.sha256(path.read_bytes()).hexdigest()[:16], card)


def _check(card: dict[str, Any], name: str, dataset: str, channels: Sequence[str] | None, path: Path,
           force: bool) -> None:
    train = f"python -m benchmark train --segmenter {name} --dataset {dataset}"
    if channels is not None and len(channels) != len(card["channels"]):
        raise InputError(f"segmenter {name} on images of {len(channels)} channels ({', '.join(channels)})",
                         f"{path} was trained on {len(card['channels'])} ({', '.join(card['channels'])})",
                         f"{train}, with the --set of this run that chooses the channels")
    asked = {"segmenter": name, "data set": dataset, "channels": ", ".join(channels or card["channels"])}
    found = {"segmenter": card["segmenter"], "data set": card["dataset"], "channels": ", ".join(card["channels"])}
    wrong = [key for key in asked if asked[key] != found[key]]
    if wrong and not force:
        raise InputError(" and ".join(f"a checkpoint for the {key} {asked[key]}" for key in wrong),
                         f"{path} is for the {' and the '.join(f'{key} {found[key]}' for key in wrong)}",
                         f"{train}, or --force to use it all the same")

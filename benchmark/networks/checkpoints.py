"""Trained weights as files: where they are, what their card says, and whether they may be used. No
torch here.

A checkpoint is a safetensors file of float16 weights with a JSON card under "card" in its header's
metadata.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from benchmark.errors import InputError
from benchmark.folders import cache_folder, check_writable
from benchmark.plugins.index import entries, get

CARD_KEYS = (
    "segmenter",
    "options",
    "channels",
    "dataset",
)  # what a card must have to be used; `train` writes more


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_settings(value: Any) -> bool:
    return isinstance(value, dict)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


# What is used of a card, and what it must be. None is as good as nothing of what a card need not
# have.
CARD_TYPES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "segmenter": (_is_text, "a name"),
    "dataset": (_is_text, "a name"),
    "options": (_is_settings, "options by name"),
    "channels": (lambda value: _are_texts(value) and bool(value), "one name or more"),
    "dataset_options": (
        lambda value: (
            _is_settings(value)
            and isinstance(value.get("size") or 0, int)
            and (value.get("size") or 0) >= 0
        ),
        "options by name, `size` a whole number",
    ),
    "target": (lambda value: value in ("lesion", "brain"), "lesion or brain"),
    "train_patients": (_are_texts, "a list of names"),
    "note": (_is_text, "a sentence"),
    **dict.fromkeys(
        ("parameters", "epochs_run", "minutes", "cpu_minutes"), (_is_number, "a number")
    ),
}


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was found: segmenter, file, the first 16 hex digits of the file's sha256,
    and its card.

    members: of an ensemble, the checkpoints whose probabilities are averaged.
    """

    name: str
    path: Path
    hash: str
    card: dict[str, Any]
    members: tuple[Checkpoint, ...] = ()

    @property
    def parts(self) -> tuple[Checkpoint, ...]:
        """The networks that it is made of: itself, or an ensemble's members."""
        return self.members or (self,)

    @property
    def source(self) -> str:
        """Hash of the code of the networks that it is made of."""
        return "+".join(get("segmenter", part.name).source_hash() for part in self.parts)

    @property
    def multiple(self) -> int:
        """What height and width of an image must be a multiple of."""
        return math.lcm(*(get("segmenter", part.name).declared["multiple"] for part in self.parts))

    @property
    def task(self) -> str:
        """What it reads: "mask" or "label"."""
        return str(get("segmenter", self.parts[0].name).declared["task"])

    @property
    def dims(self) -> int:
        """3 where it reads volumes whole."""
        return int(get("segmenter", self.parts[0].name).declared["dims"])

    @property
    def target(self) -> str:
        """What its masks mark: "lesion" or "brain"."""
        return str(self.card.get("target") or "lesion")

    @property
    def classes(self) -> tuple[str, ...]:
        """Of a network of labels the names of its answers; raises InputError where the card does
        not have them.
        """
        found = self.card.get("classes")
        if not (
            isinstance(found, list)
            and len(found) > 1
            and len({name for name in found if isinstance(name, str)}) == len(found)
        ):
            raise InputError(
                f"the classifier {self.path}",
                "its card does not name its classes",
                f"python -m benchmark train --segmenter {self.name} --dataset"
                f" {self.card['dataset']}",
            )
        return tuple(found)

    @property
    def channels(self) -> tuple[str, ...]:
        return tuple(self.card["channels"])


def default_path(name: str, dataset: str) -> Path:
    """Where `train` writes a checkpoint and where a bare name is looked for first."""
    return cache_folder() / "checkpoints" / f"{name}-{dataset}.safetensors"


def checked_path(out: Path | None, name: str, dataset: str) -> Path:
    """Where a checkpoint goes, `out` or the default; raises InputError where it cannot, which is to
    be told before hours of training.
    """
    path = out or default_path(name, dataset)
    if path.is_dir():
        raise InputError(
            f"--out {path}", "it is a folder", f"--out {path / f'{name}-{dataset}.safetensors'}"
        )
    if path.suffix != ".safetensors":  # .png and .resume of that name are other files of a training
        raise InputError(
            f"--out {path}",
            "its name does not end in .safetensors",
            f"--out {path.with_suffix('.safetensors')}",
        )
    check_writable(path.parent, f"--out {path}")
    return path


def places(name: str, dataset: str) -> list[Path]:
    """Where the weights of a bare segmenter's name may lie, the first found is taken: the cache,
    then what is shipped.
    """
    return [
        default_path(name, dataset),
        get("segmenter", name).path.parent / "weights" / f"{name}-{dataset}.safetensors",
    ]


def making(name: str, dataset: str) -> str:
    """What to type for weights of a segmenter: `train`, or `import` where it comes ready."""
    if not get("segmenter", name).declared["trains"]:
        return f"python -m benchmark import --segmenter {name} --dataset {dataset} --file FILE"
    target = " --target brain" if truth_of(dataset) == "brain" else ""
    return (
        f"python -m benchmark train --segmenter {name} --dataset"
        f" {dataset}{target}{sized(name, dataset)}"
    )


def truth_of(dataset: str) -> str:
    """What the images of a data set come with, "lesion", "brain" or "label"; "lesion" where the
    data set is not known here.
    """
    return str(known.declared["truth"]) if (known := entries("dataset").get(dataset)) else "lesion"


def sized(name: str, dataset: str) -> str:
    """The options that bring pictures with labels, which come in any size, to one, and volumes to
    what memory holds.
    """
    known = (
        {option.name for option in entry.options}
        if (entry := entries("dataset").get(dataset))
        else set()
    )
    if get("segmenter", name).declared["dims"] == 3:
        return " --set size=64 --set planes=32" if {"size", "planes"} <= known else ""
    return " --set size=128" if truth_of(dataset) == "label" and "size" in known else ""


def _classifier(dataset: str) -> str:
    """What to type where a network of masks is asked for on images that have labels only: a
    classifier, trained first if need be.
    """
    names = [
        name for name, entry in entries("segmenter").items() if entry.declared["task"] == "label"
    ]
    if ready := [name for name in names if any(place.is_file() for place in places(name, dataset))]:
        return f"--segmenter {ready[0]}{sized(ready[0], dataset)}"
    return f"{making(names[0], dataset)}; then --segmenter {names[0]}{sized(names[0], dataset)}"


def read_card(path: Path) -> dict[str, Any]:
    """The card of a checkpoint; raises InputError where the file is absent, no safetensors file, or
    has no card.
    """
    asked, todo = (
        f"the checkpoint {path}",
        "NAME@FILE with a file that `python -m benchmark train` wrote",
    )
    if not path.is_file():
        raise InputError(asked, "no such file", todo)
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:  # OSError: an empty file, no rights
        found = f"it is not a safetensors file, or it is cut short: {error}"
        raise InputError(asked, found, todo) from None
    try:
        card = json.loads(metadata["card"])
    except (KeyError, ValueError, RecursionError):
        found = "it holds weights but no card that says what they are"
        raise InputError(asked, found, todo) from None
    if not isinstance(card, dict):
        raise InputError(asked, "its card is damaged", todo)
    if missing := [key for key in CARD_KEYS if key not in card]:
        raise InputError(asked, f"its card does not say its {', '.join(missing)}", todo)
    for key, (fits, due) in CARD_TYPES.items():
        if key in card and not fits(card[key]) and not (card[key] is None and key not in CARD_KEYS):
            raise InputError(
                asked, f"its card is damaged: {key} is {repr(card[key])[:60]}, {due} is due", todo
            )
    return card


def find_checkpoint(
    spec: str, dataset: str, *, channels: Sequence[str] | None = None, force: bool = False
) -> Checkpoint:
    """The checkpoint for "NAME", "NAME@FILE" or an ensemble "NAME+NAME@FILE" on a data set.

    A bare NAME is looked for as NAME-DATASET.safetensors in the cache, then in weights/ beside the
    segmenter's file. Raises InputError where none is found, and where its card names another
    segmenter, data set or channels. `force` lifts that, except for another number of channels.
    """
    if len(parts := split_ensemble(spec)) > 1:
        return _ensemble(
            [find_checkpoint(part, dataset, channels=channels, force=force) for part in parts], spec
        )
    name, _, file = spec.partition("@")
    looked_in = [Path(file)] if file else places(name, dataset)
    path = next((place for place in looked_in if place.is_file()), None)
    if path is None:
        looked = ", ".join(map(str, looked_in))
        if (
            not file
            and truth_of(dataset) == "label"
            and get("segmenter", name).declared["task"] == "mask"
        ):
            raise InputError(
                f"segmenter {spec} on {dataset}",
                "it marks masks, and these images have none, but labels",
                _classifier(dataset),
            )
        others = (
            []
            if file
            else sorted(
                path
                for folder in dict.fromkeys(place.parent for place in looked_in)
                for path in folder.glob(f"{name}-*.safetensors")
            )
        )
        borrowed = (
            f"; or borrow those of another data set: --segmenter {name}@{others[0]} --force"
            if others
            else ""
        )
        raise InputError(
            f"segmenter {spec} on {dataset}",
            f"no weights there: {looked}",
            f"{making(name, dataset)}{borrowed}",
        )
    card = read_card(path)
    _check(card, name, dataset, channels, path, force)
    return Checkpoint(name, path, hashlib.sha256(path.read_bytes()).hexdigest()[:16], card)


def split_ensemble(spec: str) -> list[str]:
    """ "unet+unet-4@FILE" -> ["unet", "unet-4@FILE"]; a + within a file's name is part of it."""
    names = "|".join(map(re.escape, entries("segmenter")))
    return re.split(rf"\+(?=(?:{names})(?:[@+]|$))", spec) if "@" in spec else spec.split("+")


def _ensemble(members: list[Checkpoint], spec: str) -> Checkpoint:
    """Members as one network; raises InputError where one of them is there twice."""
    hashes = [member.hash for member in members]
    if len(set(hashes)) < len(hashes):
        raise InputError(
            f"the ensemble {spec}", "it holds the same weights twice", "each network once"
        )
    kinds = {member.classes if member.task == "label" else () for member in members}
    if len(kinds) > 1:
        raise InputError(
            f"the ensemble {spec}",
            "its members do not answer alike: "
            + " and ".join(
                f"labels {', '.join(kind)}" if kind else "masks" for kind in sorted(kinds)
            ),
            "members of one kind, with the same classes",
        )
    marks = {
        f"{member.target} by {'volumes' if member.dims == 3 else 'images'}"
        for member in members
        if member.task == "mask"
    }
    if len(marks) > 1:
        raise InputError(
            f"the ensemble {spec}",
            f"its members do not mark alike: {' and '.join(sorted(marks))}",
            "members of one kind",
        )
    if len({len(member.channels) for member in members}) > 1:
        raise InputError(
            f"the ensemble {spec}",
            "its members read other numbers of channels: "
            + " and ".join(", ".join(member.channels) for member in members),
            "members that read the same images",
        )
    prepared = [member.card.get("dataset_options") or {} for member in members]
    alike = {
        name: value
        for name, value in prepared[0].items()
        if all(name in one and one[name] == value for one in prepared)
    }
    card = {
        "segmenter": "+".join(member.name for member in members),
        "options": {},
        "channels": members[0].card["channels"],
        "dataset_options": alike,
        "target": members[0].target,
        "dataset": members[0].card["dataset"],
        "members": [{"name": member.name, "hash": member.hash} for member in members],
        **({"classes": list(members[0].classes)} if members[0].task == "label" else {}),
        "train_patients": sorted(
            {patient for member in members for patient in member.card.get("train_patients") or ()}
        ),
    }
    digest = hashlib.sha256("+".join(hashes).encode()).hexdigest()[:16]
    return Checkpoint(card["segmenter"], members[0].path, digest, card, tuple(members))


def _check(
    card: dict[str, Any],
    name: str,
    dataset: str,
    channels: Sequence[str] | None,
    path: Path,
    force: bool,
) -> None:
    train = making(name, dataset)
    if channels is not None and len(channels) != len(card["channels"]):
        raise InputError(
            f"segmenter {name} on images of {len(channels)} channels ({', '.join(channels)})",
            f"{path} was trained on {len(card['channels'])} ({', '.join(card['channels'])})",
            f"{train}, with the --set of this run that chooses the channels",
        )
    asked = {
        "segmenter": name,
        "data set": dataset,
        "channels": ", ".join(channels or card["channels"]),
    }
    found = {
        "segmenter": card["segmenter"],
        "data set": card["dataset"],
        "channels": ", ".join(card["channels"]),
    }
    wrong = [key for key in asked if asked[key] != found[key]]
    if wrong and not force:
        raise InputError(
            " and ".join(f"a checkpoint for the {key} {asked[key]}" for key in wrong),
            f"{path} is for the {' and the '.join(f'{key} {found[key]}' for key in wrong)}",
            f"{train}, or --force to use it all the same",
        )

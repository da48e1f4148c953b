"""Trained weights as files: where they are, what their card says, and whether they may be used. No
torch here.

A checkpoint is a safetensors file of float16 weights with a JSON card under "card" in its header's
metadata.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import InputError, Value, call, field
from benchmark.folders import cache_folder, check_writable
from benchmark.networks.cards import read_card
from benchmark.plugins.index import entries, get

RESULTS = Path(__file__).parents[2] / "results"  # in a checkout


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
                call("train", segmenter=self.name, dataset=self.card["dataset"]),
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
            field("out", path),
            "it is a folder",
            field("out", path / f"{name}-{dataset}.safetensors"),
        )
    if path.suffix != ".safetensors":  # .png and .resume of that name are other files of a training
        raise InputError(
            field("out", path),
            "its name does not end in .safetensors",
            field("out", path.with_suffix(".safetensors")),
        )
    check_writable(path.parent, field("out", path))
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
        return call("import", segmenter=name, dataset=dataset, file="FILE")
    more: dict[str, Value] = {"target": "brain"} if truth_of(dataset) == "brain" else {}
    return call("train", segmenter=name, dataset=dataset, **more, **_sets(name, dataset))


def truth_of(dataset: str) -> str:
    """What the images of a data set come with, "lesion", "brain" or "label"; "lesion" where the
    data set is not known here.
    """
    return str(known.declared["truth"]) if (known := entries("dataset").get(dataset)) else "lesion"


def sized(name: str, dataset: str) -> dict[str, Value]:
    """The options that bring pictures with labels, which come in any size, to one, and volumes to
    what memory holds.
    """
    entry = entries("dataset").get(dataset)
    known = {one.name for one in entry.options} if entry else set()
    if get("segmenter", name).declared["dims"] == 3:
        return {"size": 64, "planes": 32} if {"size", "planes"} <= known else {}
    return {"size": 128} if truth_of(dataset) == "label" and "size" in known else {}


def _sets(name: str, dataset: str) -> dict[str, Value]:
    """The field with these options, where there are any."""
    options = sized(name, dataset)
    return {"sets": options} if options else {}


def _classifier(dataset: str) -> str:
    """What to type where a network of masks is asked for on images that have labels only: a
    classifier, trained first if need be.
    """
    names = []
    for name, entry in entries("segmenter").items():
        if entry.declared["task"] == "label":
            names.append(name)
            if _first(places(name, dataset)):
                return field("segmenter", name, **_sets(name, dataset))
    then = field("segmenter", names[0], **_sets(names[0], dataset))
    return f"{making(names[0], dataset)}; then {then}"


def _first(paths: Sequence[Path]) -> Path | None:
    """The first of these that is a file."""
    for path in paths:
        if path.is_file():
            return path
    return None


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
    path = _first(looked_in)
    if path is None:
        raise _absent(spec, name, dataset, looked_in)
    card = read_card(path)
    _check(card, name, dataset, channels, path, force)
    return Checkpoint(name, path, hashlib.sha256(path.read_bytes()).hexdigest()[:16], card)


def _absent(spec: str, name: str, dataset: str, looked_in: Sequence[Path]) -> InputError:
    """No weights: what makes them, or whose may be borrowed."""
    asked = f"segmenter {spec} on {dataset}"
    found, todo = f"no weights there: {', '.join(map(str, looked_in))}", making(name, dataset)
    if spec.partition("@")[2]:  # a file was named
        return InputError(asked, found, todo)
    if truth_of(dataset) == "label" and get("segmenter", name).declared["task"] == "mask":
        found = "it marks masks, and these images have none, but labels"
        return InputError(asked, found, _classifier(dataset))
    readers = committed(name, dataset)
    if readers:
        specs = " or ".join(field("segmenter", f"{name}@{path}") for path in readers)
        return InputError(asked, found, f"{specs} (committed results have them); or {todo}")
    others: list[Path] = []
    for place in looked_in:
        others += place.parent.glob(f"{name}-*.safetensors")
    if others:
        spec = f"{name}@{min(others)}"
        todo += f"; or borrow those of another data set: {field('segmenter', spec, force=True)}"
    return InputError(asked, found, todo)


def committed(name: str, dataset: str) -> list[Path]:
    """Weights of a segmenter for a data set that lie beside committed results, in a checkout."""
    found = []
    for path in sorted(RESULTS.glob(f"*/readers/{name}-{dataset}.safetensors")):
        try:
            if read_card(path)["dataset"] == dataset:
                found.append(_from_here(path))
        except InputError:  # a damaged file is no advice
            continue
    return found


def _from_here(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def split_ensemble(spec: str) -> list[str]:
    """ "unet+unet-4@FILE" -> ["unet", "unet-4@FILE"]; a + within a file's name is part of it."""
    names = "|".join(map(re.escape, entries("segmenter")))
    return re.split(rf"\+(?=(?:{names})(?:[@+]|$))", spec) if "@" in spec else spec.split("+")


def _ensemble(members: list[Checkpoint], spec: str) -> Checkpoint:
    """Members as one network; raises InputError where they do not go together."""
    _check_members(members, f"the ensemble {spec}")
    first = members[0]
    alike = dict(first.card.get("dataset_options") or {})
    patients: set[str] = set()
    for member in members:
        options = member.card.get("dataset_options") or {}
        for name in list(alike):
            if name not in options or options[name] != alike[name]:
                del alike[name]
        patients |= set(member.card.get("train_patients") or ())
    card: dict[str, Any] = {
        "segmenter": "+".join(member.name for member in members),
        "options": {},
        "channels": first.card["channels"],
        "dataset_options": alike,
        "target": first.target,
        "dataset": first.card["dataset"],
        "members": [{"name": member.name, "hash": member.hash} for member in members],
    }
    if first.task == "label":
        card["classes"] = list(first.classes)
    card["train_patients"] = sorted(patients)
    hashes = "+".join(member.hash for member in members)
    digest = hashlib.sha256(hashes.encode()).hexdigest()[:16]
    return Checkpoint(card["segmenter"], first.path, digest, card, tuple(members))


def _check_members(members: list[Checkpoint], asked: str) -> None:
    """Raises InputError where a member is there twice, or they do not read and answer alike."""
    answers, marks, channels = set(), set(), {}
    for member in members:
        channels[len(member.channels)] = ", ".join(member.channels)
        if member.task == "label":
            answers.add(f"labels {', '.join(member.classes)}")
        else:
            answers.add("masks")
            marks.add(f"{member.target} by {'volumes' if member.dims == 3 else 'images'}")
    if len({member.hash for member in members}) < len(members):
        raise InputError(asked, "it holds the same weights twice", "each network once")
    if len(answers) > 1:
        found = f"its members do not answer alike: {' and '.join(sorted(answers, reverse=True))}"
        raise InputError(asked, found, "members of one kind, with the same classes")
    if len(marks) > 1:
        found = f"its members do not mark alike: {' and '.join(sorted(marks))}"
        raise InputError(asked, found, "members of one kind")
    if len(channels) > 1:
        found = f"its members read other numbers of channels: {' and '.join(channels.values())}"
        raise InputError(asked, found, "members that read the same images")


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
            f"{train}, with the {field('sets')} of this run that chooses the channels",
        )
    due = ", ".join(card["channels"])
    facts = (
        ("segmenter", name, card["segmenter"]),
        ("data set", dataset, card["dataset"]),
        ("channels", ", ".join(channels or card["channels"]), due),
    )
    asked, found = [], []
    for what, wanted, given in facts:
        if wanted != given:
            asked.append(f"a checkpoint for the {what} {wanted}")
            found.append(f"the {what} {given}")
    if asked and not force:
        raise InputError(
            " and ".join(asked),
            f"{path} is for {' and '.join(found)}",
            f"{train}, or {field('force', True)} to use it all the same",
        )

"""The cases of a data set, whatever its kind: who each is, its split, and how its scan is read."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from benchmark.errors import InputError
from benchmark.images.persons import person_of
from benchmark.images.scan import Scan
from benchmark.images.volumes import VolumeDataset
from benchmark.types import SPLITS

T = TypeVar("T")
Oddities = list[tuple[str, str]]  # a name in KINDS, and what was found


@dataclass(frozen=True)
class Source:
    """A data set that is looked at. by_channel: the same data set for each of its channels alone,
    where `dataset` reads them all.
    """

    title: str
    dataset: Any
    by_channel: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """`dataset` is the title of its data set, `title` names the case beside those of others;
    person: who it is across data sets.

    split: "" where it is in none. read: its scan, and what was odd in reading it.
    """

    dataset: str
    name: str
    person: str
    split: str
    read: Callable[[], tuple[Scan, Oddities]]

    @property
    def title(self) -> str:
        return f"{self.dataset}/{self.name}"


def with_warnings(act: Callable[[], T]) -> tuple[T, list[str]]:
    """What `act()` returns, and what it warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        done = act()
    return done, list(dict.fromkeys(str(warning.message) for warning in caught))


def cases_of(source: Source) -> Iterator[Case]:
    """Every case in every split; of a data set that offers samples only, each sample is a case of
    one plane.
    """
    dataset = source.dataset
    if isinstance(dataset, VolumeDataset):
        for name in dataset.files:
            yield Case(
                source.title,
                name,
                dataset.person(name),
                dataset.split(name) or "",
                partial(_read, source, name),
            )
        return
    for split in SPLITS:
        for sample_id in dataset.ids(split):
            yield Case(
                source.title,
                sample_id,
                person_of(sample_id.rpartition("-")[0]),
                split,
                partial(_sample, dataset, sample_id),
            )


def _read(source: Source, name: str) -> tuple[Scan, Oddities]:
    """All channels of a case, or, where these cannot be read together, those that can be read
    alone.
    """
    try:
        return source.dataset.read(name), []
    except InputError as error:
        scans: dict[str, Scan] = {}
        failed: dict[str, InputError] = {}
        for channel, dataset in source.by_channel.items():
            try:
                scans[channel] = dataset.read(name)
            except InputError as found:
                failed[channel] = found
        if not scans or len({scan.shape for scan in scans.values()}) > 1:
            raise error from None
    files = {channel: set(dataset.files[name]) for channel, dataset in source.by_channel.items()}
    common = set.intersection(*files.values())
    missing = [
        channel for channel in failed if files[channel] == common
    ]  # it adds no file to those of the other channels
    odd = (
        [("missing-channel", f"it has {', '.join(scans)}, and no {', '.join(missing)}")]
        if missing
        else []
    )
    odd += [
        ("unreadable", f"{found.asked}: {found.found}")
        for channel, found in failed.items()
        if channel not in missing
    ]
    channels = {name: voxels for scan in scans.values() for name, voxels in scan.channels.items()}
    background = {name: value for scan in scans.values() for name, value in scan.background.items()}
    return replace(next(iter(scans.values())), channels=channels, background=background), odd


def _sample(dataset: Any, sample_id: str) -> tuple[Scan, Oddities]:
    sample = dataset.load(sample_id)
    channels = {name: sample.image[None, ..., i] for i, name in enumerate(sample.channels)}
    return (
        Scan(
            sample_id,
            channels,
            (sample.slice_index,),
            labels=sample.mask[None].astype(np.uint8),
            known=(0, 1),
            spacing_mm=(1.0, *sample.spacing_mm),
            brain=sample.brain[None],
            label=sample.label,
        ),
        [],
    )

"""The cases of a data set, whatever its kind: who each is, its split, and how its scan is read."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

import numpy as np

from benchmark.errors import InputError, Words
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
        scans, failed = _read_alone(source, name)
        shapes = {scan.shape for scan in scans.values()}
        if not scans or len(shapes) > 1:
            raise error from None
    channels: dict[str, np.ndarray] = {}
    background: dict[str, float] = {}
    for scan in scans.values():
        channels |= scan.channels
        background |= scan.background
    first = next(iter(scans.values()))
    odd = _odd_files(source, name, list(scans), failed)
    return replace(first, channels=channels, background=background), odd


def _read_alone(source: Source, name: str) -> tuple[dict[str, Scan], dict[str, InputError]]:
    """The scan of each channel that can be read alone, and why the others cannot."""
    scans: dict[str, Scan] = {}
    failed: dict[str, InputError] = {}
    for channel, dataset in source.by_channel.items():
        try:
            scans[channel] = dataset.read(name)
        except InputError as error:
            failed[channel] = error
    return scans, failed


def _odd_files(
    source: Source, name: str, read: list[str], failed: Mapping[str, InputError]
) -> Oddities:
    """Of the channels that failed: those that have no file, and those whose file is broken."""
    files = {channel: set(dataset.files[name]) for channel, dataset in source.by_channel.items()}
    common = set.intersection(*files.values())
    missing = []  # such a channel adds no file to those of the other channels
    broken: Oddities = []
    for channel, error in failed.items():
        if files[channel] == common:
            missing.append(channel)
        else:
            broken.append(("unreadable", Words(f"{error.asked.marked}: {error.found.marked}")))
    if not missing:
        return broken
    said = f"it has {', '.join(read)}, and no {', '.join(missing)}"
    return [("missing-channel", said), *broken]


def _sample(dataset: Any, sample_id: str) -> tuple[Scan, Oddities]:
    """A sample as a scan of one plane."""
    sample = dataset.load(sample_id)
    channels = {}
    for number, name in enumerate(sample.channels):
        channels[name] = sample.image[None, ..., number]
    scan = Scan(
        sample_id,
        channels,
        (sample.slice_index,),
        labels=sample.mask[None].astype(np.uint8),
        known=(0, 1),
        spacing_mm=(1.0, *sample.spacing_mm),
        brain=sample.brain[None],
        label=sample.label,
    )
    return scan, []

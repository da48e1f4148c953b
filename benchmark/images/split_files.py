"""Who is in which split, taken from a data set and written as a file that can be cited."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmark.errors import InputError, call, field
from benchmark.files.writing import whole
from benchmark.images.splits import Split
from benchmark.images.volumes import VolumeDataset


def split_of(name: str, dataset: Any) -> Split:
    """The split of everyone who is there; raises InputError where a plug-in has it written down."""
    if not isinstance(dataset, VolumeDataset):
        raise InputError(
            f"the split of {name} as a file",
            "its splits are part of its plug-in, the same everywhere",
            call("list", "dataset", name),
        )
    dataset.fetch()
    return dataset.split_file()


def write_split(split: Split, name: str, path: Path) -> None:
    """Write a split of the data set `name`; raises InputError where a file is there."""
    if path.exists():
        todo = "another file, so that nothing that was cited is lost"
        raise InputError(field("out", path), "it is there already", todo)
    path.parent.mkdir(parents=True, exist_ok=True)
    whole(path, split.text(name))

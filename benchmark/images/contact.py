"""A contact sheet of a split: of images from its first to its last."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import InputError, call, field
from benchmark.images.sheet import save_sheet


@dataclass(frozen=True)
class Sheet:
    """A contact sheet that was written: how many images it shows, of how many in the split."""

    path: Path
    shown: int
    total: int
    unreadable: list[InputError]


def show_split(name: str, dataset: Any, path: Path, split: str = "test", limit: int = 24) -> Sheet:
    """Write a PNG with `limit` images of a split, evenly spread over it; an unreadable one is left
    out.

    name: what the data set is called. Raises InputError where the split is empty, or none of the
    images can be read.
    """
    if limit < 1:
        raise InputError(field("limit", limit), "nothing would be shown", field("limit", 24))
    ids = dataset.ids(split)
    if not ids:
        todo = f"{field('split', 'train')}, val or test"
        raise InputError(f"{name}, split {split}", "no image in it", todo)
    count = min(limit, len(ids))
    samples, unreadable = [], []
    for i in range(count):
        try:
            samples.append(dataset.load(ids[i * len(ids) // count]))
        except InputError as error:
            unreadable.append(error)
    if not samples:
        found = f"none of {count} images can be read"
        raise InputError(f"{name}, split {split}", found, call("data check", name))
    return Sheet(save_sheet(samples, path), len(samples), len(ids), unreadable)

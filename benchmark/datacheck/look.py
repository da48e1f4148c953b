"""Look at real copies of data sets by name: what they hold, and what is wrong with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmark.datacheck import Case, Source, Survey, survey
from benchmark.plugins import index
from benchmark.plugins.sets import Sets, dataset_with, options_by_plugin

Copy = tuple[str, Path | None]  # a data set's name, and its folder (None: where it is looked for)


def look_at_data(
    copies: Sequence[Copy],
    sets: Sets = (),
    progress: Callable[[Sequence[Case]], Iterable[Case]] = iter,
) -> Survey:
    """Look at every case of each copy, all splits, and at who and what is in several of them.

    sets: options of the data sets; where `channel` may be "all", all channels are looked at unless
    it says otherwise. progress: wraps the walk. Raises InputError where a data set is not there.
    """
    return survey(sources_of(copies, sets), progress)


def sources_of(copies: Sequence[Copy], sets: Sets = ()) -> list[Source]:
    """The data sets as `survey` takes them; titles name the folder where one stands there twice."""
    plugins = list(dict.fromkeys(("dataset", name) for name, _ in copies))
    for _, name in plugins:
        index.get("dataset", name)  # a mistyped name is told first
    options = options_by_plugin(sets, plugins)
    counts = Counter(name for name, _ in copies)
    sources = []
    for name, root in copies:
        title = name if counts[name] == 1 else f"{name}@{root or '$SINCO_BENCH_DATA'}"
        sources.append(_source(title, name, root, options["dataset", name]))
    return sources


def _source(title: str, name: str, root: Path | None, given: dict[str, Any]) -> Source:
    """A data set with all of its channels, and with each of them alone where that can be."""
    channels: tuple[Any, ...] = ()
    for option in index.get("dataset", name).options:
        if option.name == "channel":
            channels = option.choices
    if "all" not in channels or given.get("channel", "all") != "all":
        return Source(title, dataset_with(name, root, given)[0])
    alone = {}
    for channel in channels:
        if channel != "all":
            alone[channel], _ = dataset_with(name, root, given | {"channel": channel})
    whole, _ = dataset_with(name, root, given | {"channel": "all"})
    return Source(title, whole, alone)

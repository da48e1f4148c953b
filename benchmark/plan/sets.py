"""Options of plug-ins as a person gives them: `size=128` or `lgg.size=128` each, or a mapping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.plan.job import parse_sets

Sets = Sequence[str] | Mapping[str, object]


def texts_of(sets: Sets) -> list[str]:
    """NAME=VALUE of each option."""
    if isinstance(sets, Mapping):
        return [f"{name}={value}" for name, value in sets.items()]
    return list(sets)


def options_by_plugin(
    sets: Sets, plugins: Sequence[tuple[str, str]]
) -> dict[tuple[str, str], dict[str, Any]]:
    """The options of each plug-in (kind, name), {} where it gets none.

    Raises InputError where no plug-in has an option, several have it, or the value does not fit.
    """
    given = parse_sets(texts_of(sets), plugins)
    return {plugin: given.get(plugin, {}) for plugin in plugins}

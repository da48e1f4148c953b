"""Options of plug-ins as a person gives them: `size=128` or `lgg.size=128` each, or a mapping."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.errors import InputError, did_you_mean, field, option
from benchmark.plugins import index
from benchmark.plugins.options import Option

Sets = Sequence[str] | Mapping[str, object]
Plugin = tuple[str, str]  # kind, name


def texts_of(sets: Sets) -> list[str]:
    """NAME=VALUE of each option."""
    if isinstance(sets, Mapping):
        return [f"{name}={value}" for name, value in sets.items()]
    return list(sets)


def options_by_plugin(sets: Sets, plugins: Sequence[Plugin]) -> dict[Plugin, dict[str, Any]]:
    """The options of each plug-in, typed as it declares them; {} where it gets none.

    Raises InputError where no plug-in has an option, several have it, or the value does not fit.
    """
    known = {plugin: _options(*plugin) for plugin in plugins}
    out: dict[Plugin, dict[str, Any]] = {plugin: {} for plugin in plugins}
    for text in texts_of(sets):
        name, equals, value = text.partition("=")
        owner, _, own_name = name.rpartition(".")
        if not equals or not own_name:
            raise InputError(
                field("sets", text),
                "it is not NAME=VALUE",
                f"{option('OPTION', 'VALUE')} or {option('PLUGIN.OPTION', 'VALUE')}",
            )
        plugin = _owner_of(own_name, owner, value, known)
        out[plugin][own_name] = known[plugin][own_name].parse(value, plugin[1])
    return out


def _owner_of(name: str, owner: str, value: str, known: dict[Plugin, dict[str, Option]]) -> Plugin:
    """The one plug-in that has an option; owner: its name where that is given, else ""."""
    having, names = [], []
    for plugin, options in known.items():
        names += [f"{plugin[1]}.{each}" for each in options]
        if name in options and owner in ("", plugin[1]):
            having.append(plugin)
    if len(having) == 1:
        return having[0]
    asked = f"{owner}.{name}" if owner else name
    if not having:
        found = "no selected plug-in has that option"
        raise InputError(option(asked, value), found, did_you_mean(asked, names))
    found = f"{len(having)} selected plug-ins have the option {name}"
    todo = [option(f"{plugin[1]}.{name}", value) for plugin in having]
    raise InputError(option(asked, value), found, " or ".join(todo))


def _options(kind: str, name: str) -> dict[str, Option]:
    """The options that a person may set, by name."""
    found = {}
    for one in index.get(kind, name).options:
        if one.name != "seed":
            found[one.name] = one
    return found


def dataset_with(name: str, root: Any = None, sets: Sets = ()) -> tuple[Any, dict[str, Any]]:
    """A data set in the folder `root`, and the options that were given.

    Raises InputError where no data set has that name, or it cannot run here.
    """
    entry = index.get("dataset", name)
    why = entry.unavailable()
    if why is not None:
        raise InputError(f"the data set {name}", why, entry.declared["install"] or "another one")
    options = options_by_plugin(sets, [("dataset", name)])["dataset", name]
    return entry.load()(root, **options), options

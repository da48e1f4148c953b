"""Everything that can be chosen by name: the plug-ins of each kind, and the presets."""

from __future__ import annotations

from dataclasses import asdict

from benchmark.errors import InputError, did_you_mean
from benchmark.plan.recipes import PRESETS, Preset
from benchmark.plugins import index
from benchmark.plugins.catalog import Facts, plugins_of
from benchmark.plugins.options import Option

PRESET = "preset"
KINDS = (*index.PACKAGES, PRESET)


def catalog(kind: str | None = None) -> dict[str, dict[str, Facts]]:
    """kind -> name -> facts of what can be chosen, all kinds or one. Imports no plug-in.

    Raises InputError where there is no such kind.
    """
    if kind is not None and kind not in KINDS:
        raise InputError(f"list {kind}", "no such kind of plug-in", did_you_mean(kind, KINDS))
    found = {}
    for one in [kind] if kind else KINDS:
        found[one] = _presets() if one == PRESET else plugins_of(one)
    return found


def entry_of(kind: str, name: str) -> Facts:
    """The facts of one plug-in or preset; raises InputError where there is none of that name."""
    known = catalog(kind)[kind]
    if name not in known:
        todo = did_you_mean(name, known)
        raise InputError(f"list {kind} {name}", f"no {kind} of that name", todo)
    return known[name]


def _presets() -> dict[str, Facts]:
    return {name: _facts(preset) for name, preset in PRESETS.items()}


def _facts(preset: Preset) -> Facts:
    """A preset, with what it sets as its options."""
    options = []
    for name, value in asdict(preset).items():
        if name != "doc" and value not in (None, {}):
            options.append(Option(name, type(value).__name__, value))
    return Facts(preset.doc, preset.doc, True, None, None, options=tuple(options))

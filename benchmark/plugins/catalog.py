"""Facts of plug-ins for whoever lists them: what each is, whether it can run here, its options."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import Any

from benchmark.errors import InputError, Words, call, did_you_mean
from benchmark.plugins import index
from benchmark.plugins.index import Entry
from benchmark.plugins.options import Option


@dataclass(frozen=True)
class Facts:
    """A plug-in: its first paragraph and whole text, and its options.

    why: it cannot run here because of that, None where it can; todo: what to type then. file and
    module: "" of what is no plug-in.
    """

    doc: str
    description: str
    available: bool
    why: str | None
    todo: str | None
    file: str = ""
    module: str = ""
    options: tuple[Option, ...] = ()


@dataclass(frozen=True)
class DatasetFacts:
    """A data set: where it is ("embedded" without files), or what is missing and how to get it."""

    doc: str
    licence: str
    here: str = ""
    missing: str = ""
    get: str = ""


def plugins_of(kind: str) -> dict[str, Facts]:
    """name -> facts of every plug-in of a kind; imports none of them.

    Raises InputError where there is no such kind.
    """
    if kind not in index.PACKAGES:
        todo = did_you_mean(kind, index.PACKAGES)
        raise InputError(f"list {kind}", "no such kind of plug-in", todo)
    return {name: facts_of(entry) for name, entry in index.entries(kind).items()}


def facts_of(entry: Entry) -> Facts:
    """One plug-in, read as text."""
    why = entry.unavailable()
    return Facts(
        doc=entry.doc,
        description=whole_docstring(entry),
        available=why is None,
        why=why,
        todo=(entry.declared["install"] or None) if why else None,
        file=str(entry.path),
        module=entry.module,
        options=tuple(entry.options),
    )


def whole_docstring(entry: Entry) -> str:
    """The docstring of a plug-in, without importing it."""
    for node in ast.parse(entry.path.read_bytes()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == entry.attribute:
            return ast.get_docstring(node) or entry.doc
    return entry.doc


def datasets_here() -> dict[str, DatasetFacts]:
    """name -> whether a data set is here and where, or how to get it; imports all of them."""
    return {name: _dataset_facts(entry) for name, entry in index.entries("dataset").items()}


def _dataset_facts(entry: Entry) -> DatasetFacts:
    try:
        dataset: Any = entry.load()
    except InputError as error:
        return DatasetFacts(entry.doc, "", missing=error.found, get=error.todo)
    try:
        here = str(dataset().fetch() or "embedded")
    except InputError as error:
        automatic = dataset.source is not None or dataset.kaggle
        by_hand = dataset.get or error.todo
        get = Words(call("data fetch", entry.name)) if automatic else by_hand
        return DatasetFacts(entry.doc, dataset.licence, missing=error.found, get=get)
    return DatasetFacts(entry.doc, dataset.licence, here=here)

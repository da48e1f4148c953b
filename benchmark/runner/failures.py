"""What a plug-in raised, as one line for a row; the whole traceback goes to the log `benchmark`."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmark.errors import BenchmarkError, InputError, as_options, call
from benchmark.plugins import index

LOG = logging.getLogger("benchmark")
LOG.addHandler(logging.NullHandler())  # without one, Python prints tracebacks to the terminal


def reason_of(error: BaseException, doing: str) -> str:
    """One line: what was raised, and in which plug-in's file. doing: what was done, for the log."""
    LOG.error("%s failed", doing, exc_info=error)
    place = place_of(error)
    words = error.told(as_options) if isinstance(error, BenchmarkError) else str(error)
    said = f"{type(error).__name__}: {words}"
    return f"{said} (in {place})" if place else said


def place_of(error: BaseException) -> str:
    """FILE:LINE of the plug-in that raised, the innermost one; empty where none did."""
    folders, files = _plugin_places()
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path in files or path.parent in folders:
            return f"{path}:{frame.lineno}"
    return ""


@contextmanager
def no_exit(kind: str, name: str) -> Iterator[None]:
    """Where a plug-in leaves the program, an InputError that names its file."""
    try:
        yield
    except SystemExit as error:
        found = reason_of(error, f"{kind} {name}")
        entry = index.entries(kind).get(name)  # an ensemble has none
        where = f"{entry.path}: {found}" if entry and str(entry.path) not in found else found
        raise InputError(
            f"{kind} {name}",
            where,
            f"mend the file; {call('check', kind, name)} tries it",
        ) from error


def _plugin_places() -> tuple[set[Path], set[Path]]:
    """The folders that hold the plug-ins and helpers of this package, and all plug-in files."""
    folders: set[Path] = set()
    files: set[Path] = set()
    for kind in index.PACKAGES:
        folders.update(index.folders(kind))
        files.update(entry.path for entry in index.entries(kind).values())
    return folders, files

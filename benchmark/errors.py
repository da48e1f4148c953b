"""Errors that a person can act on: what was asked, what was found, what to type next."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BenchmarkError(Exception):
    """An error meant for the user; the command line prints it without a traceback.

    `asked`: what was asked for; `found`: what was found instead; `todo`: what to type or do next.
    """

    exit_code = 2

    def __init__(self, asked: str, found: str, todo: str) -> None:
        super().__init__(asked, found, todo)
        self.asked, self.found, self.todo = asked, found, todo

    def __str__(self) -> str:
        return f"asked: {self.asked}\nfound: {self.found}\n  try: {self.todo}"


class InputError(BenchmarkError):
    """A file, folder, image or option that cannot be used."""


class CellFailed(BenchmarkError):
    """One cell cannot be completed; its row says why and the others go on."""

    exit_code = 1


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return "did you mean 'x'? " and the list of known names, as the `todo` part of an error."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return (
        (f"did you mean {close[0]!r}? " if close else "") + "known: " + (", ".join(names) or "none")
    )

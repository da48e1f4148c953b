"""The words of a command that a page shows: what makes the page again."""

from __future__ import annotations

import shlex
from collections.abc import Iterable


class Typed:
    """A command that grows word by word; values are quoted where a shell would change them."""

    def __init__(self, name: str) -> None:
        self.words = [f"python -m benchmark {name}"]

    def option(self, name: str, value: object) -> None:
        """Add an option with its value; nothing where the value is None."""
        if value is not None:
            self.words.append(f"--{name} {shlex.quote(str(value))}")

    def options(self, name: str, values: Iterable[object]) -> None:
        """Add an option once for each value."""
        for value in values:
            self.option(name, value)

    def text(self) -> str:
        return " ".join(self.words)

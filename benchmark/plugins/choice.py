"""A plug-in that was chosen: its name, its arguments and the hash of its code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmark.plugins import index


@dataclass(frozen=True)
class Choice:
    """A plug-in with its arguments and the hash of its code."""

    kind: str
    name: str
    args: tuple[tuple[str, Any], ...]
    source: str

    @classmethod
    def of(cls, kind: str, name: str, **args: Any) -> Choice:
        """The plug-in with its defaults filled in; an argument given as ... is left open."""
        entry = index.get(kind, name)
        filled = {**entry.defaults, **args}
        return cls(
            kind,
            name,
            tuple(sorted((k, v) for k, v in filled.items() if v is not ...)),
            entry.source_hash(),
        )

"""What the library says, as the command says it: fields become options, calls become commands."""

from __future__ import annotations

from benchmark.errors import BenchmarkError, as_options

__all__ = ["as_options", "shown"]


def shown(error: BenchmarkError) -> str:
    """An error in three lines, as the command prints it."""
    return error.told(as_options)

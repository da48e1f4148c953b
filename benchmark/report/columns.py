"""Columns of a table on a terminal: as many as fit, the most telling first, in colors."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.text import Text

from benchmark.report.table import Table
from benchmark.report.words import LABELS, TOGETHER, UNITS


@dataclass(frozen=True)
class Column:
    """One column: its metric ("" for facts), its name, what stands above it, and a cell for each
    row as (text, style).
    """

    metric: str
    name: str
    head: str
    cells: list[tuple[str, str]]


def choose(columns: Sequence[Column], width: int, first: Sequence[tuple[str, str]]) -> list[Column]:
    """As many of the columns as fit beside `width`, in their own order. first: (metric, name), the
    most telling first.
    """
    chosen: list[Column] = []
    for wanted in first:
        for column in columns:
            if (column.metric, column.name) != wanted:
                continue
            trial = [c for c in columns if c in chosen or c is column]
            heads = _table([], trial, "", 0).head_lines()
            if max(map(len, heads)) <= width:
                chosen = trial
    return chosen


def left_out(columns: Sequence[Column], chosen: Sequence[Column]) -> dict[str, list[str]]:
    """Metric, or "" for facts -> the heads of its columns that do not stand in the table."""
    found: dict[str, list[str]] = {}
    for column in columns:
        if column not in chosen:
            found.setdefault(column.metric, []).append(column.head)
    return found


def not_shown(missing: dict[str, list[str]], width: int, where: str) -> list[Text]:
    """A sentence on columns that `left_out` found; where: what has them all."""
    if not missing:
        return []
    said = []
    for metric, heads in missing.items():
        label = LABELS.get(metric, metric)
        said.append(f"{label} ({', '.join(heads)})" if label else ", ".join(heads))
    line = (
        f"not shown at {width} columns: {'; '.join(said)}. A wider terminal has them, and {where}"
    )
    return folded([Text(line, "dim")], width)


def drawn(names: Sequence[str], columns: Sequence[Column], head: str, widest: int) -> list[Text]:
    """The lines of the table: a row a name, which takes at least `widest` characters."""
    table = _table(names, columns, head, widest)
    upper, lower = table.head_lines()
    out = [Text(upper, "dim"), Text(lower, "bold")]
    spans = table.spans[1:]
    for i, line in enumerate(table.row_lines()):
        text = Text(line)
        for column, (start, end) in zip(columns, spans, strict=True):
            style = column.cells[i][1]
            if style:
                text.stylize(style, start, end)
        out.append(text)
    return out


def dimmed(lines: Iterable[str]) -> list[Text]:
    """Lines that stand back."""
    return [Text(line, "dim") for line in lines]


def folded(texts: Sequence[Text], width: int) -> list[Text]:
    """Sentences folded between words, what follows indented."""
    indent = " " * 14
    out = []
    for text in texts:
        for line in textwrap.wrap(
            text.plain, width, subsequent_indent=indent, break_long_words=False
        ):
            out.append(Text(line.replace(TOGETHER, " "), text.style))
    return out


def _table(names: Sequence[str], columns: Sequence[Column], head: str, widest: int) -> Table:
    """The columns beside `names`; without names, their heads and widths alone."""
    rows: list[list[str]] = [[name] for name in names]
    least = [widest]
    groups = [""]
    for column in columns:
        width = 0
        for i, (cell, _) in enumerate(column.cells):
            width = max(width, len(cell))
            if names:
                rows[i].append(cell)
        least.append(width)
        groups.append(LABELS.get(column.metric, column.metric) + UNITS.get(column.metric, ""))
    return Table([head, *(column.head for column in columns)], rows, groups=groups, least=least)

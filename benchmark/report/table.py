"""The one table of text, aligned for a terminal or as Markdown."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

NEVER_FOLDED = 10_000  # columns of a terminal that is none
LEFT = "l"


@dataclass(frozen=True)
class Table:
    """Rows of text below the heads of their columns.

    align: "l" or "r" for each column; without it the first is left-aligned, the others are
    right-aligned. groups: a name for each column, written once above neighbors of the same name.
    least: the smallest width of each column.
    """

    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    align: str = ""
    groups: Sequence[str] = ()
    least: Sequence[int] = ()

    def markdown(self) -> str:
        """The table as Markdown, with its title as a heading where it has one."""
        rule = ["---" if self._is_left(i) else "---:" for i in range(len(self.heads))]
        lines = [f"## {self.title}", ""] if self.title else []
        for row in (self.heads, rule, *self.rows):
            cells = " | ".join(row_cell.replace("|", "\\|") for row_cell in row)
            lines.append(f"| {cells} |")
        return "\n".join(lines)

    def text(self, width: int = 0) -> str:
        """The title and aligned columns. Those that do not fit into `width` follow below, beside
        the first again.

        0: the width of the terminal; where there is none nothing is folded.
        """
        width = width or shutil.get_terminal_size((NEVER_FOLDED, 24)).columns
        folded = []
        for block in self._blocks(width):
            folded.append("\n".join(self.only([0, *block]).lines()))
        title = f"{self.title}\n" if self.title else ""
        return title + "\n\n".join(folded)

    def lines(self) -> list[str]:
        """The heads, if there are any, and the rows, a line each."""
        heads = self.head_lines() if self.heads else []
        return [*heads, *self.row_lines()]

    def head_lines(self) -> list[str]:
        """The heads of the columns, and above them those of groups where there are any."""
        heads = self._line(self.heads)
        if not self.groups:
            return [heads]
        upper = ""
        for i, (start, _) in enumerate(self.spans):
            name = self.groups[i]
            if i and name != self.groups[i - 1]:
                upper = f"{upper:<{start}}{name}" if len(upper) < start else f"{upper} {name}"
        return [upper.rstrip(), heads]

    def row_lines(self) -> list[str]:
        return [self._line(row) for row in self.rows]

    @cached_property
    def spans(self) -> list[tuple[int, int]]:
        """Where each column begins and ends in a line."""
        spans: list[tuple[int, int]] = []
        end = 0
        for i, width in enumerate(self.widths):
            start = end + self._gap(i)
            end = start + width
            spans.append((start, end))
        return spans

    @cached_property
    def widths(self) -> list[int]:
        """How wide each column is."""
        widths = []
        for i in range(self._columns()):
            width = self.least[i] if self.least else 0
            for row in (self.heads, *self.rows):
                width = max(width, len(row[i]) if row else 0)
            widths.append(width)
        return widths

    def only(self, columns: Sequence[int]) -> Table:
        """The table with these columns alone."""

        def chosen(row: Sequence[str]) -> list[str]:
            return [row[i] for i in columns] if row else []

        return Table(
            chosen(self.heads),
            [chosen(row) for row in self.rows],
            self.title,
            "".join(chosen(self.align)),
            chosen(self.groups),
            [self.least[i] for i in columns] if self.least else (),
        )

    def _blocks(self, width: int) -> list[list[int]]:
        """The columns behind the first, as many together as fit beside it into `width`."""
        blocks: list[list[int]] = [[]]
        for column in range(1, self._columns()):
            wide = self.only([0, *blocks[-1], column]).spans[-1][1]
            if blocks[-1] and wide > width:
                blocks.append([])
            blocks[-1].append(column)
        return blocks

    def _columns(self) -> int:
        return len(self.heads or next(iter(self.rows), ()))

    def _is_left(self, column: int) -> bool:
        return self.align[column] == LEFT if self.align else column == 0

    def _gap(self, column: int) -> int:
        """Spaces before a column: fewer within a group, and more before one."""
        if column == 0:
            return 0
        if not self.groups:
            return 2
        begins = column == 1 or self.groups[column] != self.groups[column - 1]
        return 3 if begins else 1

    def _line(self, row: Sequence[str]) -> str:
        line = ""
        for i, (start, end) in enumerate(self.spans):
            width = end - start
            cell = row[i].ljust(width) if self._is_left(i) else row[i].rjust(width)
            line = line.ljust(start) + cell
        return line.rstrip()

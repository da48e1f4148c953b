"""The one table of text."""

from __future__ import annotations

import pytest

from benchmark.report.table import Table

ROWS = [["p0", "1", "left"], ["p10", "22", "b"]]


def test_the_first_column_is_left_aligned_and_the_others_right_aligned():
    assert Table(["who", "n", "side"], ROWS).lines() == [
        "who   n  side",
        "p0    1  left",
        "p10  22     b",
    ]


@pytest.mark.parametrize(
    ("align", "rule", "line"),
    [
        ("", "| --- | ---: | ---: |", "p10  22     b"),
        ("rrl", "| ---: | ---: | --- |", "p10  22  b"),
        ("lll", "| --- | --- | --- |", "p10  22  b"),
    ],
)
def test_columns_are_aligned_as_they_say(align, rule, line):
    table = Table(["who", "n", "side"], ROWS, align=align)
    assert table.markdown().splitlines()[1] == rule and table.lines()[-1] == line


def test_without_heads_there_are_rows_alone():
    assert Table((), ROWS, align="lll").lines() == ["p0   1   left", "p10  22  b"]
    assert Table((), []).lines() == []


def test_a_column_has_its_least_width():
    table = Table(["a", "b"], [["1", "2"]], least=(4, 3))
    assert table.lines() == ["a       b", "1       2"] and table.spans == [(0, 4), (6, 9)]


def test_a_group_is_named_once_above_its_columns():
    table = Table(["", "x", "y", "z"], [["a", "1", "22", "3"]], groups=["", "G", "G", "long name"])
    assert table.lines() == ["    G      long name", "    x  y   z", "a   1 22   3"]


def test_a_group_longer_than_its_columns_moves_the_next_aside():
    table = Table(["", "x", "z"], [["a", "1", "3"]], groups=["", "very long", "H"])
    assert table.head_lines() == ["    very long H", "    x   z"]


def test_markdown_has_the_title_and_no_bar_in_a_cell():
    table = Table(["a"], [["x|y"]], "title")
    assert table.markdown().splitlines() == ["## title", "", "| a |", "| --- |", "| x\\|y |"]


def test_some_of_the_columns():
    table = Table(["who", "n", "side"], ROWS, "title", "lrl", least=(5, 1, 1))
    assert table.only([0, 2]).lines() == ["who    side", "p0     left", "p10    b"]

"""A survey as tables and findings for a person, and as plain values for a script."""

from __future__ import annotations

import math
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from benchmark.datacheck import KINDS, Survey
from benchmark.datacheck.facts import CaseFacts, Observation
from benchmark.errors import as_options
from benchmark.report.words import plain
from benchmark.types import SPLITS

FULL_WIDTH = 160  # where there is no terminal
MOST = 6  # observations shown of one kind, and values of one fact
STYLES = {"failure": "bold red", "warning": "yellow", "note": "dim"}


def print_data_check(survey: Survey, console: Console) -> None:
    """Print the facts of each data set as tables, then the findings, failures first."""
    width = console.width = console.width if console.is_terminal else FULL_WIDTH
    titles = list(dict.fromkeys(case.dataset for case in survey.cases))
    for title in titles:
        ours = [f for f in survey.facts if f.case.dataset == title]
        console.print(Text(title, "bold"))
        console.print(_counts(survey, title, ours))
        if ours:
            console.print(_facts(ours))
            console.print(_intensities(ours))
    for line in findings(survey, width, len(titles) > 1):
        console.print(line, soft_wrap=True, highlight=False)


def findings(survey: Survey, width: int, several: bool) -> list[Text]:
    """The findings in lines of at most `width` characters (but for a word that is longer);
    `several`: data sets are named.
    """
    out = []
    for name, found in survey.by_kind().items():
        out += _finding(survey, name, found, width, several)
    levels: Counter[str] = Counter(KINDS[o.name].level for o in survey.observations)
    totals = []
    for level in STYLES:
        totals.append(f"{levels[level]:,} {level}{'s' if levels[level] != 1 else ''}")
    said = f"{_cases(len(survey.cases))} looked at: {', '.join(totals)}"
    return [*out, Text(said, "bold red" if survey.failed else "bold green")]


def _finding(
    survey: Survey, name: str, found: Sequence[Observation], width: int, several: bool
) -> list[Text]:
    """What was found of one kind, where, and what to do about it."""
    kind = KINDS[name]
    head = f"{kind.level}  {name}  {_places(found)}: {kind.meaning}"
    out = _wrapped(head, width, "    ")
    out[0].stylize(STYLES[kind.level])
    for observation in found[:MOST]:
        said = as_options(observation.what)
        if len(observation.where) == 1:
            said = f"{observation.where[0]}: {said}"
        out += _wrapped("    " + (said if several else _short(said, survey)), width, "      ")
    if len(found) > MOST:
        out.append(Text(f"    and {len(found) - MOST:,} more: --json"))
    if kind.todo != "nothing":
        out += _wrapped(f"    try: {kind.todo}", width, "         ")
    return out


def as_json(survey: Survey) -> dict[str, Any]:
    """{"failed", "findings": [...], "cases": [...]}: plain values, NaN as None."""
    read = {f.case.title: f for f in survey.facts}
    cases = []
    for case in survey.cases:
        facts = read.get(case.title)
        who = {
            "data_set": case.dataset,
            "case": case.name,
            "person": case.person,
            "split": case.split,
            "readable": facts is not None,
        }
        cases.append(who if facts is None else who | _as_plain(facts))
    found = []
    for observation in survey.observations:
        kind = KINDS[observation.name]
        found.append(
            {
                "name": observation.name,
                "level": kind.level,
                "where": list(observation.where),
                "what": as_options(observation.what),
                "meaning": kind.meaning,
                "todo": kind.todo,
            }
        )
    return {"failed": survey.failed, "findings": found, "cases": cases}


def _as_plain(facts: CaseFacts) -> dict[str, Any]:
    values = dict(vars(facts))
    del values["case"]
    values["channels"] = {name: vars(found) for name, found in facts.channels.items()}
    found: dict[str, Any] = plain(values)
    return found


def _counts(survey: Survey, title: str, ours: Sequence[CaseFacts]) -> Table:
    """Splits against patients, cases, planes and lesions, and classes where pictures have one."""
    classes = sorted({f.label for f in ours} - {""})
    masked = any(f.labels is not None for f in ours)
    heads = ["split", "patients", "cases", "slices"]
    if masked:
        heads += ["with lesion", "slices with lesion"]
    table = _table(*heads, *classes)
    persons: dict[str, list[str]] = {split: [] for split in SPLITS}
    for case in survey.cases:
        if case.dataset == title:
            persons.setdefault(case.split, []).append(case.person)
    read: dict[str, list[CaseFacts]] = {}
    for facts in ours:
        read.setdefault(facts.case.split, []).append(facts)
    everyone: list[str] = []
    for split in (*SPLITS, *sorted(persons.keys() - set(SPLITS))):
        everyone += persons[split]
        row = _counts_of(persons[split], read.get(split, []), masked, classes)
        table.add_row(split or "left out", *row)
    table.add_row("all", *_counts_of(everyone, ours, masked, classes))
    return table


def _counts_of(
    persons: Sequence[str], read: Sequence[CaseFacts], masked: bool, classes: Sequence[str]
) -> list[str]:
    """One row of that table. persons: one a case."""
    row = [len(set(persons)), len(persons), *_planes(read, masked)]
    labels = Counter(f.label for f in read)
    row += map(labels.__getitem__, classes)
    return list(map("{:,}".format, row))


def _planes(read: Sequence[CaseFacts], masked: bool) -> list[int]:
    """All planes, and where there are masks the cases and planes with a lesion."""
    slices, cases, planes = 0, 0, 0
    for facts in read:
        slices += facts.shape[0]
        if masked:
            cases += facts.lesion_planes > 0
            planes += facts.lesion_planes
    return [slices, cases, planes] if masked else [slices]


def _facts(ours: Sequence[CaseFacts]) -> Table:
    """Shapes, spacings, orientations and label values, each with the number of its cases."""
    shapes, spacings, orientations, channels = [], [], [], []
    voxels: Counter[int] = Counter()
    within: Counter[int] = Counter()
    for f in ours:
        shapes.append(" x ".join(map(str, f.shape)))
        spacings.append(" x ".join(map("{:.4g}".format, f.spacing_mm)))
        orientations.append(f.orientation or "not stated")
        channels.append(", ".join(f.channels))
        voxels.update(f.labels or {})
        within.update((f.labels or {}).keys())
    table = _table("of the scans", "", left=2)
    table.add_row("slices x rows x columns", _spread(shapes))
    table.add_row("spacing, mm", _spread(spacings))
    table.add_row("orientation of the files", _spread(orientations))
    table.add_row("channels", _spread(channels))
    if voxels:
        values = []
        for value in sorted(voxels):
            values.append(f"{value}: {voxels[value]:,} voxels in {within[value]:,}")
        table.add_row("label values", "; ".join(values))
    return table


def _intensities(ours: Sequence[CaseFacts]) -> Table:
    """Each channel's intensities: the least and the largest of all cases."""
    table = _table("channel", "type", "min", "0.5 %", "99.5 %", "max", "background", left=2)
    for name in dict.fromkeys(name for f in ours for name in f.channels):
        lows, p0_5, p99_5, highs, constants, shares = [], [], [], [], [], []
        types = set()
        for f in ours:
            one = f.channels.get(name)
            if one is None:
                continue
            types.add(one.dtype)
            lows.append(one.low)
            p0_5.append(one.p0_5)
            p99_5.append(one.p99_5)
            highs.append(one.high)
            if one.background is not None:
                constants.append(one.background)
                shares.append(100 * one.background_share)
        background = f"{_range(constants)} ({_range(shares, 3)} %)" if shares else "none"
        ranges = map(_range, (lows, p0_5, p99_5, highs))
        table.add_row(name, ", ".join(sorted(types)), *ranges, background)
    return table


def _table(*heads: str, left: int = 1) -> Table:
    """Two spaces between columns, no lines: the same where it is piped."""
    table = Table(
        box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", highlight=False
    )
    for i, head in enumerate(heads):
        table.add_column(head, justify="left" if i < left else "right", overflow="fold")
    return table


def _range(values: Iterable[float], digits: int = 4) -> str:
    finite = list(filter(math.isfinite, values))
    if not finite:
        return "none"
    low, high = f"{min(finite):.{digits}g}", f"{max(finite):.{digits}g}"
    return low if low == high else f"{low}..{high}"


def _spread(values: Sequence[str]) -> str:
    """155 x 240 x 240 (3), 26 x 256 x 256 (1) and 12 others."""
    counts = Counter(values).most_common()
    if len(counts) == 1:
        return counts[0][0]
    said = ", ".join(f"{value} ({count:,})" for value, count in counts[:MOST])
    return said + (f" and {len(counts) - MOST:,} others" if len(counts) > MOST else "")


def _places(found: Sequence[Observation]) -> str:
    titles: set[str] = set()
    for observation in found:
        titles.update(observation.where)
    return _cases(len(titles))


def _cases(count: int) -> str:
    return f"{count:,} case{'s' if count != 1 else ''}"


def _short(text: str, survey: Survey) -> str:
    return text.replace(f"{survey.cases[0].dataset}/", "") if survey.cases else text


def _wrapped(text: str, width: int, indent: str) -> list[Text]:
    """Lines of a text, folded between words, all but the first behind `indent`."""
    lines = textwrap.wrap(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return list(map(Text, lines))

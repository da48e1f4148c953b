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
        tables = [_counts(survey, title, ours)]
        if ours:
            tables += [_facts(ours), _intensities(ours)]
        for table in tables:
            console.print(table)
    for line in findings(survey, width, len(titles) > 1):
        console.print(line, soft_wrap=True, highlight=False)


def findings(survey: Survey, width: int, several: bool) -> list[Text]:
    """The findings in lines of at most `width` characters (but for a word that is longer);
    `several`: data sets are named.
    """
    out, kinds = [], survey.by_kind()
    for name, found in kinds.items():
        kind = KINDS[name]
        head = f"{kind.level}  {name}  {_places(found)}: {kind.meaning}"
        out += [
            Text(line, STYLES[kind.level] if i == 0 else "")
            for i, line in enumerate(_wrapped(head, width, "    "))
        ]
        for observation in found[:MOST]:
            one = f"{observation.where[0]}: " if len(observation.where) == 1 else ""
            said = one + observation.what
            out += map(
                Text,
                _wrapped("    " + (said if several else _short(said, survey)), width, "      "),
            )
        if len(found) > MOST:
            out.append(Text(f"    and {len(found) - MOST:,} more: --json"))
        if kind.todo != "nothing":
            out += map(Text, _wrapped(f"    try: {kind.todo}", width, "         "))
    levels: Counter[str] = Counter(KINDS[o.name].level for o in survey.observations)
    total = ", ".join(
        f"{levels[level]:,} {level}{'s' if levels[level] != 1 else ''}" for level in STYLES
    )
    return [
        *out,
        Text(
            f"{_cases(len(survey.cases))} looked at: {total}",
            "bold red" if survey.failed else "bold green",
        ),
    ]


def as_json(survey: Survey) -> dict[str, Any]:
    """{"failed", "findings": [...], "cases": [...]}: plain values, NaN as None."""
    read = {f.case.title: f for f in survey.facts}
    cases = []
    for case in survey.cases:
        who = {
            "data_set": case.dataset,
            "case": case.name,
            "person": case.person,
            "split": case.split,
            "readable": case.title in read,
        }
        cases.append(who | (_as_plain(read[case.title]) if case.title in read else {}))
    found = [
        {
            "name": o.name,
            "level": KINDS[o.name].level,
            "where": list(o.where),
            "what": o.what,
            "meaning": KINDS[o.name].meaning,
            "todo": KINDS[o.name].todo,
        }
        for o in survey.observations
    ]
    return {"failed": survey.failed, "findings": found, "cases": cases}


def _as_plain(facts: CaseFacts) -> dict[str, Any]:
    channels = {name: vars(found) for name, found in facts.channels.items()}
    values: dict[str, Any] = plain(
        {name: value for name, value in vars(facts).items() if name != "case"}
        | {"channels": channels}
    )
    return values


def _counts(survey: Survey, title: str, ours: Sequence[CaseFacts]) -> Table:
    """Splits against patients, cases, planes and lesions, and classes where pictures have one."""
    classes = sorted({f.label for f in ours if f.label})
    masked = any(f.labels is not None for f in ours)
    heads = [
        "split",
        "patients",
        "cases",
        "slices",
        *(["with lesion", "slices with lesion"] if masked else []),
        *classes,
    ]
    table = _table(*heads)
    everyone = [case for case in survey.cases if case.dataset == title]
    others = sorted({case.split for case in everyone} - set(SPLITS))
    for split in (*SPLITS, *others, "all"):
        cases = [case for case in everyone if split in ("all", case.split)]
        read = [f for f in ours if split in ("all", f.case.split)]
        row = [len({case.person for case in cases}), len(cases), sum(f.shape[0] for f in read)]
        row += (
            [sum(f.lesion_planes > 0 for f in read), sum(f.lesion_planes for f in read)]
            if masked
            else []
        )
        table.add_row(
            split or "left out",
            *(f"{n:,}" for n in [*row, *(sum(f.label == name for f in read) for name in classes)]),
        )
    return table


def _facts(ours: Sequence[CaseFacts]) -> Table:
    """Shapes, spacings, orientations and label values, each with the number of its cases."""
    table = _table("of the scans", "", left=2)
    table.add_row("slices x rows x columns", _spread([" x ".join(map(str, f.shape)) for f in ours]))
    table.add_row(
        "spacing, mm", _spread([" x ".join(f"{mm:.4g}" for mm in f.spacing_mm) for f in ours])
    )
    table.add_row(
        "orientation of the files", _spread([f.orientation or "not stated" for f in ours])
    )
    table.add_row("channels", _spread([", ".join(f.channels) for f in ours]))
    voxels: Counter[int] = Counter()
    within: Counter[int] = Counter()
    for f in ours:
        voxels.update(f.labels or {})
        within.update(dict.fromkeys(f.labels or {}, 1))
    if voxels:
        table.add_row(
            "label values",
            "; ".join(
                f"{value}: {voxels[value]:,} voxels in {within[value]:,}"
                for value in sorted(voxels)
            ),
        )
    return table


def _intensities(ours: Sequence[CaseFacts]) -> Table:
    """Each channel's intensities: the least and the largest of all cases."""
    table = _table("channel", "type", "min", "0.5 %", "99.5 %", "max", "background", left=2)
    for name in dict.fromkeys(name for f in ours for name in f.channels):
        found = [f.channels[name] for f in ours if name in f.channels]
        constants = [one.background for one in found if one.background is not None]
        shares = [100 * one.background_share for one in found if one.background is not None]
        columns = [
            [one.low for one in found],
            [one.p0_5 for one in found],
            [one.p99_5 for one in found],
            [one.high for one in found],
        ]
        table.add_row(
            name,
            ", ".join(sorted({one.dtype for one in found})),
            *map(_range, columns),
            f"{_range(constants)} ({_range(shares, 3)} %)" if shares else "none",
        )
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
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return "none"
    low, high = (f"{value:.{digits}g}" for value in (min(finite), max(finite)))
    return low if low == high else f"{low}..{high}"


def _spread(values: Sequence[str]) -> str:
    """155 x 240 x 240 (3), 26 x 256 x 256 (1) and 12 others."""
    counts = Counter(values).most_common()
    if len(counts) == 1:
        return counts[0][0]
    said = ", ".join(f"{value} ({count:,})" for value, count in counts[:MOST])
    return said + (f" and {len(counts) - MOST:,} others" if len(counts) > MOST else "")


def _places(found: Sequence[Observation]) -> str:
    return _cases(len({title for observation in found for title in observation.where}))


def _cases(count: int) -> str:
    return f"{count:,} case{'s' if count != 1 else ''}"


def _short(text: str, survey: Survey) -> str:
    return text.replace(f"{survey.cases[0].dataset}/", "") if survey.cases else text


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(
        text, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )

"""The tables of a run on a terminal: fewer columns where it is narrow, plain aligned lines where there is none."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from benchmark.report.per_image import Line, lines
from benchmark.report.words import (
    DIGITS,
    LABELS,
    LEGEND,
    UNITS,
    group_labels,
    interval,
    mark,
    measured,
    number,
    plural,
)
from benchmark.scored import Scored
from benchmark.stats import METRICS, Comparison, Summary, compare, failures, flips

MOST_LINES = 40
_TOGETHER = "\u00a0"  # a space at which no line is folded
STYLES = {"loss": "bold red", "win": "green", "unknown": "dim", "tie": ""}
FULL_WIDTH = 10_000  # nothing is left out where there is no terminal
# What a narrow terminal shows first, by (metric, column): the rest is added from left to right as long as it fits.
FIRST = (("psnr_db", "diff"), ("dice", "diff"), ("dice_eval", "diff"), ("psnr_db", "plain"), ("psnr_db", "SINCO"),
         ("dice", "plain"), ("dice", "SINCO"), ("psnr_db", "jpeg2000"), ("", "bpp"), ("dice_eval", "plain"),
         ("dice_eval", "SINCO"), ("dice", "jpeg2000"), ("dice_eval", "jpeg2000"), ("ssim", "diff"), ("ssim", "plain"), ("ssim", "SINCO"),
         ("ssim", "jpeg2000"), ("dice", "+mask"), ("dice_eval", "+mask"), ("psnr_db", "+mask"), ("ssim", "+mask"))
METHODS = {"plain": "plain", "SINCO": "sinco", "jpeg2000": "jpeg2000", "+mask": "jpeg2000+mask"}
SHORT = {"plain": "plain", "SINCO": "SINCO", "jpeg2000": "J2K", "+mask": "+mask", "diff": "diff", "bpp": "bpp"}


@dataclass(frozen=True)
class Column:
    """One column: its metric ("" for facts), its name, and a cell for each image as (text, style)."""

    metric: str
    name: str
    cells: list[tuple[str, str]]

    @property
    def width(self) -> int:
        return max(len(SHORT[self.name]), *(len(text) for text, _ in self.cells))


def print_tables(scored: Scored, console: Console) -> None:
    """Print every comparison's table and summary, the failures and the flips."""
    width = console.width if console.is_terminal else FULL_WIDTH
    for text in render(scored, width=width):
        console.print(text, soft_wrap=True, highlight=False)


def render(scored: Scored, *, width: int) -> list[Text]:
    """The lines that `print_tables` prints."""
    comparisons = compare(scored)
    labels = group_labels([comparison.group for comparison in comparisons])
    out: list[Text] = []
    for comparison in comparisons:
        out += [Text(labels[comparison.group], "bold"), *_table(lines(scored, comparison), width), Text("")]
    if comparisons:
        others = ", ".join(sorted({scored.name(reader) for c in comparisons for reader in c.readers}))
        out += [*(Text(line, "dim") for line in LEGEND.format(others=others or "no other").splitlines()), Text("")]
    else:
        out.append(Text("nothing to compare: no stored fit has a lambda above 0"))
    for comparison in comparisons:
        out += _folded(summary(comparison, labels[comparison.group]), width)
    flipped = flips(scored)
    notes = [Text("scored as stretched PNG, another winner by PSNR in:", "bold")] if flipped else []
    notes += [Text(f"  {f.flips} of {f.pairs} pairs of {labels.get(f.group, f.group.inr)}") for f in flipped]
    if len(scored.rows) < scored.stored:
        notes.append(Text(f"these are the {len(scored.rows)} cells of the latest run; the store holds {scored.stored}"))
    return out + _folded(_problems(scored) + notes, width)


def _folded(texts: list[Text], width: int) -> list[Text]:
    """Sentences folded between words, what follows indented."""
    return [Text(line.replace(_TOGETHER, " "), text.style) for text in texts
            for line in textwrap.wrap(text.plain, width, subsequent_indent=" " * 14, break_long_words=False)]


def summary(comparison: Comparison, label: str) -> list[Text]:
    """What a comparison comes to: a heading, and for PSNR and Dice (SSIM is in the files) one line each."""
    images = len(comparison.images)
    patients = len({image.patient for image in comparison.images})
    head = f"{label}: {plural(images, 'image')} of {plural(patients, 'patient')}, {plural(comparison.seeds, 'seed')}"
    if comparison.failed:
        head += f"; {plural(comparison.failed, 'SINCO cell')} failed"
    if comparison.unpaired:
        head += f"; {plural(comparison.unpaired, 'SINCO cell')} without a plain twin"
    style = "bold red" if comparison.failed or comparison.unpaired else "bold"
    shown = [_summary_line(s) for metric, s in comparison.summaries.items() if metric != "ssim"]
    return [Text(head, style), *shown]


def _summary_line(s: Summary) -> Text:
    unit = UNITS.get(s.metric, "")
    counts = ", ".join([plural(s.wins, "win"), plural(s.ties, "tie"), plural(s.losses, "loss")])
    counts += f", {s.unknown} unknown" if s.unknown else ""
    floor = f"noise floor {measured(s.metric, s.floor)}{unit}" if s.nulls else "no noise floor: no null twins"
    floor = floor.replace(" ", _TOGETHER)
    return Text(f"  {LABELS[s.metric]:<11} n {s.images}: {counts}; mean {measured(s.metric, s.mean, sign=True)}{unit} "
                f"{interval(s.metric, s.low, s.high)}; {floor}")


def _problems(scored: Scored) -> list[Text]:
    rows = failures(scored)
    if not rows:
        return []
    reasons: dict[str, int] = {}
    for row in rows:
        reason = f"{row.status}: {row.reason}"
        reasons[reason] = reasons.get(reason, 0) + 1
    head = f"{len(rows)} of {len(scored.rows)} cells failed or diverged (each has its row in rows.csv):"
    counts = sorted(reasons.items(), key=lambda item: -item[1])
    return [Text(head, "bold red")] + [Text(f"  {count} x {reason}") for reason, count in counts]


def _table(found: list[Line], width: int) -> list[Text]:
    shown = found[:MOST_LINES]
    names = [line.image.sample_id for line in shown]
    widest = max(5, min(max(map(len, names)), 24 if width < 160 else 40))
    columns = _choose(_columns(shown), width - widest)
    out = _heads(columns, widest)
    for i, name in enumerate(names):
        # Samples are told apart by the end of their name as often as by its start.
        text = Text(name if len(name) <= widest else name[:6] + ".." + name[len(name) - widest + 8:]).copy()
        text.pad_right(widest - len(text))
        for j, column in enumerate(columns):
            cell, style = column.cells[i]
            text.append(" " * _gap(columns, j)).append(f"{cell:>{column.width}}", style)
        out.append(text)
    if len(found) > len(shown):
        out.append(Text(f"and {len(found) - len(shown)} more images, less harmed: per_image.csv", "dim"))
    return out


def _gap(columns: list[Column], j: int) -> int:
    """Wider between the columns of two metrics."""
    return 3 if j == 0 or columns[j].metric != columns[j - 1].metric else 1


def _choose(columns: list[Column], width: int) -> list[Column]:
    """As many of the columns as fit, the most telling first, in their own order."""
    chosen: list[Column] = []
    for wanted in FIRST:
        for column in columns:
            if (column.metric, column.name) == wanted:
                trial = [c for c in columns if c in chosen or c is column]
                if sum(c.width + _gap(trial, j) for j, c in enumerate(trial)) <= width:
                    chosen = trial
    return chosen


def _columns(shown: list[Line]) -> list[Column]:
    out = []
    for metric in METRICS:
        for name, method in METHODS.items():
            values = [line.values.get(method, {}).get(metric, math.nan) for line in shown]
            if not all(map(math.isnan, values)):
                out.append(Column(metric, name, [(measured(metric, value), "") for value in values]))
        if any(metric in line.image.differences for line in shown):
            out.append(Column(metric, "diff", [_difference(line, metric) for line in shown]))
    return [*out, Column("", "bpp", [(number(line.values["sinco"]["bpp"], 2), "") for line in shown])]


def _difference(line: Line, metric: str) -> tuple[str, str]:
    found = line.image.differences.get(metric)
    if found is None:
        failed = metric == "psnr_db" and not line.image.pairs
        return ("failed" if line.image.failed else "no twin", "bold red") if failed else ("-  ", "")
    style = "yellow" if found.verdict == "tie" and found.difference < 0 else STYLES[found.verdict]
    return f"{number(found.difference, DIGITS[metric], sign=True)}{mark(found.difference, found.verdict):<2}", style


def _heads(columns: list[Column], widest: int) -> list[Text]:
    """Two lines: the metrics over their columns, and the columns' names."""
    upper, lower = " " * widest, f"{'image':<{widest}}"
    for j, column in enumerate(columns):
        gap = " " * _gap(columns, j)
        if j == 0 or columns[j - 1].metric != column.metric:
            start = len(lower) + len(gap)
            name = LABELS.get(column.metric, "") + UNITS.get(column.metric, "")
            upper = f"{upper:<{start}}{name}" if len(upper) < start else f"{upper} {name}"
        lower += f"{gap}{SHORT[column.name]:>{column.width}}"
    return [Text(upper.rstrip(), "dim"), Text(lower, "bold")]


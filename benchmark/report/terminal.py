"""The tables of a run on a terminal: fewer columns where it is narrow, plain aligned lines where
there is none.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from benchmark.report import agreement_words, cross
from benchmark.report.agreement import METRICS as AGREED
from benchmark.report.agreement import NO_DELTA, Agreement, agreements
from benchmark.report.flips import flips
from benchmark.report.per_image import Line, lines
from benchmark.report.words import (
    DICE_LEGEND,
    DIGITS,
    LABEL_LEGEND,
    LABELS,
    LEGEND,
    UNITS,
    group_labels,
    interval,
    lambda_text,
    learned_inits,
    mark,
    measured,
    number,
    plural,
)
from benchmark.stats.compare import METRICS, Comparison, Summary, compare, failures, metrics_of
from benchmark.store.view import Scored

MOST_LINES = 40
MOST_DISAGREEMENTS = 20
_TOGETHER = "\u00a0"  # a space at which no line is folded
STYLES = {"loss": "bold red", "win": "green", "unknown": "dim", "tie": ""}
AGREED_STYLES = {"equal": "green", "not equal": "bold red", "undecided": "yellow"}
FULL_WIDTH = 10_000  # nothing is left out where there is no terminal
# What a narrow terminal shows first, by (metric, column): the rest is added from left to right as
# long as it fits.
FIRST = (
    ("psnr_db", "diff"),
    ("dice", "diff"),
    ("dice_eval", "diff"),
    ("kl", "diff"),
    ("kl_eval", "diff"),
    ("psnr_db", "plain"),
    ("psnr_db", "SINCO"),
    ("dice", "plain"),
    ("dice", "SINCO"),
    ("kl", "plain"),
    ("kl", "SINCO"),
    ("label_kept", "diff"),
    ("label_kept", "plain"),
    ("label_kept", "SINCO"),
    ("psnr_db", "jpeg2000"),
    ("", "bpp"),
    ("dice_eval", "plain"),
    ("dice_eval", "SINCO"),
    ("kl_eval", "plain"),
    ("kl_eval", "SINCO"),
    ("label_kept_eval", "diff"),
    ("label_kept_eval", "plain"),
    ("label_kept_eval", "SINCO"),
    ("dice", "jpeg2000"),
    ("dice_eval", "jpeg2000"),
    ("kl", "jpeg2000"),
    ("label_kept", "jpeg2000"),
    ("kl_eval", "jpeg2000"),
    ("label_kept_eval", "jpeg2000"),
    ("ssim", "diff"),
    ("ssim", "plain"),
    ("ssim", "SINCO"),
    ("ssim", "jpeg2000"),
    ("dice", "+mask"),
    ("dice_eval", "+mask"),
    ("psnr_db", "+mask"),
    ("ssim", "+mask"),
    ("kl_eval", "+mask"),
    ("label_kept_eval", "+mask"),
)
# The same of the agreement of two recipes.
FIRST_AGREED = (
    *((metric, name) for metric in AGREED for name in ("A - B", "band")),
    ("psnr_db", "A"),
    ("psnr_db", "B"),
    *(("seconds a fit", name) for name in ("B / A", "A", "B")),
    *((metric, "95 %") for metric in AGREED),
    *((name, side) for name in ("fits", "bpp", "kernel") for side in "AB"),
)
METHODS = {"plain": "plain", "SINCO": "sinco", "jpeg2000": "jpeg2000", "+mask": "jpeg2000+mask"}
SHORT = {
    "plain": "plain",
    "SINCO": "SINCO",
    "jpeg2000": "J2K",
    "+mask": "+mask",
    "diff": "diff",
    "bpp": "bpp",
}


@dataclass(frozen=True)
class Column:
    """One column: its metric ("" for facts), its name, and a cell for each image as (text, style)."""

    metric: str
    name: str
    cells: list[tuple[str, str]]

    @property
    def width(self) -> int:
        return max(len(SHORT.get(self.name, self.name)), *(len(text) for text, _ in self.cells))


def print_tables(scored: Scored, console: Console) -> None:
    """Print every comparison's table and summary, the agreement of recipes, the failures and the
    flips.
    """
    width = console.width if console.is_terminal else FULL_WIDTH
    for text in render(scored, width=width):
        console.print(text, soft_wrap=True, highlight=False)


def render(scored: Scored, *, width: int) -> list[Text]:
    """The lines that `print_tables` prints."""
    comparisons = compare(scored)
    labels = group_labels([comparison.group for comparison in comparisons])
    out: list[Text] = []
    for comparison in comparisons:
        out += [
            *_folded([Text(labels[comparison.group], "bold")], width),
            *_table(lines(scored, comparison), width),
            Text(""),
        ]
    if comparisons:
        out += [*(Text(line, "dim") for line in _legend(scored, comparisons)), Text("")]
    else:
        out.append(Text("nothing to compare: no stored fit has a lambda above 0"))
    for comparison in comparisons:
        out += _folded(summary(comparison, labels[comparison.group]), width)
    for crossing in cross.crossings(scored):
        out += [
            Text(
                f"{crossing.title}: Dice, SINCO - plain, by each reader; in brackets what was in"
                " the loss",
                "bold",
            )
        ]
        out += [Text(f"  {line}") for line in cross.lines(scored, crossing)]
    for agreement in agreements(scored):
        out += _agreement(agreement, width)
    flipped = flips(scored)
    notes = [Text("scored as stretched PNG, another winner by PSNR in:", "bold")] if flipped else []
    notes += [
        Text(f"  {f.flips} of {f.pairs} pairs of {labels.get(f.group, f.group.inr)}")
        for f in flipped
    ]
    notes += [Text(said) for said in learned_inits(scored)]
    if len(scored.rows) < scored.stored:
        notes.append(
            Text(
                f"these are the {len(scored.rows)} cells of the latest run; the store holds"
                f" {scored.stored}"
            )
        )
    return out + _folded(_problems(scored) + notes, width)


def _legend(scored: Scored, comparisons: Sequence[Comparison]) -> list[str]:
    """The lines below the tables that say how they are read, of what is in them."""
    others = sorted({reader for c in comparisons for reader in c.readers}, key=scored.name)
    out = LEGEND.splitlines()
    for metric, legend in (("dice", DICE_LEGEND), ("kl", LABEL_LEGEND)):
        if {metric, f"{metric}_eval"} & set(metrics_of(scored)):
            names = ", ".join(map(scored.name, scored.readers_of(metric, others)))
            if (
                len({c.group.segmenter_hash for c in comparisons}) > 1
            ):  # each was in the loss of some tables, and reads the others
                names = f"those of {names}"
            out += legend.format(others=names or "no other").splitlines()
    return out


def _folded(texts: list[Text], width: int) -> list[Text]:
    """Sentences folded between words, what follows indented."""
    return [
        Text(line.replace(_TOGETHER, " "), text.style)
        for text in texts
        for line in textwrap.wrap(
            text.plain, width, subsequent_indent=" " * 14, break_long_words=False
        )
    ]


def summary(comparison: Comparison, label: str) -> list[Text]:
    """What a comparison comes to: a heading, and for PSNR and what networks read (SSIM is in the
    files) one line each.
    """
    images = len(comparison.images)
    patients = len({image.patient for image in comparison.images})
    head = (
        f"{label}: {plural(images, 'image')} of {plural(patients, 'patient')},"
        f" {plural(comparison.seeds, 'seed')}"
    )
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
    floor = (
        f"noise floor {measured(s.metric, s.floor)}{unit}"
        if s.nulls
        else "no noise floor: no null twins"
    )
    floor = floor.replace(" ", _TOGETHER)
    return Text(
        f"  {LABELS[s.metric]:<11} n {s.images}: {counts}; mean"
        f" {measured(s.metric, s.mean, sign=True)}{unit} {interval(s.metric, s.low, s.high)};"
        f" {floor}"
    )


def _problems(scored: Scored) -> list[Text]:
    rows = failures(scored)
    if not rows:
        return []
    reasons: dict[str, int] = {}
    for row in rows:
        reason = f"{row.status}: {row.reason}"
        reasons[reason] = reasons.get(reason, 0) + 1
    head = (
        f"{len(rows)} of {len(scored.rows)} cells failed or diverged (each has its row in"
        " rows.csv):"
    )
    counts = sorted(reasons.items(), key=lambda item: -item[1])
    return [Text(head, "bold red")] + [Text(f"  {count} x {reason}") for reason, count in counts]


def _agreement(agreement: Agreement, width: int) -> list[Text]:
    """How far two recipes agree: a table with a line for each lambda, their verdicts, and on which
    images they disagree.
    """
    lams = [lambda_text(quality.lam) for quality in agreement.qualities]
    verdicts = [
        agreement_words.verdict(quality, agreement.metrics) for quality in agreement.qualities
    ]
    widest = max(map(len, ["lambda", *lams]))
    columns = _choose(_agreed(agreement), width - widest, FIRST_AGREED)
    legend = [Text(line, "dim") for line in agreement_words.legend(agreement).splitlines()]
    texts = [
        Text(f"{lam:>10}: {said}", AGREED_STYLES[said.split(":")[0]])
        for lam, said in zip(lams, verdicts, strict=True)
    ]
    if agreement.conclusions:
        texts.append(Text(f"  who wins, SINCO or plain: {agreement_words.concluded(agreement)}"))
    texts += [
        Text(
            f"{lambda_text(c.lam):>10}, {LABELS[c.metric]}: {c.same} of {plural(c.images, 'image')}"
            f" the same, {c.count('opposite')} opposite; totals A {agreement_words.total(c, 0)}, B"
            f" {agreement_words.total(c, 1)}"
        )
        for c in agreement.conclusions
    ]
    disagreed = agreement_words.disagreements(agreement)
    for image, lam, metric, kind, first, second in (
        agreement_words.disagreement(*pair) for pair in disagreed[:MOST_DISAGREEMENTS]
    ):
        texts.append(
            Text(
                f"  {kind}: {image}, lambda {lam}, {metric}: A {first}, B {second}",
                "red" if kind == "opposite" else "",
            )
        )
    if len(disagreed) > MOST_DISAGREEMENTS:
        texts.append(Text(f"  and {len(disagreed) - MOST_DISAGREEMENTS} more: --json", "dim"))
    texts += [Text(f"  note: {note}", "dim") for note in agreement.notes]
    head = _folded(
        [
            Text(agreement_words.title(agreement), "bold"),
            Text(f"  {agreement_words.sizes(agreement)}", "dim"),
        ],
        width,
    )
    return [
        *head,
        *_lines(lams, columns, "lambda", widest),
        *legend,
        *_folded(texts, width),
        Text(""),
    ]


def _agreed(agreement: Agreement) -> list[Column]:
    """The columns of that table, a cell for each lambda."""
    out, found = [], agreement.qualities

    def add(group: str, name: str, cells: Iterable[str]) -> None:
        out.append(Column(group, name, [(cell, "") for cell in cells]))

    for metric in agreement.metrics:
        deltas = [quality.deltas.get(metric, NO_DELTA) for quality in found]
        for i, side in enumerate("AB" if metric == "psnr_db" else ""):
            add(metric, side, [measured(metric, delta.means[i]) for delta in deltas])
        add(metric, "A - B", [measured(metric, delta.difference, sign=True) for delta in deltas])
        add(
            metric,
            "95 %",
            [
                "-" if math.isnan(delta.low) else interval(metric, delta.low, delta.high)
                for delta in deltas
            ],
        )
        add(metric, "band", [measured(metric, delta.band) for delta in deltas])
    for i, side in enumerate("AB"):
        add("seconds a fit", side, [number(quality.costs[i].seconds, 2) for quality in found])
    add("seconds a fit", "B / A", map(agreement_words.ratio, found))
    for i, side in enumerate("AB"):
        add("fits", side, [str(quality.costs[i].fits) for quality in found])
    for i, side in enumerate("AB"):
        add("bpp", side, [number(quality.costs[i].bpp, 3) for quality in found])
    for i, side in enumerate("AB"):
        add("kernel", side, [quality.costs[i].kernels for quality in found])
    return out


def _table(found: list[Line], width: int) -> list[Text]:
    shown = found[:MOST_LINES]
    names = [line.image.sample_id for line in shown]
    widest = max(5, min(max(map(len, names)), 24 if width < 160 else 40))
    # Samples are told apart by the end of their name as often as by its start.
    names = [
        name if len(name) <= widest else name[:6] + ".." + name[len(name) - widest + 8 :]
        for name in names
    ]
    columns = _choose(_columns(shown), width - widest, FIRST)
    out = _lines(names, columns, "image", widest)
    if len(found) > len(shown):
        out.append(
            Text(f"and {len(found) - len(shown)} more images, less harmed: per_image.csv", "dim")
        )
    return out


def _lines(names: list[str], columns: list[Column], head: str, widest: int) -> list[Text]:
    out = _heads(columns, widest, head)
    for i, name in enumerate(names):
        text = Text(name)
        text.pad_right(widest - len(text))
        for j, column in enumerate(columns):
            cell, style = column.cells[i]
            text.append(" " * _gap(columns, j)).append(f"{cell:>{column.width}}", style)
        out.append(text)
    return out


def _gap(columns: list[Column], j: int) -> int:
    """Wider between the columns of two metrics."""
    return 3 if j == 0 or columns[j].metric != columns[j - 1].metric else 1


def _choose(columns: list[Column], width: int, first: Sequence[tuple[str, str]]) -> list[Column]:
    """As many of the columns as fit, the most telling first, in their own order."""
    chosen: list[Column] = []
    for wanted in first:
        for column in columns:
            if (column.metric, column.name) == wanted:
                trial = [c for c in columns if c in chosen or c is column]
                if max(map(len, _heads(trial, 0, ""))) <= width:
                    chosen = trial
    return chosen


def _columns(shown: list[Line]) -> list[Column]:
    out = []
    for metric in METRICS:
        for name, method in METHODS.items():
            values = [line.values.get(method, {}).get(metric, math.nan) for line in shown]
            if not all(map(math.isnan, values)):
                out.append(
                    Column(metric, name, [(measured(metric, value), "") for value in values])
                )
        if any(metric in line.image.differences for line in shown):
            out.append(Column(metric, "diff", [_difference(line, metric) for line in shown]))
    return [
        *out,
        Column("", "bpp", [(number(line.values["sinco"]["bpp"], 2), "") for line in shown]),
    ]


def _difference(line: Line, metric: str) -> tuple[str, str]:
    found = line.image.differences.get(metric)
    if found is None:
        failed = metric == "psnr_db" and not line.image.pairs
        return ("failed" if line.image.failed else "no twin", "bold red") if failed else ("-  ", "")
    style = "yellow" if found.verdict == "tie" and found.gain < 0 else STYLES[found.verdict]
    return (
        (
            f"{number(found.difference, DIGITS[metric], sign=True)}{mark(found.gain, found.verdict):<2}"
        ),
        style,
    )


def _heads(columns: list[Column], widest: int, head: str) -> list[Text]:
    """Two lines: the metrics over their columns, and the columns' names."""
    upper, lower = " " * widest, f"{head:<{widest}}"
    for j, column in enumerate(columns):
        gap = " " * _gap(columns, j)
        if j == 0 or columns[j - 1].metric != column.metric:
            start = len(lower) + len(gap)
            name = LABELS.get(column.metric, column.metric) + UNITS.get(column.metric, "")
            upper = f"{upper:<{start}}{name}" if len(upper) < start else f"{upper} {name}"
        lower += f"{gap}{SHORT.get(column.name, column.name):>{column.width}}"
    return [Text(upper.rstrip(), "dim"), Text(lower, "bold")]

"""The agreement of two recipes on a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable

from rich.text import Text

from benchmark.report import agreement_words
from benchmark.report.agreement import Agreement
from benchmark.report.agreement_numbers import METRICS, NO_DELTA
from benchmark.report.columns import Column, choose, drawn, folded
from benchmark.report.words import LABELS, interval, lambda_text, measured, number, plural

MOST_DISAGREEMENTS = 20
STYLES = {"equal": "green", "not equal": "bold red", "undecided": "yellow"}
# What a narrow terminal shows first, by (metric or fact, column).
FIRST = (
    *((metric, name) for metric in METRICS for name in ("A - B", "band")),
    ("psnr_db", "A"),
    ("psnr_db", "B"),
    *(("seconds a fit", name) for name in ("B / A", "A", "B")),
    *((metric, "95 %") for metric in METRICS),
    *((name, side) for name in ("fits", "bpp", "kernel") for side in "AB"),
)


def agreement_lines(agreement: Agreement, width: int) -> list[Text]:
    """How far two recipes agree: a table with a line for each lambda, their verdicts, and on which
    images they disagree.
    """
    lams = [lambda_text(quality.lam) for quality in agreement.qualities]
    widest = max(map(len, ["lambda", *lams]))
    columns = choose(_columns(agreement), width - widest, FIRST)
    head = [
        Text(agreement_words.title(agreement), "bold"),
        Text(f"  {agreement_words.sizes(agreement)}", "dim"),
    ]
    legend = [Text(line, "dim") for line in agreement_words.legend(agreement).splitlines()]
    said = [*_verdicts(agreement, lams), *_conclusions(agreement), *_disagreements(agreement)]
    said += [Text(f"  note: {note}", "dim") for note in agreement.notes]
    table = drawn(lams, columns, "lambda", widest)
    return [*folded(head, width), *table, *legend, *folded(said, width), Text("")]


def _verdicts(agreement: Agreement, lams: list[str]) -> list[Text]:
    out = []
    for lam, quality in zip(lams, agreement.qualities, strict=True):
        said = agreement_words.verdict(quality, agreement.metrics)
        out.append(Text(f"{lam:>10}: {said}", STYLES[said.split(":")[0]]))
    return out


def _conclusions(agreement: Agreement) -> list[Text]:
    if not agreement.conclusions:
        return []
    out = [Text(f"  who wins, SINCO or plain: {agreement_words.concluded(agreement)}")]
    for c in agreement.conclusions:
        out.append(
            Text(
                f"{lambda_text(c.lam):>10}, {LABELS[c.metric]}: {c.same} of"
                f" {plural(c.images, 'image')} the same, {c.count('opposite')} opposite; totals A"
                f" {agreement_words.total(c, 0)}, B {agreement_words.total(c, 1)}"
            )
        )
    return out


def _disagreements(agreement: Agreement) -> list[Text]:
    found = agreement_words.disagreements(agreement)
    out = []
    for pair in found[:MOST_DISAGREEMENTS]:
        image, lam, metric, kind, first, second = agreement_words.disagreement(*pair)
        said = f"  {kind}: {image}, lambda {lam}, {metric}: A {first}, B {second}"
        out.append(Text(said, "red" if kind == "opposite" else ""))
    if len(found) > MOST_DISAGREEMENTS:
        out.append(Text(f"  and {len(found) - MOST_DISAGREEMENTS} more: --json", "dim"))
    return out


def _columns(agreement: Agreement) -> list[Column]:
    """The columns of the table, a cell for each lambda."""
    out: list[Column] = []
    found = agreement.qualities

    def add(group: str, name: str, cells: Iterable[str]) -> None:
        out.append(Column(group, name, name, [(cell, "") for cell in cells]))

    for metric in agreement.metrics:
        deltas = [quality.deltas.get(metric, NO_DELTA) for quality in found]
        for i, side in enumerate("AB" if metric == "psnr_db" else ""):
            add(metric, side, [measured(metric, delta.means[i]) for delta in deltas])
        add(metric, "A - B", [measured(metric, delta.difference, sign=True) for delta in deltas])
        intervals = []
        for delta in deltas:
            known = not math.isnan(delta.low)
            intervals.append(interval(metric, delta.low, delta.high) if known else "-")
        add(metric, "95 %", intervals)
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

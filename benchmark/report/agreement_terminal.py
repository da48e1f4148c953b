"""The agreement of two recipes on a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich.text import Text

from benchmark.report import agreement_words
from benchmark.report.agreement import Agreement
from benchmark.report.agreement_numbers import METRICS, NO_DELTA, Quality
from benchmark.report.columns import Column, choose, dimmed, drawn, folded
from benchmark.report.words import LABELS, interval, lambda_text, measured, number, plural

MOST_DISAGREEMENTS = 20
STYLES = {"equal": "green", "not equal": "bold red", "undecided": "yellow"}


def _first() -> list[tuple[str, str]]:
    """What a narrow terminal shows first, by (metric or fact, column)."""
    out = []
    for metric in METRICS:
        out += [(metric, "A - B"), (metric, "band")]
    out += [("psnr_db", "A"), ("psnr_db", "B")]
    out += [("seconds a fit", "B / A"), ("seconds a fit", "A"), ("seconds a fit", "B")]
    for metric in METRICS:
        out.append((metric, "95 %"))
    for fact in ("fits", "bpp", "kernel"):
        out += [(fact, "A"), (fact, "B")]
    return out


def agreement_lines(agreement: Agreement, width: int) -> list[Text]:
    """How far two recipes agree: a table with a line for each lambda, their verdicts, and on which
    images they disagree.
    """
    lams = [lambda_text(quality.lam) for quality in agreement.qualities]
    widest = max(map(len, ["lambda", *lams]))
    columns = choose(_columns(agreement), width - widest, _first())
    head = [
        Text(agreement_words.title(agreement), "bold"),
        Text(f"  {agreement_words.sizes(agreement)}", "dim"),
    ]
    legend = dimmed(agreement_words.legend(agreement).splitlines())
    said = [*_verdicts(agreement, lams), *_conclusions(agreement), *_disagreements(agreement)]
    said += dimmed(map("  note: {}".format, agreement.notes))
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
    cells: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for quality in agreement.qualities:
        for group, name, text in _cells(quality, agreement.metrics):
            cells.setdefault((group, name), []).append((text, ""))
    return [Column(group, name, name, found) for (group, name), found in cells.items()]


def _cells(quality: Quality, metrics: Sequence[str]) -> Iterator[tuple[str, str, str]]:
    """(metric or fact, column, text) of one lambda."""
    for metric in metrics:
        delta = quality.deltas.get(metric, NO_DELTA)
        if metric == "psnr_db":
            yield metric, "A", measured(metric, delta.means[0])
            yield metric, "B", measured(metric, delta.means[1])
        yield metric, "A - B", measured(metric, delta.difference, sign=True)
        known = not math.isnan(delta.low)
        yield metric, "95 %", interval(metric, delta.low, delta.high) if known else "-"
        yield metric, "band", measured(metric, delta.band)
    a, b = quality.costs
    yield "seconds a fit", "A", number(a.seconds, 2)
    yield "seconds a fit", "B", number(b.seconds, 2)
    yield "seconds a fit", "B / A", agreement_words.ratio(quality)
    for side, cost in (("A", a), ("B", b)):
        yield "fits", side, str(cost.fits)
    for side, cost in (("A", a), ("B", b)):
        yield "bpp", side, number(cost.bpp, 3)
    for side, cost in (("A", a), ("B", b)):
        yield "kernel", side, cost.kernels

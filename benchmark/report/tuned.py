"""A finished search as its page, as plain values, and as a table for a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmark.plugins.sets import texts_of
from benchmark.report import tuning
from benchmark.report.tuning import RULE, Tuned, summary
from benchmark.search.tuning import TuneRequest, Tuning

PAGE = "tuning.md"


def outcomes(found: Tuning) -> list[Tuned]:
    """By backbone and size: all candidates, the chosen one, and the shipped default."""
    return tuning.outcomes(found.rows, found.defaults)


def write_tuning(found: Tuning) -> Path:
    """Write the page beside the fits; returns its path."""
    page = found.request.out / PAGE
    text = tuning.markdown(found.rows, outcomes(found), command(found.request))
    page.write_text(text, encoding="utf-8")
    return page


def command(request: TuneRequest) -> str:
    """What makes the page again. Without folders: a page travels, folders do not."""
    words = ["python -m benchmark tune"]
    words += [f"--inr {name}" for name in request.inr]
    words += [f"--dataset {request.dataset}", f"--limit {request.limit}"]
    words += [f"--optimizer {name}" for name in request.optimizer]
    words += [f"--lr {lr:g}" for lr in request.lr]
    if request.steps:
        words.append(f"--steps {request.steps}")
    words += [f"--set {text}" for text in texts_of(request.sets)]
    return " ".join(words)


def text(found: Tuning) -> str:
    """The choices as a table, and the rule that made them."""
    heads, rows = summary(outcomes(found))
    table = [heads, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(heads))]
    lines = []
    for first, *others in table:
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join(cells))
    return "\n".join([*lines, RULE.replace(" (bold)", "")])


def plain(found: Tuning, page: Path) -> dict[str, Any]:
    """The search as plain values."""
    return {
        "fits": str(found.fits),
        "page": str(page),
        "notes": found.notes,
        "tuned": [tuning.as_json(one) for one in outcomes(found)],
    }

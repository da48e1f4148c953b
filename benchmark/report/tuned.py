"""A finished search as its page, as plain values, and as a table for a terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmark.errors import as_options
from benchmark.files.writing import whole
from benchmark.plugins.sets import texts_of
from benchmark.report import tuning
from benchmark.report.tuning import RULE, Tuned, summary
from benchmark.report.typed import Typed
from benchmark.search.tuning import TuneRequest, Tuning

PAGE = "tuning.md"


def outcomes(found: Tuning) -> list[Tuned]:
    """By backbone and size: all candidates, the chosen one, and the shipped default."""
    return tuning.outcomes(found.rows, found.defaults)


def write_tuning(found: Tuning) -> Path:
    """Write the page beside the fits; returns its path."""
    page = found.request.out / PAGE
    text = tuning.markdown(found.rows, outcomes(found), command(found.request))
    whole(page, text)
    return page


def command(request: TuneRequest) -> str:
    """What makes the page again. Without folders: a page travels, folders do not."""
    typed = Typed("tune")
    typed.options("inr", request.inr)
    typed.option("dataset", request.dataset)
    typed.option("limit", request.limit)
    typed.options("optimizer", request.optimizer)
    for lr in request.lr:
        typed.option("lr", f"{lr:g}")
    typed.option("steps", request.steps)
    typed.options("set", texts_of(request.sets))
    return typed.text()


def text(found: Tuning) -> str:
    """The choices as a table, and the rule that made them."""
    return "\n".join([*summary(outcomes(found)).lines(), RULE.replace(" (bold)", "")])


def plain(found: Tuning, page: Path) -> dict[str, Any]:
    """The search as plain values."""
    return {
        "fits": str(found.fits),
        "page": str(page),
        "notes": list(map(as_options, found.notes)),
        "tuned": [tuning.as_json(one) for one in outcomes(found)],
    }

"""The summaries of a run as plain values, for scripts."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark.report import agreement
from benchmark.report.words import plain
from benchmark.stats.compare import compare, failures
from benchmark.store.view import Scored


def as_json(scored: Scored, paths: list[Path]) -> dict[str, Any]:
    """Summaries of every comparison, agreement of recipes, failed cells and paths as plain
    values; what was not measured is None.
    """
    return {
        "cells": len(scored.rows),
        "comparisons": [
            asdict(c.group)
            | {
                "failed": c.failed,
                "unpaired": c.unpaired,
                "seeds": c.seeds,
                "metrics": {
                    metric: plain(asdict(summary)) for metric, summary in c.summaries.items()
                },
            }
            for c in compare(scored)
        ],
        "agreements": [agreement.as_json(found) for found in agreement.agreements(scored)],
        "failed": [
            {"key": row.key, "status": row.status, "reason": row.reason} for row in failures(scored)
        ],
        "files": [str(path) for path in paths],
    }

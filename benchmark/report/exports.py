"""Files for scripts: rows.csv, per_image.csv, underperformers.csv, run.json, and of volumes
per_slice.csv.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.files.writing import replacing, whole
from benchmark.report.frame import frame
from benchmark.report.per_image import Line, flat, underperformers
from benchmark.report.per_slice import slices
from benchmark.store.view import Scored

UNDERPERFORMER_COLUMNS = (
    "dataset",
    "sample_id",
    "patient",
    "inr",
    "segmenter",
    "lambda",
    "metric",
    "plain",
    "sinco",
    "difference",
    "band",
    "beyond_band",
    "seeds",
)


def write_exports(scored: Scored, found: list[Line], folder: Path) -> list[Path]:
    """Write the files and return their paths; a table without rows keeps its header. Only volumes
    have slices.
    """
    tables = {
        "rows.csv": frame(scored),
        "per_image.csv": pd.DataFrame([flat(scored, line) for line in found]),
        "underperformers.csv": pd.DataFrame(
            underperformers(found), columns=list(UNDERPERFORMER_COLUMNS)
        ),
    }
    if not found:
        tables["per_image.csv"] = pd.DataFrame(columns=["dataset", "sample_id"])
    if by_slice := slices(scored):
        tables["per_slice.csv"] = pd.DataFrame(by_slice)
    for name, table in tables.items():
        with replacing(folder / name) as beside:
            table.to_csv(beside, index=False, float_format="%.6g")
    whole(folder / "run.json", json.dumps(_run(scored), indent=2, sort_keys=True) + "\n")
    return [folder / name for name in (*tables, "run.json")]


def _run(scored: Scored) -> dict[str, Any]:
    """What the latest run recorded of itself, and how its cells ended."""
    statuses = Counter(row.status for row in scored.rows)
    return scored.run | {"cells": dict(sorted(statuses.items()))}

"""What a run would do: cells by backbone and lambda, what is stored already, and the minutes that
the rest would take.

Takes the options of `run`. The estimate comes from the seconds of stored fits of the same backbone
and recipe; where none is stored yet it says so instead of guessing.

examples:
  python -m benchmark plan --inr siren --inr fourier --lambda 0,1e-6,1e-5,1e-4 --seed 0,1,2
  python -m benchmark plan --dataset lgg --root FOLDER --json
"""

from __future__ import annotations

import argparse
import json
from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from benchmark.cli.parser import Parser
from benchmark.cli.selection import add_selection, default_out, selection_of
from benchmark.report.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from benchmark.plan.cells import Cell
    from benchmark.store.store import Row


STORED_READ = 5_000  # keys are hashes: the first rows of a large store are a random draw
Kind = tuple[str, bool, int]  # method, whether a segmenter is in the loss, steps


def add_arguments(parser: Parser) -> None:
    add_selection(parser)


def run(args: argparse.Namespace) -> int:
    """Print the plan; nothing is computed and nothing written."""
    from benchmark.plan.job import resolve
    from benchmark.store.store import Store

    job = resolve(selection_of(args))
    out = default_out(args)
    statuses: dict[str, str] = {}
    seconds: dict[Kind, float] = {}
    if (out / "store.sqlite").is_file():
        with Store(out, create=False) as store:
            statuses = store.statuses(cell.key for cell in job.cells)
            if (
                job.selection.precision == "auto"
            ):  # `run` settles it: a fit is stored in either precision
                twice = {
                    replace(cell, precision="bf16").key: cell.key
                    for cell in job.cells
                    if cell.lam > 0
                }
                statuses |= {twice[key]: status for key, status in store.statuses(twice).items()}
            seconds = _seconds(store.each_row(data=False, limit=STORED_READ))
    lines = _lines(job.cells, statuses, seconds)
    missing = sum(line["cells"] - line["stored"] for line in lines)
    known = [line["minutes"] for line in lines if line["minutes"] is not None]
    if args.json:
        print(
            json.dumps(
                {
                    "out": str(out),
                    "images": len(job.samples),
                    "unreadable": job.unreadable,
                    "preset": job.preset,
                    "plan": lines,
                },
                indent=2,
            )
        )
        return 0
    print(
        f"{job.dataset_name}, split {job.selection.split}: {len(job.samples)} images, preset"
        f" {job.preset}, results in {out}"
    )
    print("\n".join(_table(lines).lines()))
    unknown = (
        ""
        if len(known) == len(lines)
        else "; unknown ones have no stored fit to go by (run with --limit 1 first)"
    )
    about = f", about {sum(known):.1f} minutes" if any(known) or not missing else ""
    print(f"{missing} cells to do{about}{unknown}")
    for sample_id, why in job.unreadable.items():
        print(f"cannot be used: {sample_id}: {why}")
    return 0


def _table(lines: list[dict[str, Any]]) -> Table:
    rows = []
    for line in lines:
        minutes = "unknown" if line["minutes"] is None else f"{line['minutes']:.1f}"
        counts = str(line["cells"]), str(line["stored"])
        rows.append([line["method"], line["lambda"], *counts, minutes])
    heads = ["method", "lambda", "cells", "stored", "minutes"]
    return Table(heads, rows, least=(16, 7, 6, 6, 7))


def _seconds(rows: Iterable[Row]) -> dict[Kind, float]:
    """The mean seconds of stored fits of each kind."""
    seconds: dict[Kind, list[float]] = defaultdict(list)
    for row in rows:
        if row.status == "ok":
            seconds[
                _kind(row.facts["method"], row.facts["lambda"], row.facts["recipe"]["steps"])
            ].append(row.facts["fit_seconds"])
    return {kind: sum(known) / len(known) for kind, known in seconds.items()}


def _lines(
    cells: list[Cell], status: dict[str, str], seconds: dict[Kind, float]
) -> list[dict[str, Any]]:
    """One line a method and lambda: cells, how many are stored, and minutes for the rest (None:
    nothing to go by).
    """
    counts: Counter[tuple[str, str]] = Counter()
    stored: Counter[tuple[str, str]] = Counter()
    minutes: dict[tuple[str, str], float | None] = defaultdict(float)
    for cell in cells:
        line = (cell.method, "null twin" if cell.null else "-" if cell.codec else f"{cell.lam:g}")
        counts[line] += 1
        if status.get(cell.key, "failed") != "failed":
            stored[line] += 1
            minutes[line] = minutes[line]
            continue
        known = seconds.get(_kind(cell.method, cell.lam, cell.recipe.steps))
        so_far = minutes[line]
        minutes[line] = None if known is None or so_far is None else so_far + known / 60
    return [
        {
            "method": method,
            "lambda": lam,
            "cells": n,
            "stored": stored[method, lam],
            "minutes": minutes[method, lam],
        }
        for (method, lam), n in counts.items()
    ]


def _kind(method: str, lam: float, steps: int) -> Kind:
    return method, lam > 0, steps

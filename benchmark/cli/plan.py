"""What a run would do: cells by backbone and lambda, what is stored already, and the minutes that
the rest would take.

Takes the options of `run`. The estimate comes from the seconds of stored fits of the same backbone
and recipe; where none is stored yet it says so instead of guessing.

examples:
  python -m benchmark plan --inr siren --inr fourier --lambda 0,1e-6,1e-5,1e-4 --seed 0,1,2
  python -m benchmark plan --dataset lgg --root FOLDER --json
  python -m benchmark plan --inr siren --lambda 1e-4 --save job.toml
  python -m benchmark run --config job.toml
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.cli.parser import Parser
from benchmark.cli.selection import add_selection, default_out, selection_of
from benchmark.cli.words import as_options
from benchmark.errors import InputError
from benchmark.files.writing import whole
from benchmark.folders import check_writable
from benchmark.report.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmark.plan.estimate import Estimate, Line
    from benchmark.plan.job import Job


def add_arguments(parser: Parser) -> None:
    add_selection(parser)
    parser.add_argument(
        "--save", type=Path, metavar="FILE.toml", help="write these options, for run --config"
    )
    parser.set_defaults(parser=parser)


def run(args: argparse.Namespace) -> int:
    """Print the plan; nothing is computed, and nothing written but what --save names."""
    from benchmark.cli.config import saved
    from benchmark.plan.doubts import doubts
    from benchmark.plan.estimate import estimate
    from benchmark.plan.job import resolve

    job = resolve(selection_of(args))
    out = default_out(args)
    if args.save is not None:
        _save(args.save, saved(args.parser, args))
    for doubt in doubts(job.selection):
        print(f"hardly meant: {doubt}", file=sys.stderr)
    found = estimate(job, out)
    print(json.dumps(_plain(job, out, found), indent=2) if args.json else _text(job, out, found))
    return 0


def _save(path: Path, text: str) -> None:
    """Write a file that is not there yet; raises InputError where it is."""
    if path.exists():
        raise InputError(f"--save {path}", "there is a file of that name", "another name")
    check_writable(path.parent, f"--save {path}")
    whole(path, text)
    print(f"wrote {path}: python -m benchmark run --config {path}", file=sys.stderr)


def _plain(job: Job, out: Path, found: Estimate) -> dict[str, Any]:
    lines = []
    for line in found.lines:
        facts = {"method": line.method, "lambda": line.lam, "cells": line.cells}
        lines.append(facts | {"stored": line.stored, "minutes": line.minutes})
    return {
        "out": str(out),
        "images": len(job.samples),
        "unreadable": {name: as_options(why) for name, why in job.unreadable.items()},
        "preset": job.preset,
        "plan": lines,
    }


def _text(job: Job, out: Path, found: Estimate) -> str:
    said = f"{job.dataset_name}, split {job.selection.split}: {len(job.samples)} images"
    lines = [
        f"{said}, preset {job.preset}, results in {out}",
        *_table(found.lines).lines(),
        f"{found.missing} cells to do{_about(found)}",
    ]
    lines += [f"cannot be used: {name}: {as_options(why)}" for name, why in job.unreadable.items()]
    return "\n".join(lines)


def _table(lines: Sequence[Line]) -> Table:
    rows = []
    for line in lines:
        minutes = "unknown" if line.minutes is None else f"{line.minutes:.1f}"
        rows.append([line.method, line.lam, str(line.cells), str(line.stored), minutes])
    heads = ["method", "lambda", "cells", "stored", "minutes"]
    return Table(heads, rows, least=(16, 7, 6, 6, 7))


def _about(found: Estimate) -> str:
    """How long the rest takes, as far as it is known."""
    about = ""
    if found.minutes or not found.missing:
        about = f", about {found.minutes:.1f} minutes"
    if found.unknown:
        about += "; unknown ones have no stored fit to go by (run with --limit 1 first)"
    return about

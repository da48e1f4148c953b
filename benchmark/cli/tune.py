"""Search the optimizer and learning rate of backbones: one grid, the same for every backbone and
size, each fit recorded.

Fits images of the train split (one with a lesion of each patient) without a penalty, at three sizes
of each backbone (0.3, 0.6 and 1.2 bpp at 10 bits), writes fits.csv and tuning.md, and says which
candidate is best with a margin to where fits go wrong, beside what the shipped default gives. The
same command again does only what is missing; with more backbones it adds them.

examples:
  python -m benchmark tune --inr siren --inr fourier --dataset lgg --limit 6 --out results/tuning
  python -m benchmark tune --inr siren --optimizer soap --lr 2e-3,3e-3,4e-3 --limit 2
  python -m benchmark tune --inr mine --plugin mine.py --dataset lgg --root FOLDER --set lgg.size=256
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import sys
from pathlib import Path
from typing import Any

from benchmark.cli.parser import Parser, add_plugins
from benchmark.cli.selection import numbers, split, whole
from benchmark.errors import InputError
from benchmark.plan.selection import INR
from benchmark.plugins import index


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "--inr", action="append", metavar="NAME", help=f"backbone (default {INR}); may be repeated"
    )
    parser.add_argument(
        "--dataset",
        default="mni-lesion",
        metavar="NAME",
        help="data set (default mni-lesion, embedded)",
    )
    parser.add_argument(
        "--root",
        type=Path,
        metavar="FOLDER",
        help="its folder (default: looked for in $SINCO_BENCH_DATA)",
    )
    parser.add_argument(
        "--limit",
        type=whole,
        default=6,
        metavar="N",
        help="images, each of another patient (default 6)",
    )
    parser.add_argument(
        "--optimizer",
        action="append",
        metavar="NAME",
        help="only this one of the grid; the default is always fitted too",
    )
    parser.add_argument(
        "--lr",
        action="append",
        metavar="RATE",
        help="this rate instead of the grid's; may be repeated",
    )
    parser.add_argument(
        "--steps",
        type=whole,
        metavar="N",
        help="SOAP's steps, and Adam's are 2.5 times as many (default 400)",
    )
    parser.add_argument(
        "--set",
        dest="sets",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of a selected plug-in: hidden_layers=5, or lgg.size=256",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("results/runs/tuning"),
        metavar="FOLDER",
        help="where the fits and the tables are kept (default results/runs/tuning)",
    )
    parser.add_argument(
        "--device", default="auto", metavar="D", help="auto (CUDA when there), cpu or cuda"
    )
    parser.add_argument(
        "--batch", type=whole, metavar="K", help="fits at once (default: about 131,072 pixels)"
    )
    add_plugins(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")


def run(args: argparse.Namespace) -> int:
    """Search, write both files and print the choices; 0 well, 1 where a fit raised, 130 where
    interrupted.
    """
    try:
        return _run(args)
    except KeyboardInterrupt:
        print(
            f"\ninterrupted; every finished batch is kept in {args.out}. To go on:\n  python -m"
            f" benchmark {shlex.join(sys.argv[1:])}",
            file=sys.stderr,
        )
        return 130


def _run(args: argparse.Namespace) -> int:
    inrs, optimizers, lrs = _checked(args)
    from benchmark.cli.progress import progress_for
    from benchmark.plan.job import parse_sets
    from benchmark.plan.recipes import preset
    from benchmark.plugins.choice import Choice

    given = parse_sets(args.sets, [*(("inr", name) for name in inrs), ("dataset", args.dataset)])
    for name in inrs:
        if (size := index.get("inr", name).declared["size"]) is None:
            raise InputError(
                f"--inr {name}",
                "it does not say which argument sets its size",
                f'@register.inr("{name}", size="...", ...)',
            )
        if size in given.get(("inr", name), {}):
            raise InputError(
                f"--set {size}=...",
                f"it is the size of {name}, which the search sets itself",
                "leave it out",
            )

    from benchmark.device import resolve_device
    from benchmark.report.tuning import as_json, markdown, outcomes
    from benchmark.search.tune import (
        ERROR,
        Candidate,
        plan_search,
        recipes,
        search,
        training_images,
    )

    device = resolve_device(args.device)
    choices = [
        Choice.of(
            "inr",
            name,
            **{**given.get(("inr", name), {}), index.get("inr", name).declared["size"]: ...},
        )
        for name in inrs
    ]
    grid = {
        inr.name: recipes(inr, preset("standard"), optimizers, lrs, args.steps) for inr in choices
    }
    dataset = index.get("dataset", args.dataset).load()(
        args.root, **given.get(("dataset", args.dataset), {})
    )
    samples, notes = training_images(dataset, args.limit)
    planned, cells, more = plan_search(choices, samples, grid)
    with progress_for(sys.stderr, quiet=args.json) as progress:
        for note in [*notes, *more]:
            progress.say(note)
        rows = search(
            planned,
            cells,
            samples,
            args.out / "fits.csv",
            progress,
            device=device,
            batch=args.batch,
        )
    tuned = outcomes(rows, {name: Candidate.of(grid[name][0]) for name in inrs})
    page = args.out / "tuning.md"
    page.write_text(markdown(rows, tuned, _command(args, inrs)), encoding="utf-8")
    if args.json:
        print(
            json.dumps(
                {
                    "fits": str(args.out / "fits.csv"),
                    "page": str(page),
                    "notes": [*notes, *more],
                    "tuned": [as_json(one) for one in tuned],
                },
                indent=2,
            )
        )
    else:
        _print(tuned, page, args.out / "fits.csv")
    return 1 if any(row.went_wrong.startswith(ERROR) for row in rows) else 0


def _checked(
    args: argparse.Namespace,
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[float, ...]]:
    """Backbones, optimizers and rates that were asked for; raises InputError before anything heavy
    is imported.
    """
    inrs, optimizers = split(args.inr) or (INR,), split(args.optimizer)
    lrs = numbers("--lr", args.lr, float)
    for kind, name in [
        *(("inr", name) for name in inrs),
        *(("optimizer", name) for name in optimizers),
        ("dataset", args.dataset),
    ]:
        if (why := index.get(kind, name).unavailable()) is not None:
            raise InputError(
                f"--{kind} {name}",
                why,
                index.get(kind, name).declared["install"] or f"python -m benchmark list {kind}",
            )
    for name in ("limit", "steps", "batch"):
        if getattr(args, name) is not None and getattr(args, name) < 1:
            raise InputError(
                f"--{name} {getattr(args, name)}", "it must be at least 1", f"--{name} 6"
            )
    for lr in lrs:
        if not (math.isfinite(lr) and lr > 0):
            raise InputError(f"--lr {lr}", "it must be above 0", "--lr 3e-3")
    return inrs, optimizers, lrs


def _command(args: argparse.Namespace, inrs: tuple[str, ...]) -> str:
    """What makes the page again. Without --root and --out: a page travels, folders do not."""
    words = [
        "tune",
        *(f"--inr {name}" for name in inrs),
        f"--dataset {args.dataset}",
        f"--limit {args.limit}",
        *(
            f"--{name} {value}"
            for name in ("optimizer", "lr")
            for value in getattr(args, name) or []
        ),
        *([f"--steps {args.steps}"] if args.steps else []),
        *(f"--set {text}" for text in args.sets),
    ]
    return "python -m benchmark " + " ".join(words)


def _print(tuned: Any, page: Path, fits: Path) -> None:
    from benchmark.report.tuning import RULE, summary

    print("\n".join(summary(tuned).lines()))
    print(RULE.replace(" (bold)", ""))
    print(f"wrote {fits}\n      {page}")

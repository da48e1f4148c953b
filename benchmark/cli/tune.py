"""Search the optimizer and learning rate of backbones: one grid, the same for every backbone and
size, each fit recorded.

Fits images of the train split (one with a lesion of each patient) without a penalty, at three sizes
of each backbone (0.3, 0.6 and 1.2 bpp at 10 bits), writes fits.csv and tuning.md, and says which
candidate is best with a margin to where fits go wrong, beside what the shipped default gives. The
same command again does only what is missing; with more backbones it adds them.

examples:
  python -m benchmark tune --inr siren --inr fourier --dataset lgg --limit 6 --out results/tuning
  python -m benchmark tune --inr siren --optimizer soap --lr 2e-3,3e-3,4e-3 --limit 2
  python -m benchmark tune --inr mine --plugin mine.py --dataset lgg --set lgg.size=256
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path

from benchmark.cli.parser import (
    Parser,
    add_device,
    add_json,
    add_plugins,
    add_root,
    add_sets,
    request_of,
)
from benchmark.cli.selection import numbers, split, whole
from benchmark.plan.selection import INR


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    backbones = f"backbone (default {INR}); may be repeated"
    add("--inr", action="append", metavar="NAME", help=backbones)
    data = "data set (default mni-lesion, embedded)"
    add("--dataset", default="mni-lesion", metavar="NAME", help=data)
    add_root(parser)
    images = "images, each of another patient (default 6)"
    add("--limit", type=whole, default=6, metavar="N", help=images)
    one = "only this one of the grid; the default is always fitted too"
    add("--optimizer", action="append", metavar="NAME", help=one)
    rate = "this rate instead of the grid's; may be repeated"
    add("--lr", action="append", metavar="RATE", help=rate)
    steps = "SOAP's steps, and Adam's are 2.5 times as many (default 400)"
    add("--steps", type=whole, metavar="N", help=steps)
    add_sets(parser, "an option of a selected plug-in: hidden_layers=5, or lgg.size=256")
    out = "where the fits and the tables are kept (default results/runs/tuning)"
    add("--out", type=Path, default=Path("results/runs/tuning"), metavar="FOLDER", help=out)
    add_device(parser)
    at_once = "fits at once (default: about 131,072 pixels)"
    add("--batch", type=whole, metavar="K", help=at_once)
    add_plugins(parser)
    add_json(parser, "print JSON instead of the table")


def run(args: argparse.Namespace) -> int:
    """Search, write both files and print the choices; 0 well, 1 where a fit raised, 130 where
    interrupted.
    """
    from benchmark.cli.progress import progress_for
    from benchmark.search.tuning import TuneRequest, tune_rates

    request = request_of(
        TuneRequest,
        args,
        inr=split(args.inr) or (INR,),
        optimizer=split(args.optimizer),
        lr=numbers("--lr", args.lr, float),
    )
    try:
        with progress_for(sys.stderr, quiet=args.json) as progress:
            found = tune_rates(request, progress)
    except KeyboardInterrupt:
        print(
            f"\ninterrupted; every finished batch is kept in {args.out}. To go on:\n  python -m"
            f" benchmark {shlex.join(sys.argv[1:])}",
            file=sys.stderr,
        )
        return 130
    from benchmark.report.tuned import plain, text, write_tuning

    page = write_tuning(found)
    if args.json:
        print(json.dumps(plain(found, page), indent=2))
    else:
        print(text(found))
        print(f"wrote {found.fits}\n      {page}")
    return 1 if found.raised else 0

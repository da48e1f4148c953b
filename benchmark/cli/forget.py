"""Take an experiment, or some of its cells, out of a run's folder.

Cells that another experiment of that folder has too stay where they are. Without --yes it says what
would go, and asks.

examples:
  python -m benchmark forget results/runs/lgg                      what is there
  python -m benchmark forget results/runs/lgg --experiment typo
  python -m benchmark forget results/runs/lgg --lambda 1e5 --yes       cells, whoever has them
  python -m benchmark forget results/runs/lgg --inr fourier --image TCGA_HT_7680-011 --yes
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli.selection import numbers, split
from benchmark.errors import InputError

if TYPE_CHECKING:
    from benchmark.store.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the --out of a run")
    parser.add_argument("--experiment", metavar="NAME", help="the experiment that goes")
    parser.add_argument("--inr", action="append", metavar="NAME", help="cells of this backbone")
    parser.add_argument(
        "--lambda", dest="lam", action="append", metavar="L", help="SINCO cells of this weight"
    )
    parser.add_argument("--image", action="append", metavar="ID", help="cells of this image")
    parser.add_argument("--yes", action="store_true", help="do it without asking")


def run(args: argparse.Namespace) -> int:
    """Say what is there or what goes, and let it go; 0, or 2 where it may not."""
    from benchmark.store.forget import forget_cells, forget_experiment, matching
    from benchmark.store.store import Store

    inrs, images = split(args.inr), split(args.image)
    lams = numbers("--lambda", args.lam, float)
    with Store(args.folder, create=False) as store:
        if args.experiment is not None:
            if inrs or images or lams:
                raise InputError(
                    "forget --experiment with --inr, --lambda or --image",
                    "an experiment goes as a whole",
                    "one or the other",
                )
            store.experiments.get(args.experiment)
            _ask(f"the experiment {args.experiment} of {args.folder}", args.yes)
            gone = forget_experiment(store, args.experiment)
        elif inrs or images or lams:
            keys = matching(store, inr=inrs, lam=lams, image=images)
            _ask(f"{len(keys)} cells of {args.folder}", args.yes)
            gone = forget_cells(store, keys)
        else:
            _list(store, args.folder)
            return 0
    print(f"{gone} cells are gone; python -m benchmark report {args.folder} makes the tables again")
    return 0


def _list(store: Store, folder: Path) -> None:
    found = store.experiments.all()
    print(
        f"{folder}: {len(found)} experiment{'s' * (len(found) != 1)}, {store.count()} cells stored"
    )
    for experiment in found:
        cells = len(store.experiments.keys(experiment.name))
        print(f"  {experiment.name:<28}{experiment.status:<13}{cells:>7} cells asked for")


def _ask(what: str, sure: bool) -> None:
    """Raises InputError where nobody says yes."""
    if sure:
        return
    if sys.stdin.isatty() and sys.stderr.isatty():
        print(f"{what}: forget it? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() in ("y", "yes"):
            return
    raise InputError(f"to forget {what}", "nobody said yes", "the same with --yes")

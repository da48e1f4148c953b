"""Fit, encode, decode, score and compare: where does a segmenter in the loss help, and where does
it not?

Each image is fitted without the penalty, with it, and as a null twin (the same plain fit from
weights scaled by 1 + 1e-7), written to a file, decoded and read. JPEG 2000 stands beside them at
the same bytes. The same command again does only what is missing; ctrl-C keeps what is finished.

examples:
  python -m benchmark run --inr siren --lambda 1e-5
  python -m benchmark run --inr siren --inr fourier --lambda 0,1e-6,1e-5,1e-4 --seed 0,1,2
  python -m benchmark run --dataset lgg --root FOLDER --limit 12 --preset standard --lambda 1e-3
  python -m benchmark run --dataset decathlon --root FOLDER --set decathlon.size=128
  python -m benchmark run --inr mine --plugin mine.py --bpp 0.4 --set omega_0=60
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from typing import TYPE_CHECKING

from benchmark.cli.parser import Parser
from benchmark.cli.selection import add_selection, default_out, selection_of
from benchmark.errors import InputError

if TYPE_CHECKING:
    from benchmark.plan.selection import Selection


def add_arguments(parser: Parser) -> None:
    add_selection(parser)
    parser.add_argument(
        "--name",
        metavar="NAME",
        help="of the experiment in that folder (default: the time); the same command goes on",
    )
    parser.add_argument(
        "--yes", action="store_true", help="run values that are hardly meant without asking"
    )


def run(args: argparse.Namespace) -> int:
    """Run the job and print its tables; 0 well, 1 where cells failed, 130 where interrupted."""
    try:
        return _run(args)
    except KeyboardInterrupt:
        again = " ".join(shlex.quote(word) for word in sys.argv[1:] if word != "--fresh")
        print(
            f"\ninterrupted; what was finished is kept in {default_out(args)}. To go on:\n  python"
            f" -m benchmark {again}",
            file=sys.stderr,
        )
        return 130


def _run(args: argparse.Namespace) -> int:
    from benchmark.cli.progress import progress_for
    from benchmark.plan.job import resolve

    selection = selection_of(args)
    job = resolve(selection)
    check_doubts(selection, sure=args.yes)
    out = default_out(args)
    quiet = args.json or args.quiet
    with progress_for(sys.stderr, quiet=quiet) as progress:
        from benchmark.runner.experiment import Engine, run_experiment

        done = run_experiment(
            job,
            out,
            name=args.name,
            engine=Engine(args.device, args.batch, args.kernel, args.fresh),
            listener=progress,
            command=sys.argv[1:],
        )
    from benchmark.report import write_report
    from benchmark.report.opened import Run

    with Run(out, done.name) as opened:
        paths = write_report(
            opened.view,
            out,
            segment=done.runner.segments(),
            describe=done.runner.descriptions(),
        )
        if args.json:
            from benchmark.report.summary import as_json

            print(json.dumps(as_json(opened.view, paths), indent=2))
        elif not args.quiet:
            from rich.console import Console

            from benchmark.report import print_tables

            print_tables(opened.view, Console())
            print("wrote " + "\n      ".join(str(path) for path in [opened.store.path, *paths]))
    return 1 if done.failed else 0


def check_doubts(selection: Selection, *, sure: bool) -> None:
    """Ask before values are run that are hardly meant; raises InputError where nobody can be asked
    or the answer is no.
    """
    from benchmark.plan.doubts import doubts

    found = [] if sure else doubts(selection)
    if not found:
        return
    if sys.stdin.isatty() and sys.stderr.isatty():
        print("\n".join(found), file=sys.stderr)
        print("run it all the same? [y/N] ", end="", file=sys.stderr, flush=True)
        if sys.stdin.readline().strip().lower() in ("y", "yes"):
            return
    raise InputError("; ".join(found), "hardly meant", "a usual value, or --yes where it is meant")

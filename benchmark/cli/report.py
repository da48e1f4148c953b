"""Make the tables and pictures of a stored run again; nothing is fitted.

Every number is read from the folder's store.sqlite. Each run into a folder is an experiment of its
own there: the one that was finished last is shown, or the one that --experiment names; --all takes
in all that the folder has.

examples:
  python -m benchmark report results/runs/mni-lesion
  python -m benchmark report results/runs/lgg --all --out results/lgg
  python -m benchmark report results/runs/lgg --experiment rates --inr siren --lambda 1e-3
  python -m benchmark report results/runs/lgg --json > summaries.json
  python -m benchmark report results/runs/lgg --all --publish results/lgg
  python -m benchmark report results/runs/mni-lesion --files files
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli.parser import add_plugins

if TYPE_CHECKING:
    from benchmark.store.view import Only


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="the --out of a run, with its store.sqlite"
    )
    parser.add_argument(
        "--experiment",
        metavar="NAME",
        help="which of the folder's experiments (default: the one that was finished last)",
    )
    parser.add_argument("--inr", action="append", metavar="NAME", help="only this backbone")
    parser.add_argument(
        "--lambda", dest="lam", action="append", metavar="L", help="only this weight of the penalty"
    )
    parser.add_argument("--image", action="append", metavar="ID", help="only this image")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where to write (default: the same folder)"
    )
    parser.add_argument(
        "--all",
        action="store_true",
        dest="everything",
        help="all stored cells instead of those of one experiment",
    )
    parser.add_argument(
        "--publish",
        type=Path,
        metavar="FOLDER",
        help=(
            "copy the store there without the originals' pixels, and make everything from the copy"
        ),
    )
    parser.add_argument(
        "--files",
        type=Path,
        metavar="FOLDER",
        help="write every compressed file there, for `decode`",
    )
    add_plugins(parser)
    parser.add_argument("--json", action="store_true", help="print the summaries and paths as JSON")


def run(args: argparse.Namespace) -> int:
    from benchmark.report import print_tables
    from benchmark.report.opened import Run
    from benchmark.store.store import Store

    only = only_of(args)
    if args.publish:
        with Store(args.folder, create=False) as store:
            store.publish(args.publish)
        args.folder = args.publish
    with Run(args.folder, args.experiment, everything=args.everything, only=only) as opened:
        if args.files:
            from benchmark.report.files import write_files

            written = write_files(opened.view, args.files)
            print(f"wrote {len(written)} files into {args.files}", file=sys.stderr)
        for reader in opened.networks[1]:
            print(f"no contours or captions of the reader {reader}", file=sys.stderr)
        paths = opened.report(args.out or folder_of(args))
        if args.json:
            from benchmark.report.summary import as_json

            print(json.dumps(as_json(opened.view, paths), indent=2))
            return 0
        from rich.console import Console

        print_tables(opened.view, Console())
    print("wrote " + "\n      ".join(map(str, paths)))
    return 0


def folder_of(args: argparse.Namespace) -> Path:
    """Where tables go: those of the experiment that is shown by default into the run's folder,
    those of another one below it, so that they do not take each other's place.
    """
    folder: Path = args.folder
    return folder if args.experiment is None else folder / args.experiment


def only_of(args: argparse.Namespace) -> Only | None:
    """The part of an experiment that the options name; None where they name none."""
    from benchmark.cli.selection import numbers, split
    from benchmark.store.view import Only

    only = Only(split(args.inr), numbers("--lambda", args.lam, float), split(args.image))
    return None if only == Only() else only

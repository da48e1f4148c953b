"""Look at every case of a real copy, all splits: what it holds, and what is wrong with it.

Counts, shapes, spacings, intensities and label values; then findings, each with a name, where it is
and what to do. Of a data set whose option `channel` may be `all`, all channels are looked at unless
--set channel says otherwise. Exit code 1 where a finding is a failure (unreadable files, persons or
equal pictures on both sides of a split, unknown labels), 0 else.

examples:
  python -m benchmark data check lgg --root FOLDER
  python -m benchmark data check brats --root FOLDER --against lgg lgg@OTHER_FOLDER
  python -m benchmark data check lgg --json
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmark.cli.parser import add_dataset, add_json, add_plugins
from benchmark.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_dataset(parser, sets="an option of the data set: labels=core; may be repeated")
    parser.add_argument(
        "--against",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME[@FOLDER]",
        help="other data sets: who and what is in both, and in other splits there",
    )
    add_plugins(parser)
    add_json(parser, "print JSON: findings, and the facts of every case")


def run(args: argparse.Namespace) -> int:
    """Look and print; exit code 1 where something found is a failure."""
    copies = [(args.name, args.root), *map(_name_and_root, args.against)]
    from benchmark.datacheck.look import look_at_data

    found = look_at_data(copies, args.sets, _progress)
    if args.json:
        from benchmark.report.data_check import as_json

        print(json.dumps(as_json(found), indent=2, allow_nan=False))
    else:
        from rich.console import Console

        from benchmark.report.data_check import print_data_check

        print_data_check(found, Console())
    return 1 if found.failed else 0


def _name_and_root(text: str) -> tuple[str, Path | None]:
    name, at, root = text.partition("@")
    if not name or (at and not root):
        todo = "--against lgg or --against lgg@FOLDER"
        raise InputError(f"--against {text}", "it is not NAME or NAME@FOLDER", todo)
    return name, Path(root) if root else None


def _progress(cases: Sequence[Any]) -> Iterable[Any]:
    """A bar on a terminal, nothing where errors are piped."""
    if not sys.stderr.isatty():
        return cases
    from rich.console import Console
    from rich.progress import track

    return track(cases, "looking at cases", console=Console(stderr=True), transient=True)

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
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmark.cli.parser import add_plugins
from benchmark.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="data set; `list dataset` shows them")
    parser.add_argument(
        "--root",
        type=Path,
        metavar="FOLDER",
        help="its folder (default: looked for in $SINCO_BENCH_DATA)",
    )
    parser.add_argument(
        "--set",
        dest="sets",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the data set: labels=core; may be repeated",
    )
    parser.add_argument(
        "--against",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME[@FOLDER]",
        help="other data sets: who and what is in both, and in other splits there",
    )
    add_plugins(parser)
    parser.add_argument(
        "--json", action="store_true", help="print JSON: findings, and the facts of every case"
    )


def run(args: argparse.Namespace) -> int:
    from benchmark.plan.job import parse_sets
    from benchmark.plugins import index

    asked = [(args.name, args.root), *map(_name_and_root, args.against)]
    entries = {name: index.get("dataset", name) for name, _ in asked}
    for name, entry in entries.items():
        if (why := entry.unavailable()) is not None:
            raise InputError(
                f"the data set {name}", why, entry.declared["install"] or "another data set"
            )
    options = parse_sets(args.sets, [("dataset", name) for name in entries])
    twice = {name for name, count in Counter(name for name, _ in asked).items() if count > 1}
    from benchmark.datacheck import Source, survey

    sources = []
    for name, root in asked:
        make, given = partial(entries[name].load(), root), options.get(("dataset", name), {})
        title = f"{name}@{root or '$SINCO_BENCH_DATA'}" if name in twice else name
        channels = next(
            (option.choices for option in entries[name].options if option.name == "channel"), ()
        )
        if given.get("channel", "all") == "all" and "all" in channels:
            alone = {
                channel: make(**given | {"channel": channel})
                for channel in channels
                if channel != "all"
            }
            sources.append(Source(title, make(**given | {"channel": "all"}), alone))
        else:
            sources.append(Source(title, make(**given)))
    found = survey(sources, _progress)
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
        raise InputError(
            f"--against {text}",
            "it is not NAME or NAME@FOLDER",
            "--against lgg or --against lgg@FOLDER",
        )
    return name, Path(root) if root else None


def _progress(cases: Sequence[Any]) -> Iterable[Any]:
    """A bar on a terminal, nothing where errors are piped."""
    if not sys.stderr.isatty():
        return cases
    from rich.console import Console
    from rich.progress import track

    return track(cases, "looking at cases", console=Console(stderr=True), transient=True)

"""Run the contract checks of one plug-in: small named claims, the same for those that come along
and for yours.

examples:
  python -m benchmark check inr siren
  python -m benchmark check inr mine --plugin mine.py
  python -m benchmark check dataset lgg --root ../data/lgg/kaggle_3m
  python -m benchmark check dataset folder --root FOLDER --set "masks=labels/{stem}*"
  python -m benchmark check inr siren --json
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark.cli.parser import add_plugins
from benchmark.errors import InputError, did_you_mean
from benchmark.plugins import index


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", metavar="KIND", help=", ".join(index.PACKAGES))
    parser.add_argument(
        "name", metavar="NAME", help="a plug-in of that kind; `list KIND` shows them"
    )
    add_plugins(parser)
    parser.add_argument(
        "--root",
        type=Path,
        metavar="FOLDER",
        help="of a data set (default: looked for in $SINCO_BENCH_DATA)",
    )
    parser.add_argument(
        "--set",
        dest="sets",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the plug-in",
    )
    parser.add_argument(
        "--json", action="store_true", help="print JSON: each claim with its status and why"
    )


def run(args: argparse.Namespace) -> int:
    """Print each claim as it is looked at; exit code 1 when one fails."""
    if args.kind not in index.PACKAGES:
        raise InputError(
            f"python -m benchmark check {args.kind}",
            "no such kind of plug-in",
            did_you_mean(args.kind, index.PACKAGES),
        )
    if args.root is not None and args.kind != "dataset":
        raise InputError(
            f"--root {args.root}",
            f"a plug-in of kind {args.kind} has no folder",
            "leave --root out",
        )
    entry = index.get(args.kind, args.name)
    if (why := entry.unavailable()) is not None:
        raise InputError(
            f"to check {args.kind} {args.name}", why, entry.declared["install"] or "another plug-in"
        )
    from benchmark.checks import Subject, run_checks
    from benchmark.plan.job import parse_sets

    given: dict[str, Any] = parse_sets(args.sets, [(args.kind, args.name)]).get(
        (args.kind, args.name), {}
    )
    results = []
    for result in run_checks(
        args.kind, Subject.registered(entry, **given, **({"root": args.root} if args.root else {}))
    ):
        results.append(result)
        if not args.json:
            print(result, flush=True)
    counts = Counter(result.status for result in results)
    if args.json:
        print(
            json.dumps(
                {
                    "kind": args.kind,
                    "name": args.name,
                    "results": [asdict(result) for result in results],
                },
                indent=2,
            )
        )
    else:
        ran = counts["ok"] + counts["failed"]
        print(
            f"{args.kind} {args.name}: {ran} of {len(results)} checks ran, {counts['failed']}"
            f" failed, {counts['skipped']} skipped"
        )
    return 1 if counts["failed"] else 0

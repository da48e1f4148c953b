"""Run the contract checks of one plug-in: small named claims, the same for those that come along
and for yours.

examples:
  python -m benchmark check inr siren
  python -m benchmark check inr mine --plugin mine.py
  python -m benchmark check dataset lgg --root ../data/lgg/kaggle_3m
  python -m benchmark check dataset folder --root FOLDER --set "masks=labels/{stem}*"
  python -m benchmark check inr siren --json

The last line counts the claims that ran and says why others were skipped. Exit code 0: all ran and
passed; 1: one failed, or one was skipped and --allow-skips is not there.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.cli.parser import add_plugins
from benchmark.cli.words import as_options
from benchmark.errors import InputError, did_you_mean
from benchmark.plugins import index

if TYPE_CHECKING:
    from benchmark.checks import Checked


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
        "--allow-skips",
        action="store_true",
        help="exit with 0 where claims were skipped and none failed",
    )
    parser.add_argument(
        "--json", action="store_true", help="print JSON: each claim with its status and why"
    )


def run(args: argparse.Namespace) -> int:
    """Print each claim as it is looked at; exit code 1 when one fails, or is skipped."""
    from benchmark.checks import Checked, run_checks, subject_of

    options = _options(args)
    subject = subject_of(args.kind, args.name, **options)
    found = []
    for claim in run_checks(args.kind, subject):
        found.append(claim)
        if not args.json:
            print(as_options(claim.line), flush=True)
    checked = Checked(args.kind, args.name, tuple(found))
    if args.json:
        print(json.dumps(_as_json(checked), indent=2))
    else:
        print(as_options(checked.summary()))
    return 0 if checked.ok and (args.allow_skips or not checked.skipped) else 1


def _options(args: argparse.Namespace) -> dict[str, Any]:
    """The arguments of the plug-in; raises InputError before anything heavy is loaded."""
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
    plugin = (args.kind, args.name)
    entry = index.get(*plugin)
    if (why := entry.unavailable()) is not None:
        raise InputError(
            f"to check {args.kind} {args.name}", why, entry.declared["install"] or "another plug-in"
        )
    from benchmark.plugins.sets import options_by_plugin

    given: dict[str, Any] = options_by_plugin(args.sets, [plugin]).get(plugin, {})
    return given if args.root is None else {**given, "root": args.root}


def _as_json(checked: Checked) -> dict[str, Any]:
    claims = []
    for claim in checked.claims:
        claims.append(asdict(claim) | {"why": as_options(claim.why)})
    return {
        "kind": checked.kind,
        "name": checked.name,
        "ok": checked.ok,
        "claims": claims,
    }

"""The data sets: which are here, where, under which licence, and how to get the others.

example:
  python -m benchmark data list --json
"""

from __future__ import annotations

import argparse
import json

from benchmark.cli.list import wrapped
from benchmark.cli.parser import Parser, add_json
from benchmark.cli.words import as_options


def add_arguments(parser: Parser) -> None:
    add_json(parser, "print JSON instead of the list")


def run(args: argparse.Namespace) -> int:
    """Print every data set: a line of what it is, then where it is or what to do."""
    from benchmark.plugins.catalog import datasets_here

    facts = {}
    for name, found in datasets_here().items():
        facts[name] = {
            "doc": found.doc,
            "licence": found.licence,
            "here": found.here,
            "missing": as_options(found.missing),
            "get it": as_options(found.get),
        }
    if args.json:
        print(json.dumps(facts, indent=2))
        return 0
    for name, fact in facts.items():
        lines = wrapped(f"{name:<17}", fact["doc"])
        for what in ("here", "missing", "get it", "licence"):
            if fact[what]:
                lines += wrapped(f"{'':<17}{what + ':':<9}", fact[what])
        print("\n".join(lines))
    return 0

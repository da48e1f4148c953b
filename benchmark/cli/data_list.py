"""The data sets: which are here, where, under which licence, and how to get the others.

example:
  python -m benchmark data list --json
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from benchmark.cli.list import wrapped
from benchmark.cli.parser import Parser
from benchmark.errors import InputError


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON instead of the list")


def run(args: argparse.Namespace) -> int:
    from benchmark.plugins import index

    facts = {name: _facts(entry) for name, entry in index.entries("dataset").items()}
    if args.json:
        print(json.dumps(facts, indent=2))
        return 0
    for name, fact in facts.items():
        lines = wrapped(f"{name:<17}", fact["doc"])
        for what in ("here", "missing", "get it", "licence"):
            lines += wrapped(f"{'':<17}{what + ':':<9}", fact[what]) if fact[what] else []
        print("\n".join(lines))
    return 0


def _facts(entry: Any) -> dict[str, str]:
    try:
        dataset = entry.load()
    except InputError as error:
        return {
            "doc": entry.doc,
            "here": "",
            "missing": error.found,
            "get it": error.todo,
            "licence": "",
        }
    fact = {"doc": entry.doc, "licence": dataset.licence, "here": "", "missing": "", "get it": ""}
    try:
        fact["here"] = str(dataset().fetch() or "embedded")
    except InputError as error:
        fact["missing"] = error.found
        automatic = dataset.source is not None or dataset.kaggle
        fact["get it"] = (
            f"python -m benchmark data fetch {entry.name}"
            if automatic
            else dataset.get or error.todo
        )
    return fact

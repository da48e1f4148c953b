"""What this machine has for a run, what is missing, and what to type for each missing thing.

examples:
  python -m benchmark doctor
  python -m benchmark doctor --json               a list of {part, ok, found, todo}
"""

from __future__ import annotations

import argparse
import json

from benchmark.cli.parser import add_json
from benchmark.cli.words import as_options


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_json(parser, "print JSON: a list of {part, ok, found, todo}")


def run(args: argparse.Namespace) -> int:
    """Print every part: whether it is there, and what to type where it is not."""
    from benchmark.runner.doctor import look_at_machine

    found = look_at_machine()
    if args.json:
        facts = []
        for one in found:
            todo = [as_options(line) for line in one.todo]
            said = as_options(one.found)
            facts.append({"part": one.part, "ok": one.ok, "found": said, "todo": todo})
        print(json.dumps(facts, indent=2))
        return 0
    width = max(len(one.part) for one in found) + 2
    for one in found:
        print(f"{'ok' if one.ok else '--'}  {one.part:<{width}}{as_options(one.found)}")
        for line in one.todo:
            print(" " * (width + 4) + as_options(line))
    return 0

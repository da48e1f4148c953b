"""The plug-ins and presets by name: what each is, whether it can run here (or why not and what to
type), its options.

examples:
  python -m benchmark list                        everything
  python -m benchmark list inr                    one kind
  python -m benchmark list inr siren              one plug-in: its whole text and its options
  python -m benchmark list --json                 the same, for a script
  python -m benchmark list --plugin mine.py       with the plug-ins of a file of yours
"""

from __future__ import annotations

import argparse
import json
import shutil
import textwrap
from dataclasses import asdict
from typing import Any

from benchmark.cli.parser import add_json, add_plugins
from benchmark.plan.catalog import KINDS, catalog, entry_of
from benchmark.plugins.catalog import Facts

Plain = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", nargs="?", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("name", nargs="?", metavar="NAME", help="one plug-in of that kind")
    add_plugins(parser)
    add_json(parser, "print JSON: kind -> name -> facts")


def run(args: argparse.Namespace) -> int:
    """Print everything, one kind, or one plug-in."""
    if args.name is None:
        chosen = catalog(args.kind)
    else:
        chosen = {args.kind: {args.name: entry_of(args.kind, args.name)}}
    found = {kind: _plain(plugins) for kind, plugins in chosen.items()}
    if args.json:
        print(json.dumps(found, indent=2))
    elif args.name is not None:
        print("\n".join(_one(args.kind, args.name, found[args.kind][args.name])))
    else:
        print("\n\n".join(map("\n".join, map(_table, found.items()))))
    return 0


def _plain(plugins: dict[str, Facts]) -> dict[str, Plain]:
    """name -> facts as plain values, without a file where there is none."""
    found = {name: asdict(facts) for name, facts in plugins.items()}
    for facts in found.values():
        if not facts["file"]:
            del facts["file"], facts["module"]
    return found


def _table(found: tuple[str, dict[str, Plain]]) -> list[str]:
    """A kind, and a line or more of each of its plug-ins."""
    kind, plugins = found
    if not plugins:
        return [kind, "  none"]
    width = max(map(len, plugins)) + 2
    lines = [kind]
    for name, facts in plugins.items():
        lines += wrapped(f"  {name:<{width}}", facts["doc"])
        if facts["why"]:
            lines += wrapped(" " * (width + 2), f"not available: {facts['why']}")
        if facts["todo"]:  # what to type is never wrapped: it is there to be copied
            lines.append(" " * (width + 2) + facts["todo"])
    return lines


def wrapped(head: str, text: str) -> list[str]:
    """Lines of the terminal's width: the text behind its head."""
    width = max(shutil.get_terminal_size((110, 24)).columns, 60)
    indent = " " * len(head)
    return textwrap.wrap(
        text, width, initial_indent=head, subsequent_indent=indent, break_on_hyphens=False
    ) or [head]


def _one(kind: str, name: str, facts: Plain) -> list[str]:
    """The whole text of one plug-in, why it cannot run, its file and its options."""
    lines = [f"{kind} {name}", ""]
    lines += [textwrap.indent(facts["description"], "  "), ""]
    if facts["why"]:
        lines.append(f"  not available: {facts['why']}")
        lines += [f"  {facts['todo']}", ""] if facts["todo"] else [""]
    if "file" in facts:
        lines += [f"  file: {facts['file']}", ""]
    if not facts["options"]:
        return [*lines, "  no options"]
    lines.append("  sets:" if kind == "preset" else "  options (--set NAME=VALUE), with defaults:")
    options = facts["options"]
    name_width = max(len(option["name"]) for option in options)
    default_width = max(len(str(option["default"])) for option in options)
    for option in options:
        values = " | ".join(map(str, option["choices"])) or option["type"]
        start = f"    {option['name']:<{name_width}}  {option['default']!s:<{default_width}}"
        lines.append(f"{start}  {values}")
    return lines

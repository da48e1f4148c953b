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
import ast
import json
import shutil
import textwrap
from dataclasses import asdict
from typing import Any

from benchmark.cli.parser import add_plugins
from benchmark.errors import InputError, did_you_mean
from benchmark.plan.recipes import PRESETS, Preset
from benchmark.plugins import index
from benchmark.report.table import Table

KINDS = (*index.PACKAGES, "preset")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", nargs="?", metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("name", nargs="?", metavar="NAME", help="one plug-in of that kind")
    add_plugins(parser)
    parser.add_argument("--json", action="store_true", help="print JSON: kind -> name -> facts")


def run(args: argparse.Namespace) -> int:
    if args.kind is not None and args.kind not in KINDS:
        raise InputError(
            f"list {args.kind}", "no such kind of plug-in", did_you_mean(args.kind, KINDS)
        )
    found = {kind: facts_of(kind) for kind in ([args.kind] if args.kind else KINDS)}
    if args.name is not None:
        known = found[args.kind]
        if args.name not in known:
            asked = f"list {args.kind} {args.name}"
            raise InputError(asked, f"no {args.kind} of that name", did_you_mean(args.name, known))
        found = {args.kind: {args.name: known[args.name]}}
    if args.json:
        print(json.dumps(found, indent=2))
    elif args.name is not None:
        print("\n".join(_one(args.kind, args.name, found[args.kind][args.name])))
    else:
        print("\n\n".join("\n".join([kind, *_table(plugins)]) for kind, plugins in found.items()))
    return 0


def facts_of(kind: str) -> dict[str, dict[str, Any]]:
    """name -> plain facts of every plug-in of a kind, or of every preset. Imports none of them."""
    if kind == "preset":
        return {name: _preset_facts(preset) for name, preset in PRESETS.items()}
    return {name: _plugin_facts(entry) for name, entry in index.entries(kind).items()}


def _plugin_facts(entry: index.Entry) -> dict[str, Any]:
    why = entry.unavailable()
    return {
        "doc": entry.doc,
        "description": _whole_docstring(entry),
        "available": why is None,
        "why": why,
        "todo": (entry.declared["install"] or None) if why else None,
        "file": str(entry.path),
        "module": entry.module,
        "options": [asdict(option) for option in entry.options],
    }


def _preset_facts(preset: Preset) -> dict[str, Any]:
    given = {
        key: value
        for key, value in asdict(preset).items()
        if key != "doc" and value not in (None, {})
    }
    return {
        "doc": preset.doc,
        "description": preset.doc,
        "available": True,
        "why": None,
        "todo": None,
        "options": [
            {"name": key, "type": type(value).__name__, "default": value, "choices": ()}
            for key, value in given.items()
        ],
    }


def _whole_docstring(entry: index.Entry) -> str:
    for node in ast.parse(entry.path.read_bytes()).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == entry.attribute:
            return ast.get_docstring(node) or entry.doc
    return entry.doc


def _table(plugins: dict[str, dict[str, Any]]) -> list[str]:
    if not plugins:
        return ["  none"]
    width = max(len(name) for name in plugins) + 2
    lines = []
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


def _one(kind: str, name: str, facts: dict[str, Any]) -> list[str]:
    lines = [
        f"{kind} {name}",
        "",
        *(f"  {line}".rstrip() for line in facts["description"].splitlines()),
        "",
    ]
    if facts["why"]:
        lines += [
            f"  not available: {facts['why']}",
            *([f"  {facts['todo']}"] if facts["todo"] else []),
            "",
        ]
    if "file" in facts:
        lines += [f"  file: {facts['file']}", ""]
    if not facts["options"]:
        return [*lines, "  no options"]
    lines.append("  sets:" if kind == "preset" else "  options (--set NAME=VALUE), with defaults:")
    rows = []
    for option in facts["options"]:
        values = " | ".join(map(str, option["choices"])) or option["type"]
        rows.append((option["name"], str(option["default"]), values))
    return lines + [f"    {line}" for line in Table((), rows, align="lll").lines()]

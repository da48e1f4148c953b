"""The argument parser: errors in three parts, did-you-mean for options, help as wide as the
terminal with worked examples kept as they are written; and the options that many commands share.
"""

from __future__ import annotations

import argparse
import re
import textwrap
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from benchmark.errors import InputError, did_you_mean

T = TypeVar("T")


class Help(argparse.RawDescriptionHelpFormatter):
    """Paragraphs and lists of a description are wrapped; worked examples are kept."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        paragraphs = textwrap.dedent(text).strip().split("\n\n")
        return "\n\n".join(_wrapped(paragraph, width) for paragraph in paragraphs)


def _wrapped(paragraph: str, width: int) -> str:
    """One paragraph in lines of at most `width`, but for worked examples and longer words."""
    lines, examples = [], "  python -m benchmark" in paragraph
    for text in re.split(r"\n(?= )", paragraph):  # a line that is indented begins a list's item
        if examples and text.startswith(" "):
            lines.append(text)
            continue
        item = re.match(r" +\S+ +", text)
        lines += textwrap.wrap(
            " ".join(text.splitlines()),
            width,
            subsequent_indent=" " * len(item[0] if item else ""),
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(lines)


class Parser(argparse.ArgumentParser):
    """argparse with no abbreviations, and with errors that are raised as InputError."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs |= {"allow_abbrev": False, "formatter_class": Help}
        super().__init__(**kwargs)

    def error(self, message: str) -> NoReturn:
        todo = f"{self.prog} --help"
        if unknown := re.match(r"unrecognized arguments: (--[\w-]+)", message):
            todo = did_you_mean(unknown[1], self._option_string_actions)
        raise InputError(self.prog, message, todo)


def add_plugins(parser: argparse.ArgumentParser) -> None:
    """The option `--plugin`, whose files are known before a command begins."""
    parser.add_argument(
        "--plugin",
        action="append",
        default=[],
        type=Path,
        metavar="FILE.py",
        help="a file with plug-ins of your own",
    )


def add_root(parser: argparse._ActionsContainer) -> None:
    """The option `--root`: where a data set is."""
    text = "its folder (default: looked for in $SINCO_BENCH_DATA)"
    parser.add_argument("--root", type=Path, metavar="FOLDER", help=text)


def add_sets(parser: argparse._ActionsContainer, text: str) -> None:
    """The option `--set`, which may be repeated."""
    how: dict[str, Any] = {"dest": "sets", "action": "append", "default": []}
    parser.add_argument("--set", **how, metavar="NAME=VALUE", help=text)


def add_device(parser: argparse._ActionsContainer) -> None:
    """The option `--device`."""
    text = "auto (CUDA when there), cpu or cuda"
    parser.add_argument("--device", default="auto", metavar="D", help=text)


def add_json(parser: argparse._ActionsContainer, text: str = "print JSON") -> None:
    """The option `--json`."""
    parser.add_argument("--json", action="store_true", help=text)


def add_dataset(
    parser: argparse.ArgumentParser,
    text: str = "data set; `list dataset` shows them",
    sets: str = "an option of the data set: size=256; may be repeated",
) -> None:
    """A data set by name, its folder and its options."""
    parser.add_argument("name", metavar="NAME", help=text)
    add_root(parser)
    add_sets(parser, sets)


def add_out(
    parser: argparse._ActionsContainer,
    text: str,
    metavar: str = "FOLDER",
    required: bool = False,
) -> None:
    """The option `--out`."""
    parser.add_argument("--out", type=Path, metavar=metavar, required=required, help=text)


def request_of(kind: type[T], args: argparse.Namespace, **given: Any) -> T:
    """A request of the library from the arguments of the same names; `given` wins over them."""
    values = vars(args) | given
    asked = {}
    for one in fields(kind):  # type: ignore[arg-type]
        if one.name in values:
            value = values[one.name]
            asked[one.name] = tuple(value) if isinstance(value, list) else value
    return kind(**asked)

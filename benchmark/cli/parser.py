"""The argument parser: errors in three parts, did-you-mean for options, worked examples kept as
they are written.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any, NoReturn

from benchmark.errors import InputError, did_you_mean


class Parser(argparse.ArgumentParser):
    """argparse with no abbreviations, and with errors that are raised as InputError."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs |= {"allow_abbrev": False, "formatter_class": argparse.RawDescriptionHelpFormatter}
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

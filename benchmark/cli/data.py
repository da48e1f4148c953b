"""Get a data set and look at it: where it is, what it holds, what is wrong with it, a contact
sheet, its split; or write one anew.

examples:
  python -m benchmark data list
  python -m benchmark data fetch decathlon
  python -m benchmark data check lgg --root FOLDER
  python -m benchmark data show mni-lesion --limit 24 --out contact.png
  python -m benchmark data show lgg --root FOLDER --set slices=largest
  python -m benchmark data split lgg --out lgg.tsv
  python -m benchmark data strip lgg --root FOLDER --out lgg-stripped
  python -m benchmark data task01 --from-brats FOLDER --out Task01_BrainTumour
  python -m benchmark data show decathlon --root Task01_BrainTumour --set labels=core
"""

from __future__ import annotations

import argparse
import inspect

from benchmark.cli import (
    data_check,
    data_fetch,
    data_list,
    data_show,
    data_split,
    data_strip,
    data_task01,
)
from benchmark.cli.parser import Parser

# name -> (its file, what the list of commands says of it); each has add_arguments(parser) and
# run(args).
COMMANDS = {
    "list": (data_list, "which data sets are here, and how to get the others"),
    "fetch": (data_fetch, "download a data set"),
    "check": (data_check, "look at every case: what is there, and what is wrong with it"),
    "show": (data_show, "write a contact sheet of a data set"),
    "split": (data_split, "write who is in which split as a file that can be cited"),
    "strip": (data_strip, "write a data set of volumes without skulls"),
    "task01": (data_task01, "write BraTS cases in Task01's layout"),
}


def add_arguments(parser: Parser) -> None:
    commands = parser.add_subparsers(
        dest="what", required=True, metavar=f"{{{','.join(COMMANDS)}}}", parser_class=Parser
    )
    for name, (module, text) in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=inspect.getdoc(module))
        module.add_arguments(command)
        command.add_argument(
            "--debug",
            action="store_true",
            default=argparse.SUPPRESS,
            help="show a traceback with an error",
        )
        command.set_defaults(act=module.run)


def run(args: argparse.Namespace) -> int:
    code: int = args.act(args)
    return code

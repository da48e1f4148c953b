"""Write a plug-in file that works and passes the checks of its kind, to be changed into yours.

In a checkout it is written beside the others of its kind; elsewhere to the current folder, and then
named with --plugin. docs/plug-ins/ has one page a kind.

examples:
  python -m benchmark new inr my-network
  python -m benchmark new dataset our-scans
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmark.plugins import index
from benchmark.plugins.new import home, new_plugin

# What to type once the checks pass.
NEXT = {
    "inr": "python -m benchmark run --inr {name} --lambda 1e-5",
    "segmenter": "python -m benchmark train --segmenter {name} --dataset mni-lesion",
    "dataset": "python -m benchmark data show {name}",
    "codec": "python -m benchmark run --inr siren --codec {name}",
    "regularizer": "python -m benchmark run --inr siren --regularizer {name} --lambda 1e-5",
    "optimizer": "python -m benchmark run --inr siren --optimizer {name} --lambda 1e-5",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", metavar="KIND", help=", ".join(index.PACKAGES))
    parser.add_argument("name", metavar="NAME", help="lower-case letters, digits and hyphens")


def run(args: argparse.Namespace) -> int:
    """Write the file and print what to type next; never overwrites one."""
    known = args.kind in index.PACKAGES
    folder = home(args.kind) if known else None
    path = new_plugin(args.kind, args.name, folder or Path())
    hint = "" if folder else f" --plugin {path}"
    print(f"wrote {path}\nnext:")
    print(f"  python -m benchmark check {args.kind} {args.name}{hint}")
    print(f"  {NEXT[args.kind].format(name=args.name)}{hint}")
    return 0

"""Write a contact sheet of a split, of images from its first to its last: plain, and with the
outline of the mask.

examples:
  python -m benchmark data show mni-lesion --set contrast=t1 --out t1.png
  python -m benchmark data show lgg --root FOLDER --split val --limit 12
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmark.cli.parser import add_dataset, add_plugins
from benchmark.cli.words import shown


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add_dataset(parser)
    add("--split", default="test", metavar="NAME", help="train, val or test (default test)")
    limit = "N images, evenly spread over the split (default 24)"
    add("--limit", type=int, default=24, metavar="N", help=limit)
    add_plugins(parser)
    picture = "the picture (default contact.png)"
    add("--out", type=Path, default=Path("contact.png"), metavar="FILE", help=picture)


def run(args: argparse.Namespace) -> int:
    """Write the sheet; exit code 1 where an image could not be read."""
    from benchmark.plugins.sets import dataset_with

    dataset, _ = dataset_with(args.name, args.root, args.sets)
    from benchmark.images.contact import show_split

    sheet = show_split(args.name, dataset, args.out, args.split, args.limit)
    for error in sheet.unreadable:
        print(shown(error), file=sys.stderr)
    said = f"{sheet.shown} of {sheet.total} images, written to {sheet.path}"
    print(f"{args.name}, split {args.split}: {said}")
    return 1 if sheet.unreadable else 0

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

from benchmark.cli.parser import add_plugins
from benchmark.errors import InputError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="data set; `list dataset` shows them")
    parser.add_argument(
        "--root",
        type=Path,
        metavar="FOLDER",
        help="its folder (default: looked for in $SINCO_BENCH_DATA)",
    )
    parser.add_argument(
        "--split", default="test", metavar="NAME", help="train, val or test (default test)"
    )
    parser.add_argument(
        "--limit",
        type=int,
        default=24,
        metavar="N",
        help="N images, evenly spread over the split (default 24)",
    )
    parser.add_argument(
        "--set",
        dest="sets",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the data set: size=256; may be repeated",
    )
    add_plugins(parser)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("contact.png"),
        metavar="FILE",
        help="the picture (default contact.png)",
    )


def run(args: argparse.Namespace) -> int:
    from benchmark.images.sheet import save_sheet
    from benchmark.plan.job import parse_sets
    from benchmark.plugins.index import get

    if args.limit < 1:
        raise InputError(f"--limit {args.limit}", "nothing would be shown", "--limit 24")
    options = parse_sets(args.sets, [("dataset", args.name)]).get(("dataset", args.name), {})
    dataset = get("dataset", args.name).load()(args.root, **options)
    ids = dataset.ids(args.split)
    if not ids:
        raise InputError(
            f"{args.name}, split {args.split}", "no image in it", "--split train, val or test"
        )
    count = min(args.limit, len(ids))
    samples, unreadable = [], 0
    for sample_id in (ids[i * len(ids) // count] for i in range(count)):
        try:
            samples.append(dataset.load(sample_id))
        except InputError as error:
            unreadable += 1
            print(error, file=sys.stderr)
    if not samples:
        raise InputError(
            f"{args.name}, split {args.split}",
            f"none of {count} images can be read",
            f"python -m benchmark data check {args.name}",
        )
    path = save_sheet(samples, args.out)
    print(
        f"{args.name}, split {args.split}: {len(samples)} of {len(ids)} images, written to {path}"
    )
    return 1 if unreadable else 0

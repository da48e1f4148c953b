"""Write who is in which split as a file that can be cited, with its hash.

Splits go by person, not by slice: a hash of the name alone decides, whoever else is there, and
those who are in several data sets (TCGA, BRATS 2013) have one in all of them. BraTS cases of 2017
and later have their TCGA name only where the release's mapping .csv lies beside them: keep it
there. The file is used with --set splits=FILE.

examples:
  python -m benchmark data split lgg --out lgg.tsv
  python -m benchmark run --dataset lgg --set splits=lgg.tsv
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path

from benchmark.cli.parser import Parser, add_plugins
from benchmark.errors import InputError


def add_arguments(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME", help="data set of volumes; `data list` shows them")
    parser.add_argument(
        "--root",
        type=Path,
        metavar="FOLDER",
        help="its folder (default: looked for in $SINCO_BENCH_DATA)",
    )
    parser.add_argument(
        "--set",
        dest="sets",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the data set",
    )
    add_plugins(parser)
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="where to write it (default: it is printed)"
    )


def run(args: argparse.Namespace) -> int:
    from benchmark.images.volumes import VolumeDataset
    from benchmark.plan.job import parse_sets
    from benchmark.plugins.index import get

    options = parse_sets(args.sets, [("dataset", args.name)]).get(("dataset", args.name), {})
    dataset = get("dataset", args.name).load()(args.root, **options)
    if not isinstance(dataset, VolumeDataset):
        raise InputError(
            f"the split of {args.name} as a file",
            "its splits are part of its plug-in, the same everywhere",
            f"python -m benchmark list dataset {args.name}",
        )
    dataset.fetch()
    split = dataset.split_file()
    if args.out is None:
        print(split.text(args.name), end="")
        return 0
    if args.out.exists():
        raise InputError(
            f"--out {args.out}",
            "it is there already",
            "another file, so that nothing that was cited is lost",
        )
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(split.text(args.name), encoding="utf-8")
    counts = Counter(split.persons.values())
    print(
        f"{args.name}: {counts['train']} train, {counts['val']} val, {counts['test']} test, written"
        f" to {args.out}\nsha256 {split.hash}"
    )
    return 0

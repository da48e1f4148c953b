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

from benchmark.cli.parser import Parser, add_dataset, add_out, add_plugins


def add_arguments(parser: Parser) -> None:
    volumes = "data set of volumes; `data list` shows them"
    add_dataset(parser, volumes, sets="an option of the data set")
    add_plugins(parser)
    add_out(parser, "where to write it (default: it is printed)", "FILE")


def run(args: argparse.Namespace) -> int:
    """Print the split, or write it and say how many are where."""
    from benchmark.plugins.sets import dataset_with

    dataset, _ = dataset_with(args.name, args.root, args.sets)
    from benchmark.images.split_files import split_of, write_split

    split = split_of(args.name, dataset)
    if args.out is None:
        print(split.text(args.name), end="")
        return 0
    write_split(split, args.name, args.out)
    counts = Counter(split.persons.values())
    said = f"{counts['train']} train, {counts['val']} val, {counts['test']} test"
    print(f"{args.name}: {said}, written to {args.out}\nsha256 {split.hash}")
    return 0

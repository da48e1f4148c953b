"""Write BraTS cases as Task01_BrainTumour, which the data set `decathlon` reads: 4-D images,
renumbered labels, dataset.json.

example:
  python -m benchmark data task01 --from-brats Brats18_2013_21_1 --out Task01_BrainTumour
"""

from __future__ import annotations

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from-brats",
        type=Path,
        nargs="+",
        required=True,
        metavar="FOLDER",
        help="a case (*_flair, *_t1, *_t1ce, *_t2 and *_seg.nii.gz), or a folder of cases",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="the folder to write"
    )
    parser.add_argument(
        "--uncompressed",
        action="store_true",
        help="write .nii: larger, but one slice can be read without the rest",
    )


def run(args: argparse.Namespace) -> int:
    from benchmark.files.task01 import write_task01

    for name, case in write_task01(
        args.from_brats, args.out, compressed=not args.uncompressed
    ).items():
        print(f"{name}  from {case}")
    print(
        f"written to {args.out}; look at it: python -m benchmark data show decathlon --root"
        f" {args.out}"
    )
    return 0

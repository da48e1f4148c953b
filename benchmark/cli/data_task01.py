"""Write BraTS cases as Task01_BrainTumour, which the data set `decathlon` reads: 4-D images,
renumbered labels, dataset.json.

example:
  python -m benchmark data task01 --from-brats Brats18_2013_21_1 --out Task01_BrainTumour
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmark.cli.parser import add_out


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    cases = "a case (*_flair, *_t1, *_t1ce, *_t2 and *_seg.nii.gz), or a folder of cases"
    add("--from-brats", type=Path, nargs="+", required=True, metavar="FOLDER", help=cases)
    add_out(parser, "the folder to write", "DIR", required=True)
    plain = "write .nii: larger, but one slice can be read without the rest"
    add("--uncompressed", action="store_true", help=plain)


def run(args: argparse.Namespace) -> int:
    """Write the cases, and say which became which."""
    from benchmark.files.task01 import write_task01

    made = write_task01(args.from_brats, args.out, compressed=not args.uncompressed)
    for name, case in made.items():
        print(f"{name}  from {case}")
    look = f"python -m benchmark data show decathlon --root {args.out}"
    print(f"written to {args.out}; look at it: {look}")
    return 0

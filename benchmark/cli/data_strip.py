"""Write a data set of volumes anew without skulls, as files that the data set `folder` reads: skull
stripping as preprocessing.

Each case becomes images/CASE.nii.gz (intensities as they are inside the brain, background outside),
masks/CASE.nii.gz (what counts as lesion) and brains/CASE.nii.gz, at its own size and spacing,
slices under their own numbers; --set chooses channel and labels. splits.tsv keeps everyone in the
split that they are in there. Cases that are there whole are left as they are: an interrupted run
goes on where it was.

examples:
  python -m benchmark data strip lgg --out lgg-stripped
  python -m benchmark data strip ms --by resunet3d@BRAIN.safetensors --force --out ms-stripped
  python -m benchmark data show folder --root lgg-stripped --set slices=largest
  python -m benchmark train --segmenter unet --dataset folder --root lgg-stripped --set slices=all
"""

from __future__ import annotations

import argparse
import shlex
import sys
from typing import TYPE_CHECKING

from benchmark.cli.parser import (
    Parser,
    add_dataset,
    add_device,
    add_out,
    add_plugins,
    request_of,
)
from benchmark.cli.words import shown

if TYPE_CHECKING:
    from benchmark.networks.stripping import StrippedCase, StrippedFolder


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add_dataset(parser, "data set of volumes; `data list` shows them")
    brains = "classical (default), or a network that marks brains, NAME[@FILE]"
    add("--by", default="classical", metavar="HOW", help=brains)
    size = "pixels a side that the network reads (default: what its card says)"
    add("--size", type=int, metavar="N", help=size)
    planes = "planes that a network of volumes reads (default: those of each case)"
    add("--planes", type=int, default=0, metavar="N", help=planes)
    splits = ("train", "val", "test", "all")
    add("--split", choices=splits, default="all", help="only cases of one split (default all)")
    add("--limit", type=int, metavar="N", help="only the first N cases")
    forced = "use a network on a data set that it was not trained on"
    add("--force", action="store_true", help=forced)
    add_out(parser, "the folder to write, or to go on with", required=True)
    add_device(parser)
    add_plugins(parser)


def run(args: argparse.Namespace) -> int:
    """Strip case by case; exit code 1 when one cannot be read, or shows no brain."""
    from benchmark.networks.stripping import Stripping, StripRequest

    stripping = Stripping(request_of(StripRequest, args))
    try:
        done = stripping.run(_tell)
    except KeyboardInterrupt:
        again = "interrupted: what is written is whole, and the same line goes on from there"
        print(again, file=sys.stderr)
        return 130
    finally:
        _tell_folder(stripping.finish())
    return 1 if any(case.failed for case in done) else 0


def _tell(case: StrippedCase, number: int, count: int) -> None:
    at = f"{number}/{count}  {case.case}"
    if case.error is not None:
        print(shown(case.error), file=sys.stderr)
    elif case.failed:
        print(f"{at}  is left out: {case.failed}", file=sys.stderr)
    elif case.was_there:
        print(f"{at}  is there")
    else:
        said = [f"{case.brain_share:.0%} of the volume is brain"]
        if case.lesion_outside:
            said.append(f"{case.lesion_outside:.1%} of its lesion lies outside")
        print(f"{at}  {'; '.join([*said, *case.notes])}", flush=True)


def _tell_folder(folder: StrippedFolder) -> None:
    """What is there now, and what to type next."""
    if not folder.cases:
        print("nothing is written")
        return
    sets = " ".join(f"--set {shlex.quote(text)}" for text in folder.sets)
    line = f"--root {shlex.quote(str(folder.out))} --split {folder.split} {sets}"
    look = f"look at them: python -m benchmark data show folder {line}"
    print(f"{folder.cases} cases in {folder.out}; {look}")
    if folder.torn:
        torn = f"`folder` takes {folder.torn} for one patient, who is in two splits here"
        print(f"note: no splits.tsv: {torn}")

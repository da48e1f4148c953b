"""How well trained networks read originals: scores by image and patient, post-processing,
calibration, the worst images.

This is the bound that every score on compressed images is read against. Give several networks to
have them side by side. A network that answers with a class gets accuracy, recall by class and a
confusion matrix instead. Intervals are over patients. Writes evaluation.md, per_patient.csv,
per_image.csv, calibration.png and worst.png.

post-processing (--post), each scored apart beside the raw masks; several steps at once with a plus:
  largest      the largest component of the volume (slices whose numbers follow one another)
  small        without objects below 40 mm2
  consistent   without objects that overlap nothing in the slices before and after
  stripped     the network reads the image without skull (--strip says how that is found)

examples:
  python -m benchmark evaluate --segmenter unet --dataset mni-lesion
  python -m benchmark evaluate --segmenter unet --segmenter dilated --dataset lgg --set slices=all
  python -m benchmark evaluate --segmenter unet --dataset lgg --post largest,small,stripped+largest
  python -m benchmark evaluate --segmenter unet+dilated --dataset lgg --json
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmark.cli.parser import (
    Parser,
    add_device,
    add_json,
    add_out,
    add_plugins,
    add_sets,
    request_of,
)
from benchmark.cli.selection import add_images, split
from benchmark.errors import field
from benchmark.folders import check_writable


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    networks = "a trained network; may be repeated, NAME+NAME is an ensemble"
    add("--segmenter", action="append", metavar="NAME[@FILE]", required=True, help=networks)
    add_images(parser, dims="which networks of volumes read whole")
    add_sets(parser, "an option of the data set: slices=all")
    steps = "post-processing to be scored apart: largest, small, consistent, stripped, or a+b"
    add("--post", action="append", metavar="STEPS", help=steps)
    brains = "how `stripped` finds the brain: classical (default), or a network that marks brains"
    add("--strip", default="classical", metavar="HOW", help=brains + ", NAME@FILE")
    forced = "use a checkpoint on a data set that it was not trained on"
    add("--force", action="store_true", help=forced)
    add_out(parser, "where tables and pictures go (default results/runs/DATASET-evaluation)")
    add_device(parser)
    add_plugins(parser)
    add_json(parser, "print JSON instead of tables")


def run(args: argparse.Namespace) -> int:
    """Read, print, write; exit code 1 when an image could not be read."""
    from benchmark.cli.progress import progress_for
    from benchmark.runner.evaluation import (
        EvaluateRequest,
        check_evaluation,
        evaluate_networks,
    )

    request = request_of(
        EvaluateRequest,
        args,
        segmenter=split(args.segmenter),
        post=split(args.post) or tuple(args.post or ()),
        image=args.image or (),
    )
    check_evaluation(request)  # a mistyped name is told before a folder that cannot be written
    out = args.out or Path("results") / "runs" / f"{args.dataset}-evaluation"
    check_writable(out, f"{field('out', out)} for tables")
    with progress_for(sys.stderr, quiet=args.json) as progress:
        found = evaluate_networks(request, progress)

    from benchmark.report.evaluated import plain, text, write_evaluation

    paths = write_evaluation(found, out)
    print(json.dumps(plain(found, paths), indent=2) if args.json else text(found, paths))
    return 1 if found.unreadable else 0

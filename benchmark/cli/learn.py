"""Learn an initial state of a backbone from training images, for `run --init learned`: Reptile
(arXiv 1803.02999).

Fits one image with a lesion of each of --limit patients of the train split for a few steps, batch
by batch, and moves the state towards where they end. The size must be given, since a state belongs
to one. The result is a file of float32 parameters in the cache folder; compressed files made with
it hold all weights, so decoding does not need it.

examples:
  python -m benchmark learn --inr siren --dataset lgg --set hidden_features=16
  python -m benchmark learn --dataset lgg --set hidden_features=28 --rounds 96 --limit 48
  python -m benchmark learn --inr mine --plugin mine.py --set mine.width=16 --out mine.safetensors
"""

from __future__ import annotations

import argparse
import json
import sys

from benchmark.cli.parser import (
    Parser,
    add_device,
    add_json,
    add_out,
    add_plugins,
    add_root,
    add_sets,
    request_of,
)
from benchmark.cli.selection import whole
from benchmark.cli.words import as_options
from benchmark.plan.selection import INR
from benchmark.search.learning import LIMIT, ROUNDS, STEPS, LearnRequest, learn_state


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add("--inr", default=INR, metavar="NAME", help=f"backbone (default {INR})")
    data = "data set (default mni-lesion, embedded)"
    add("--dataset", default="mni-lesion", metavar="NAME", help=data)
    add_root(parser)
    images = f"images, each of another patient (default {LIMIT})"
    add("--limit", type=whole, default=LIMIT, metavar="N", help=images)
    sizes = "its size must be among them: hidden_features=16"
    add_sets(parser, f"an option of the backbone or the data set; {sizes}")
    moves = f"moves of the state (default {ROUNDS})"
    add("--rounds", type=whole, default=ROUNDS, metavar="N", help=moves)
    steps = f"steps of each fit (default {STEPS})"
    add("--steps", type=whole, default=STEPS, metavar="N", help=steps)
    add_out(parser, "where to write it (default: where --init learned looks)", "FILE")
    add_device(parser)
    add_plugins(parser)
    add_json(parser, "print JSON instead of text")


def run(args: argparse.Namespace) -> int:
    """Learn, write the file, and say how to use it."""
    from benchmark.cli.progress import progress_for

    with progress_for(sys.stderr, quiet=args.json) as progress:
        made = learn_state(request_of(LearnRequest, args), progress)
    if args.json:
        facts = {"path": str(made.path), "bytes": made.bytes}
        print(
            json.dumps(
                facts | {"card": made.card, "notes": list(map(as_options, made.notes))}, indent=2
            )
        )
        return 0
    words = [f"--inr {args.inr}", f"--dataset {args.dataset}"]
    words += [f"--set {text}" for text in args.sets]
    run_it = f"python -m benchmark run {' '.join(words)} --init {args.out or 'learned'}"
    count = len(made.card["images"])
    wrote = f"wrote {made.path} ({made.bytes:,} bytes)"
    print(f"learned from {count} images of as many patients; {wrote}. To use it:\n  {run_it}")
    return 0

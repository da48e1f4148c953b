"""Learn an initial state of a backbone from training images, for `run --init learned`: Reptile
(arXiv 1803.02999).

Fits one image with a lesion of each of --limit patients of the train split for a few steps, batch
by batch, and moves the state towards where they end. The size must be given, since a state belongs
to one. The result is a file of float32 parameters in the cache folder; compressed files made with
it hold all weights, so decoding does not need it.

examples:
  python -m benchmark learn --inr siren --dataset lgg --set hidden_features=16
  python -m benchmark learn --inr siren --dataset lgg --root FOLDER --set hidden_features=28 --set hidden_layers=9 --rounds 96 --limit 48
  python -m benchmark learn --inr mine --plugin mine.py --set mine.width=16 --out mine.safetensors
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmark.cli.parser import Parser, add_plugins
from benchmark.cli.selection import whole
from benchmark.errors import InputError
from benchmark.plan.selection import INR
from benchmark.plugins import index

ROUNDS, STEPS, LIMIT = 48, 20, 24


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--inr", default=INR, metavar="NAME", help=f"backbone (default {INR})")
    parser.add_argument(
        "--dataset",
        default="mni-lesion",
        metavar="NAME",
        help="data set (default mni-lesion, embedded)",
    )
    parser.add_argument(
        "--root",
        type=Path,
        metavar="FOLDER",
        help="its folder (default: looked for in $SINCO_BENCH_DATA)",
    )
    parser.add_argument(
        "--limit",
        type=whole,
        default=LIMIT,
        metavar="N",
        help=f"images, each of another patient (default {LIMIT})",
    )
    parser.add_argument(
        "--set",
        dest="sets",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=(
            "an option of the backbone or the data set; its size must be among them:"
            " hidden_features=16"
        ),
    )
    parser.add_argument(
        "--rounds",
        type=whole,
        default=ROUNDS,
        metavar="N",
        help=f"moves of the state (default {ROUNDS})",
    )
    parser.add_argument(
        "--steps",
        type=whole,
        default=STEPS,
        metavar="N",
        help=f"steps of each fit (default {STEPS})",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="where to write it (default: where --init learned looks)",
    )
    parser.add_argument(
        "--device", default="auto", metavar="D", help="auto (CUDA when there), cpu or cuda"
    )
    add_plugins(parser)
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def run(args: argparse.Namespace) -> int:
    """Learn, write the file, and say how to use it."""
    entry, data = index.get("inr", args.inr), index.get("dataset", args.dataset)
    for found in (entry, data):
        if (why := found.unavailable()) is not None:
            raise InputError(
                f"--{found.kind} {found.name}",
                why,
                found.declared["install"] or f"python -m benchmark list {found.kind}",
            )
    for name in ("limit", "rounds", "steps"):
        if getattr(args, name) < 1:
            raise InputError(
                f"--{name} {getattr(args, name)}",
                "it must be at least 1",
                f"--{name} {globals()[name.upper()]}",
            )
    from benchmark.plan.inits import check_size_is_given, default_path
    from benchmark.plan.job import parse_sets
    from benchmark.plugins.choice import Choice

    given = parse_sets(args.sets, [("inr", args.inr), ("dataset", args.dataset)])
    own, size = given.get(("inr", args.inr), {}), entry.declared["size"]
    inr = Choice.of("inr", args.inr, **({size: ...} if size else {}) | own)
    check_size_is_given(inr, f"learn --inr {args.inr}")

    from benchmark.device import resolve_device
    from benchmark.search.learn import images_to_learn, learn, save

    def say(text: str) -> None:
        if not args.json:
            print(text, file=sys.stderr)

    device = resolve_device(args.device)
    samples, notes = images_to_learn(
        data.load()(args.root, **given.get(("dataset", args.dataset), {})), args.limit
    )
    for note in notes:
        say(note)
    state = learn(inr, samples, rounds=args.rounds, steps=args.steps, device=device, say=say)
    path = args.out or default_path(inr, args.dataset)
    card = save(path, state, inr, samples, rounds=args.rounds, steps=args.steps)
    if args.json:
        print(
            json.dumps(
                {"path": str(path), "bytes": path.stat().st_size, "card": card, "notes": notes},
                indent=2,
            )
        )
        return 0
    words = " ".join(
        [f"--inr {args.inr}", f"--dataset {args.dataset}", *(f"--set {text}" for text in args.sets)]
    )
    print(
        f"learned from {len(samples)} images of as many patients; wrote {path}"
        f" ({path.stat().st_size:,} bytes). To use it:\n  python -m benchmark run {words} --init"
        f" {args.out or 'learned'}"
    )
    return 0

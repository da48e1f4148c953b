"""Train a segmenter or a classifier on a data set, and write a checkpoint with a card that says
how.

Reads the train and val splits for training and stopping, and the test split once at the end: of
masks Dice, IoU, precision, recall, HD95 and volume error by patient, and falsely marked pixels on
slices without a lesion; of labels accuracy and recall by class. Beside the checkpoint goes a
picture of the learning curves.

examples:
  python -m benchmark train --segmenter unet --dataset mni-lesion
  python -m benchmark train --segmenter unet --dataset lgg --root FOLDER --set lgg.slices=all
  python -m benchmark train --segmenter unet --dataset lgg --recipe reproduction --set base=64
  python -m benchmark train --segmenter unet --dataset ms --init-from lgg --freeze down --lr 5e-4
  python -m benchmark train --segmenter unet --dataset lgg --train-on both --train-bpp 0.6
  python -m benchmark train --segmenter vgg16 --dataset brain-tumor-mri --recipe classifier
  python -m benchmark train --segmenter unet --dataset lgg --resume

The last one goes on after ctrl-C or a crash, with the same result.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys

from benchmark.cli.parser import (
    add_device,
    add_json,
    add_out,
    add_plugins,
    add_root,
    add_sets,
    request_of,
)
from benchmark.plan.selection import CODECS
from benchmark.training.recipe import AUGMENTS, LOSSES, RATES, RECIPES, SCHEDULES, TARGETS, TRAIN_ON


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    networks = "the network to train; `python -m benchmark list segmenter`"
    add("--segmenter", required=True, metavar="NAME", help=networks)
    datasets = "the data set to train on; `python -m benchmark list dataset`"
    add("--dataset", required=True, metavar="NAME", help=datasets)
    add_root(parser)
    add_sets(
        parser, "an option of the segmenter, the data set or the compressor: base=8, PLUGIN.base=8"
    )
    add("--target", choices=TARGETS, default="lesion", help="which masks to learn")
    _add_how(parser)
    _add_start(parser)
    add("--train-on", choices=TRAIN_ON, default="original", help="images of the train split")
    codec = f"with --train-on: a codec or an INR (default: {CODECS[0]})"
    add("--compressor", default=CODECS[0], metavar="NAME", help=codec)
    rate = "with --train-on: bits a pixel (default: 0.6)"
    add("--train-bpp", type=float, default=0.6, metavar="B", help=rate)
    fast = "auto: bf16 where the processor multiplies it (twice as fast), else float32"
    add("--precision", choices=("auto", "float32", "bf16"), default="auto", help=fast)
    add_device(parser)
    add_out(parser, "the checkpoint (default: in the cache, where `run` looks for it)", "FILE")
    again = "go on with the unfinished training of the same command; where there is none, start it"
    add("--resume", action="store_true", help=again)
    add_plugins(parser)
    add_json(parser, "print the card as JSON")


def _add_how(parser: argparse.ArgumentParser) -> None:
    """The options that a recipe sets the defaults of."""
    add = parser.add_argument
    recipe = "defaults of the prior work for the options below; each option that is given wins"
    add("--recipe", choices=tuple(RECIPES), help=recipe)
    losses = (*LOSSES["mask"], *LOSSES["label"])
    said = f"{', '.join(losses)} (default: {losses[0]}; of labels {LOSSES['label'][0]})"
    add("--loss", choices=losses, metavar="NAME", help=said)
    add("--optimizer", choices=tuple(RATES), help="default: adamw; sgd has momentum 0.9")
    rate = "learning rate, of the one-cycle schedule its peak (default: 2e-3, of sgd 1e-2)"
    add("--lr", type=float, metavar="RATE", help=rate)
    add("--schedule", choices=SCHEDULES, help="default: one-cycle")
    add("--epochs", type=int, metavar="N", help="default: as many as show 16,000 images")
    add("--batch", type=int, metavar="N", help="images a step (default: 16, of volumes 2)")
    stop = "stop after so many epochs without a better validation score; 0: never (default: 10)"
    add("--patience", type=int, metavar="N", help=stop)
    add("--augment", choices=AUGMENTS, default="full", help="default: full; volumes flip only")
    add("--seed", type=int, default=0, metavar="N", help="default: 0")


def _add_start(parser: argparse.ArgumentParser) -> None:
    """The options of weights that are there before."""
    add = parser.add_argument
    start = (
        "start from NAME@FILE, FILE.safetensors, or this segmenter's weights for another data set"
        " (default: random)"
    )
    add("--init-from", "--init", dest="init_from", metavar="CHECKPOINT", help=start)
    fresh = "with --init-from: parameters whose names begin so start at random"
    add("--fresh", action="append", default=[], metavar="PREFIX", help=fresh)
    stay = "parameters whose names begin so stay as they are"
    add("--freeze", action="append", default=[], metavar="PREFIX", help=stay)
    share = "with --fresh: the share of --lr that loaded weights get (default: 1)"
    add("--loaded-rate", type=float, default=1.0, metavar="SHARE", help=share)


def run(args: argparse.Namespace) -> int:
    """Train and print the test scores; 130 where interrupted."""
    from benchmark.cli.progress import TrainProgress
    from benchmark.training.request import TrainRequest, train_network

    try:
        with TrainProgress(sys.stderr, args.json) as progress:
            done = train_network(request_of(TrainRequest, args), progress)
    except KeyboardInterrupt:
        again = shlex.join(word for word in sys.argv[1:] if word != "--resume")
        print(
            f"interrupted; finished epochs are kept; go on: python -m benchmark {again} --resume",
            file=sys.stderr,
        )
        return 130
    if args.json:
        print(json.dumps(done.card, indent=2))
        return 0
    from benchmark.report.training import table

    print(table(done.card))
    print(
        f"best epoch {done.card['best_epoch']} of {done.card['epochs_run']},"
        f" {done.card['minutes']} minutes; wrote {done.path} and {done.curves}"
    )
    return 0

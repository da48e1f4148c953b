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
  python -m benchmark train --segmenter unet --dataset ms --init-from lgg --freeze down --lr 5e-4     (tumor to lesions of MS)
  python -m benchmark train --segmenter unet --dataset lgg --train-on both --compressor jpeg2000 --train-bpp 0.6
  python -m benchmark train --segmenter mobilenet-v2 --dataset brain-tumor-mri --set size=128 --recipe classifier
  python -m benchmark train --segmenter unet --dataset lgg --resume       (goes on after ctrl-C or a crash, with the same result)
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from benchmark.cli.parser import add_plugins
from benchmark.errors import InputError
from benchmark.networks.checkpoints import checked_path
from benchmark.plan.selection import CODECS
from benchmark.plugins.index import Entry, get
from benchmark.train.recipe import (
    AUGMENTS,
    LOSSES,
    RATES,
    RECIPES,
    SCHEDULES,
    TARGETS,
    TRAIN_ON,
    Progress,
    Training,
    TrainRecipe,
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "--segmenter",
        required=True,
        help="the network to train; `python -m benchmark list segmenter`",
    )
    add(
        "--dataset",
        required=True,
        help="the data set to train on; `python -m benchmark list dataset`",
    )
    add("--root", type=Path, help="folder of the data set (default: SINCO_BENCH_DATA)")
    add(
        "--set",
        dest="sets",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the segmenter, the data set or the compressor: base=8, or PLUGIN.base=8",
    )
    add(
        "--target", choices=TARGETS, default="lesion", help="which masks to learn (default: lesion)"
    )
    add(
        "--recipe",
        choices=tuple(RECIPES),
        help="defaults of the prior work for the options below; each option that is given wins",
    )
    add(
        "--loss",
        choices=tuple(loss for losses in LOSSES.values() for loss in losses),
        help=f"default: {LOSSES['mask'][0]}; of labels {LOSSES['label'][0]}",
    )
    add("--optimizer", choices=tuple(RATES), help="default: adamw; sgd has momentum 0.9")
    add(
        "--lr",
        type=float,
        help="learning rate, of the one-cycle schedule its peak (default: 2e-3, of sgd 1e-2)",
    )
    add("--schedule", choices=SCHEDULES, help="default: one-cycle")
    add("--epochs", type=int, help="default: as many as show 16,000 images")
    add("--batch", type=int, help="images a step (default: 16, of volumes 2)")
    add(
        "--patience",
        type=int,
        help=(
            "stop after so many epochs without a better validation score; 0: never, and keep the"
            " last (default: 10)"
        ),
    )
    add(
        "--augment",
        choices=AUGMENTS,
        default="full",
        help="default: full; volumes are flipped only",
    )
    add("--seed", type=int, default=0)
    add(
        "--init-from",
        "--init",
        dest="init_from",
        metavar="CHECKPOINT",
        help=(
            "start from NAME@FILE, FILE.safetensors, or this segmenter's weights for another data"
            " set (default: random)"
        ),
    )
    add(
        "--fresh",
        action="append",
        default=[],
        metavar="PREFIX",
        help="with --init-from: parameters whose names begin so start at random",
    )
    add(
        "--freeze",
        action="append",
        default=[],
        metavar="PREFIX",
        help="parameters whose names begin so stay as they are",
    )
    add(
        "--loaded-rate",
        type=float,
        default=1.0,
        metavar="SHARE",
        help="with --fresh: the share of --lr that loaded weights get (default: 1)",
    )
    add(
        "--train-on",
        choices=TRAIN_ON,
        default="original",
        help="original, decoded, or both images of the train split (default: original)",
    )
    add(
        "--compressor",
        default=CODECS[0],
        help=f"with --train-on: a codec or an INR (default: {CODECS[0]})",
    )
    add("--train-bpp", type=float, default=0.6, help="with --train-on: bits a pixel (default: 0.6)")
    add(
        "--precision",
        choices=("auto", "float32", "bf16"),
        default="auto",
        help="auto: bf16 where the processor multiplies it (twice as fast), else float32",
    )
    add("--device", default="auto", help="auto (CUDA where there is one), cpu or cuda")
    add("--out", type=Path, help="the checkpoint (default: in the cache, where `run` looks for it)")
    add(
        "--resume",
        action="store_true",
        help=(
            "go on with the unfinished training of the same command; where there is none, start it"
        ),
    )
    add_plugins(parser)
    add("--json", action="store_true", help="print the card as JSON")


def run(args: argparse.Namespace) -> int:
    segmenter, dataset = get("segmenter", args.segmenter), get("dataset", args.dataset)
    recipe = _recipe(args, segmenter)
    out = checked_path(args.out, args.segmenter, args.dataset)
    training = _training(args, segmenter, dataset, recipe, out)
    from benchmark.train.trainer import run_training

    try:
        with Show(args.json) as show:
            card = run_training(training, show)
    except KeyboardInterrupt:
        again = shlex.join(word for word in sys.argv[1:] if word != "--resume")
        print(
            f"interrupted; finished epochs are kept; go on: python -m benchmark {again} --resume",
            file=sys.stderr,
        )
        return 130
    print(json.dumps(card, indent=2) if args.json else table(card, out))
    return 0


def _recipe(args: argparse.Namespace, segmenter: Entry) -> TrainRecipe:
    """The recipe that was asked for: an option, else what --recipe says, else the default."""
    task, volumes = segmenter.declared["task"], segmenter.declared["dims"] == 3
    if not segmenter.declared["trains"]:
        raise InputError(
            f"training {segmenter.name}",
            "it comes ready: it is trained elsewhere",
            f"python -m benchmark import --segmenter {segmenter.name} --dataset {args.dataset}"
            " --file FILE",
        )
    base = RECIPES.get(args.recipe, {})
    optimizer = args.optimizer or base.get("optimizer", "adamw")
    asked = {
        "loss": LOSSES[task][0],
        "optimizer": optimizer,
        "lr": RATES[optimizer],
        "schedule": "one-cycle",
        "epochs": 0,
        "batch": 2 if volumes else 16,
        "patience": 10,
    } | base
    if args.optimizer and args.optimizer != base.get("optimizer"):
        asked["lr"] = RATES[args.optimizer]  # a rate belongs to its optimizer
    asked |= {name: getattr(args, name) for name in asked if getattr(args, name) is not None}
    _check(args, asked, task)
    return TrainRecipe(
        **asked,
        seed=args.seed,
        augment="flips" if volumes and args.augment == "full" else args.augment,
        target=args.target,
        train_on=args.train_on,
        fresh=tuple(args.fresh),
        freeze=tuple(args.freeze),
        loaded_rate=args.loaded_rate,
    )


def _check(args: argparse.Namespace, asked: dict[str, Any], task: str) -> None:
    if asked["loss"] not in LOSSES[task]:
        option = f"--loss {args.loss}" if args.loss else f"--recipe {args.recipe}"
        raise InputError(
            f"{option} for {args.segmenter}",
            f"it learns {task}s",
            f"--loss {' or '.join(LOSSES[task])}",
        )
    if task == "label" and args.target != "lesion":
        raise InputError(
            f"--target {args.target} for {args.segmenter}",
            "it learns labels, not masks",
            "leave it out",
        )
    if args.train_on == "original" and (args.compressor, args.train_bpp) != (CODECS[0], 0.6):
        raise InputError(
            "--compressor or --train-bpp without --train-on",
            "it trains on originals",
            "--train-on compressed, or both",
        )
    if not 0 <= args.seed < 2**32:
        raise InputError(f"--seed {args.seed}", "it is not 0 to 4294967295", "--seed 0")
    if asked["patience"] < 0:
        raise InputError(
            f"--patience {asked['patience']}",
            "it is below 0",
            "--patience 10, or 0 to never stop early",
        )
    above = {
        "epochs": args.epochs,
        "lr": asked["lr"],
        "batch": asked["batch"],
        "train-bpp": args.train_bpp,
        "loaded-rate": args.loaded_rate,
    }
    for name, value in above.items():
        if value is not None and not value > 0:
            raise InputError(
                f"--{name} {value}", "it is not above 0", "python -m benchmark train --help"
            )
    for name, given in (("fresh", bool(args.fresh)), ("loaded-rate", args.loaded_rate != 1)):
        if given and not args.init_from:
            raise InputError(
                f"--{name} without --init-from",
                "without it all weights start at random",
                "--init-from CHECKPOINT",
            )


def _training(
    args: argparse.Namespace, segmenter: Entry, dataset: Entry, recipe: TrainRecipe, out: Path
) -> Training:
    """The options of each plug-in, and the device and precision that `auto` stands for."""
    from dataclasses import replace

    from benchmark.plan.job import parse_sets
    from benchmark.train.decoded import Compressor, kind_of

    chosen = [("segmenter", segmenter.name), ("dataset", dataset.name)]
    if args.train_on != "original":
        chosen.append((kind_of(args.compressor), args.compressor))
    sets = parse_sets(args.sets, chosen)
    options, dataset_options, *others = (sets.get(plugin, {}) for plugin in chosen)
    compressor = Compressor.of(args.compressor, args.train_bpp, others[0]) if others else None
    if compressor:
        recipe = replace(recipe, compressor=compressor.text(), train_bpp=args.train_bpp)
    from benchmark.device import resolve_device
    from benchmark.runner.precision import has_bf16

    device = resolve_device(args.device)
    precision = (
        args.precision if args.precision != "auto" else "bf16" if has_bf16(device) else "float32"
    )
    return Training(
        segmenter,
        dataset,
        replace(recipe, device=device, precision=precision),
        out,
        options,
        dataset_options,
        compressor,
        args.root,
        args.init_from,
        args.resume,
    )


def table(card: dict[str, Any], out: Path) -> str:
    """The test split of a card: by patient, or by class."""
    from benchmark.report.evaluation import answers, by_patient

    lines = []
    for prefix, what in (("test", "test split"), ("test_decoded", "test split, decoded")):
        if f"{prefix}_by_patient" in card:
            lines.append(by_patient(what, card[f"{prefix}_by_patient"]).text())
        elif f"{prefix}_confusion" in card:
            lines += [
                answers(what, card["classes"], card[f"{prefix}_confusion"]).text(),
                f"accuracy {card[f'{prefix}_accuracy']:.3f}",
            ]
    lines.append(
        f"best epoch {card['best_epoch']} of {card['epochs_run']}, {card['minutes']} minutes; wrote"
        f" {out} and {out.with_suffix('.png')}"
    )
    return "\n".join(lines)


class Show:
    """Progress: a bar in a terminal, a plain line an epoch when piped. All of it on stderr."""

    def __init__(self, quiet: bool) -> None:
        self.bar: Any = None
        self.context: AbstractContextManager = nullcontext()
        if sys.stderr.isatty() and not quiet:
            from rich.console import Console
            from rich.progress import Progress as Bar

            self.context = self.bar = Bar(console=Console(stderr=True), transient=True)
            self.task = self.bar.add_task("reading")

    def __enter__(self) -> Show:
        self.context.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.context.__exit__(*error)

    def say(self, line: str) -> None:
        if self.bar:
            self.bar.console.print(line, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def reading(self, what: str, i: int, count: int) -> None:
        what = what if what == "compressing" else f"reading {what}"
        if self.bar:
            self.bar.update(self.task, description=what, completed=i, total=count)
        elif i == count:
            self.say(f"{what}: {count} images")

    def batch(self, i: int, count: int) -> None:
        if self.bar:
            self.bar.update(self.task, description="epoch", completed=i, total=count)

    def epoch(self, progress: Progress) -> None:
        row = progress.history[-1]
        mark = " *" if progress.best_epoch == progress.epoch else ""
        score = (
            f"Dice {row['val_dice']:.4f}"
            if "val_dice" in row
            else f"accuracy {row['val_accuracy']:.4f}"
        )
        self.say(
            f"epoch {progress.epoch}: loss {row['loss']:.4f}, validation {score}{mark},"
            f" {progress.minutes:.1f} minutes"
        )

"""Train a segmenter on a data set, and write a checkpoint with a card that says how.

Reads the train and val splits for training and stopping, and the test split once at the end: Dice by patient (mean over
the patient's slices with a lesion) and falsely marked pixels on slices without.

examples:
  python -m benchmark train --segmenter unet --dataset mni-lesion
  python -m benchmark train --segmenter unet --dataset lgg --root FOLDER --set lgg.slices=all
  python -m benchmark train --segmenter dilated --dataset lgg --init mni-lesion --loss dice --seed 1
  python -m benchmark train --segmenter unet --dataset lgg --resume       (goes on after ctrl-C, with the same result)
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import sys
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.checkpoints import Checkpoint, default_path, find_checkpoint
from benchmark.errors import InputError
from benchmark.plugins.index import Entry, add_plugin_file, get

if TYPE_CHECKING:
    from torch import nn

    from benchmark.train.data import Splits
    from benchmark.train.loop import Progress, Reading, TrainRecipe

RECIPE_OPTIONS = ("loss", "epochs", "lr", "batch", "seed", "patience", "precision")
IMAGES_SHOWN = 16_000  # the default for --epochs: about ten minutes of a U-Net at 128x128 on two cores, in float32


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--segmenter", required=True, help="the network to train; `python -m benchmark list segmenter`")
    add("--dataset", required=True, help="the data set to train on; `python -m benchmark list dataset`")
    add("--root", type=Path, help="folder of the data set (default: SINCO_BENCH_DATA)")
    add("--set", dest="sets", action="append", default=[], metavar="NAME=VALUE",
        help="an option of the segmenter or the data set: base=8, or unet.base=8")
    add("--init", metavar="DATASET", help="start from this segmenter's weights for that data set (default: random)")
    add("--loss", choices=("bce", "dice", "bce+dice"), default="bce+dice")
    add("--epochs", type=int, help=f"default: as many as show {IMAGES_SHOWN:,} images")
    add("--lr", type=float, default=2e-3, help="peak of the one-cycle schedule (default: %(default)s)")
    add("--batch", type=int, default=16, help="images a step (default: %(default)s)")
    add("--seed", type=int, default=0)
    add("--patience", type=int, default=10,
        help="stop after so many epochs without a better validation Dice; 0: never, and keep the last (default: %(default)s)")
    add("--precision", choices=("float32", "bf16"), default="float32",
        help="bf16 is twice as fast on processors that have it")
    add("--device", default="auto", help="auto (CUDA where there is one), cpu or cuda")
    add("--out", type=Path, help="the checkpoint (default: in the cache, where `run` looks for it)")
    add("--resume", action="store_true", help="go on with the unfinished training of the same command")
    add("--plugin", action="append", default=[], type=Path, metavar="FILE.py", help="a file with plug-ins of your own")
    add("--json", action="store_true", help="print the card as JSON")


def run(args: argparse.Namespace) -> int:
    from benchmark.job import parse_sets

    for path in args.plugin:
        add_plugin_file(path)
    entries = get("segmenter", args.segmenter), get("dataset", args.dataset)
    chosen = parse_sets(args.sets, [(entry.kind, entry.name) for entry in entries])
    options = [chosen.get((entry.kind, entry.name), {}) for entry in entries]
    if args.patience < 0:
        raise InputError(f"--patience {args.patience}", "it is below 0", "--patience 10, or 0 to never stop early")
    for name in ("epochs", "lr", "batch"):
        if getattr(args, name) is not None and not getattr(args, name) > 0:
            raise InputError(f"--{name} {getattr(args, name)}", "it is not above 0", "python -m benchmark train --help")
    import torch

    if args.device not in ("auto", "cpu", "cuda") or (args.device == "cuda" and not torch.cuda.is_available()):
        raise InputError(f"--device {args.device}", "no such device here", "--device cpu")
    device = ("cuda" if torch.cuda.is_available() else "cpu") if args.device == "auto" else args.device
    out = args.out or default_path(args.segmenter, args.dataset)
    if out.is_dir():
        raise InputError(f"--out {out}", "it is a folder", f"--out {out / f'{args.segmenter}-{args.dataset}.safetensors'}")
    try:
        card, reading = _train(args, entries, options, device, out)
    except KeyboardInterrupt:
        again = shlex.join(word for word in sys.argv[1:] if word != "--resume")
        print(f"interrupted; finished epochs are kept; go on: python -m benchmark {again} --resume", file=sys.stderr)
        return 130
    print(json.dumps(card, indent=2) if args.json else _table(card, reading, out))
    return 0


def _train(args: argparse.Namespace, entries: tuple[Entry, Entry], options: list[dict[str, Any]], device: str,
           out: Path) -> tuple[dict[str, Any], Reading]:
    import torch

    from benchmark.networks import load_weights, save_checkpoint
    from benchmark.train.data import read_splits
    from benchmark.train.loop import TrainRecipe, read, scores_by_patient, train

    segmenter, dataset = entries
    with _Show(args.json) as show:
        splits = read_splits(dataset.load()(root=args.root, **options[1]), segmenter.declared["multiple"], show.reading)
        epochs = args.epochs or max(5, round(IMAGES_SHOWN / len(splits.train)))
        show.say(f"{args.segmenter} on {args.dataset}: {len(splits.train)} train, {len(splits.val)} val, "
                 f"{len(splits.test)} test slices; {epochs} epochs at most")
        torch.manual_seed(args.seed)
        module: nn.Module = segmenter.load()(len(splits.train.channels), **options[0])
        start = find_checkpoint(segmenter.name, args.init, channels=splits.train.channels) if args.init else None
        if start:
            load_weights(module, start)
        recipe = TrainRecipe(args.loss, epochs, args.lr, args.batch, args.seed, args.patience, precision=args.precision,
                             device=device, init=start.hash if start else "", data=splits.hash)
        state = out.with_suffix(".resume")
        progress = train(module, splits.train, splits.val, recipe, state_path=state, resume=args.resume,
                         on_epoch=show.epoch, on_batch=show.batch)
    # What ships is float16, so that is what is tested.
    module.half().float()
    reading, by_patient = read(module, splits.test.to(device)), scores_by_patient(module, splits.test.to(device))
    card = _card(entries, options, splits, recipe, progress, reading, by_patient, start, sum(p.numel() for p in module.parameters()))
    save_checkpoint(out, module, card)
    state.unlink(missing_ok=True)
    return card, reading


def _card(entries: tuple[Entry, Entry], options: list[dict[str, Any]], splits: Splits, recipe: TrainRecipe,
          progress: Progress, reading: Reading, by_patient: dict[str, dict[str, float]], start: Checkpoint | None,
          parameters: int) -> dict[str, Any]:
    import torch

    from benchmark import __version__

    segmenter, dataset = entries
    # Without --root and --out: a card travels, folders do not.
    words = [f"python -m benchmark train --segmenter {segmenter.name} --dataset {dataset.name}",
             *(f"--set {e.name}.{k}={v}" for e, set_ in zip(entries, options, strict=True) for k, v in set_.items()),
             *([f"--init {start.card['dataset']}"] if start else []),
             *(f"--{k} {getattr(recipe, k)}" for k in RECIPE_OPTIONS)]
    return {
        "segmenter": segmenter.name, "options": {**segmenter.defaults, **options[0]},
        "channels": list(splits.train.channels), "dataset": dataset.name, "data_licence": dataset.load().licence,
        "dataset_options": {**dataset.defaults, **options[1]},
        "command": " ".join(words), "recipe": asdict(recipe), "seed": recipe.seed,
        "init": start and {"dataset": start.card["dataset"], "hash": start.hash}, "split_hash": splits.hash,
        "train_patients": sorted(set(splits.train.patients)),
        "slices": {"train": len(splits.train), "val": len(splits.val), "test": len(splits.test)},
        "epochs_run": progress.epoch, "best_epoch": progress.best_epoch, "minutes": round(progress.minutes, 2),
        "cpu_minutes": round(progress.cpu_minutes, 2),
        "val_dice": round(progress.best_dice, 4), "test_dice": round(reading.dice, 4),
        "test_dice_by_patient": {patient: round(dice, 4) for patient, dice in reading.dice_by_patient.items()},
        "test_by_patient": {patient: {metric: round(value, 4) for metric, value in scores.items() if math.isfinite(value)}
                            for patient, scores in by_patient.items()},
        "parameters": parameters,
        "test_fp_area_px": None if reading.fp_area_px is None else round(reading.fp_area_px, 2),
        "source_hash": segmenter.source_hash(), "dataset_source_hash": dataset.source_hash(),
        "versions": {"sinco-bench": __version__, "torch": torch.__version__}}


def _table(card: dict[str, Any], reading: Reading, out: Path) -> str:
    lines = ["patient" + " " * 21 + "Dice (test split, mean over slices with a lesion)"]
    lines += [f"{patient:<28}{dice:.3f}" for patient, dice in reading.dice_by_patient.items()]
    lines.append(f"{'mean of ' + str(len(reading.dice_by_patient)) + ' patients':<28}{reading.dice:.3f}")
    if reading.fp_area_px is not None:
        lines.append(f"{'fp_area_px':<28}{reading.fp_area_px:.1f} (mean falsely marked pixels, slices without lesion)")
    lines.append(f"best epoch {card['best_epoch']} of {card['epochs_run']}, {card['minutes']} minutes; wrote {out}")
    return "\n".join(lines)


class _Show:
    """Progress: a bar in a terminal, a plain line an epoch when piped. All of it on stderr."""

    def __init__(self, quiet: bool) -> None:
        self.bar: Any = None
        self.context: AbstractContextManager = nullcontext()
        if sys.stderr.isatty() and not quiet:
            from rich.console import Console
            from rich.progress import Progress as Bar
            self.context = self.bar = Bar(console=Console(stderr=True), transient=True)
            self.task = self.bar.add_task("reading")

    def __enter__(self) -> _Show:
        self.context.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.context.__exit__(*error)

    def say(self, line: str) -> None:
        if self.bar:
            self.bar.console.print(line, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)

    def reading(self, split: str, i: int, count: int) -> None:
        if self.bar:
            self.bar.update(self.task, description=f"reading {split}", completed=i, total=count)
        elif i == count:
            self.say(f"read {split}: {count} slices")

    def batch(self, i: int, count: int) -> None:
        if self.bar:
            self.bar.update(self.task, description="epoch", completed=i, total=count)

    def epoch(self, progress: Progress) -> None:
        row = progress.history[-1]
        mark = " *" if progress.best_epoch == progress.epoch else ""
        self.say(f"epoch {progress.epoch}: loss {row['loss']:.4f}, validation Dice {row['val_dice']:.4f}{mark}, "
                 f"{progress.minutes:.1f} minutes")

"""The card of a checkpoint: all that was done to train it, and how well it reads patients that it
never saw.
"""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import Any

import torch
from torch import nn

from benchmark import __version__
from benchmark.networks.checkpoints import Checkpoint
from benchmark.training.data import Slices, Splits
from benchmark.training.reading import (
    finite,
    mask_score,
    read_labels,
    read_masks,
    scores_by_patient,
)
from benchmark.training.recipe import Progress, Training, TrainRecipe


def card_of(
    training: Training,
    splits: Splits,
    progress: Progress,
    start: Checkpoint | None,
    module: nn.Module,
) -> dict[str, Any]:
    """The card; `module` is as it ships, and reads the test split for it, as decoded too where it
    was trained on decoded images.
    """
    segmenter, dataset, recipe = training.segmenter, training.dataset, training.recipe
    compressor = training.compressor
    card = {
        "segmenter": segmenter.name,
        "options": {**segmenter.defaults, **training.options},
        "channels": list(splits.train.channels),
        "dataset": dataset.name,
        "data_licence": dataset.load().licence,
        "dataset_options": {**dataset.defaults, **training.dataset_options},
        "command": command_of(training),
        "recipe": asdict(recipe),
        "seed": recipe.seed,
        "init": (
            start
            and {"dataset": start.card["dataset"], "hash": start.hash, "fresh": list(recipe.fresh)}
        ),
        "train_on": recipe.train_on,
        "compressor": (
            compressor
            and {
                "name": compressor.choice.name,
                "args": dict(compressor.choice.args),
                "bpp": compressor.bpp,
            }
        ),
        "split_hash": splits.hash,
        "train_patients": _seen(splits, dataset.name, start),
        "slices": {name: getattr(splits, name).planes for name in ("train", "val", "test")},
        "epochs_run": progress.epoch,
        "best_epoch": progress.best_epoch,
        "minutes": round(progress.minutes, 2),
        "cpu_minutes": round(progress.cpu_minutes, 2),
        "history": progress.history,
        "parameters": sum(p.numel() for p in module.parameters()),
        "frozen_parameters": sum(p.numel() for p in module.parameters() if not p.requires_grad),
        "source_hash": segmenter.source_hash(),
        "dataset_source_hash": dataset.source_hash(),
        "versions": {"sinco-bench": __version__, "torch": torch.__version__},
    }
    card |= (
        {"classes": list(splits.train.classes)}
        if splits.train.classes
        else {"target": recipe.target}
    )
    card |= _found(module, splits.test.to(recipe.device), round(progress.best_score, 4))
    if splits.test_decoded is not None:
        decoded = _found(module, splits.test_decoded.to(recipe.device))
        card |= {
            name.replace("test_", "test_decoded_", 1): value for name, value in decoded.items()
        }
    return card


def _seen(splits: Splits, dataset: str, start: Checkpoint | None) -> list[str]:
    """Patients that the weights have met: of this training, and of the one that they started from
    where it was on the same data set.
    """
    before = (
        start.card.get("train_patients") or () if start and start.card["dataset"] == dataset else ()
    )
    return sorted({*splits.train.patients, *before})


def command_of(training: Training) -> str:
    """The command without --root and --out, and of files their names alone: a card travels, folders
    do not.
    """
    recipe, start = training.recipe, training.init_from
    words = [
        "python",
        "-m",
        "benchmark",
        "train",
        "--segmenter",
        training.segmenter.name,
        "--dataset",
        training.dataset.name,
    ]
    for entry, options in (
        (training.segmenter, training.options),
        (training.dataset, training.dataset_options),
    ):
        words += [
            word
            for name, value in options.items()
            if name != "classes"
            for word in ("--set", f"{entry.name}.{name}={value}")
        ]
    words += ["--init-from", start.rpartition("/")[2]] if start else []
    for name in (
        "loss",
        "optimizer",
        "lr",
        "schedule",
        "epochs",
        "batch",
        "seed",
        "patience",
        "augment",
        "precision",
    ):
        words += [f"--{name}", f"{getattr(recipe, name)}"]
    if training.compressor:
        words += [
            "--train-on",
            recipe.train_on,
            "--compressor",
            training.compressor.choice.name,
            "--train-bpp",
            f"{training.compressor.bpp:g}",
        ]
    defaults = TrainRecipe()
    for name in ("target", "loaded_rate"):
        if getattr(recipe, name) != getattr(defaults, name):
            words += [f"--{name.replace('_', '-')}", f"{getattr(recipe, name)}"]
    words += [
        word
        for name in ("fresh", "freeze")
        for beginning in getattr(recipe, name)
        for word in (f"--{name}", beginning)
    ]
    return shlex.join(words)


def _found(module: nn.Module, test: Slices, best: float | None = None) -> dict[str, Any]:
    """What the network reads in a split, once: of labels accuracy, recall by class and counts; of
    masks every metric by patient.
    """
    card: dict[str, Any]
    if test.classes:
        labels = read_labels(module, test)
        score, card = (
            labels.score,
            {"test_recall_by_class": finite(labels.recall), "test_confusion": labels.confusion},
        )
    else:
        found = read_masks(module, test)
        masks = mask_score(found, test)
        score, card = (
            masks.score,
            {
                "test_dice_by_patient": finite(masks.dice_by_patient),
                "test_by_patient": {
                    patient: finite(scores)
                    for patient, scores in scores_by_patient(found, test).items()
                },
                "test_fp_area_px": None if masks.fp_area_px is None else round(masks.fp_area_px, 2),
            },
        )
    name = "accuracy" if test.classes else "dice"
    return (
        ({} if best is None else {f"val_{name}": best}) | {f"test_{name}": round(score, 4)} | card
    )

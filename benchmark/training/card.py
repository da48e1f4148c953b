"""The card of a checkpoint: all that was done to train it, and how well it reads patients that it
never saw.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
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

# Options of a recipe that a command always names.
SAID = (
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
)


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
        "init": _init(start, recipe),
        "train_on": recipe.train_on,
        "compressor": _compressor(training),
        "split_hash": splits.hash,
        "train_patients": _seen(splits, dataset.name, start),
        "slices": {
            "train": splits.train.planes,
            "val": splits.val.planes,
            "test": splits.test.planes,
        },
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
    if splits.train.classes:
        card["classes"] = list(splits.train.classes)
    else:
        card["target"] = recipe.target
    card |= _found(module, splits.test.to(recipe.device), round(progress.best_score, 4))
    if splits.test_decoded is not None:
        decoded = _found(module, splits.test_decoded.to(recipe.device))
        for name, value in decoded.items():
            card[name.replace("test_", "test_decoded_", 1)] = value
    return card


def _init(start: Checkpoint | None, recipe: TrainRecipe) -> dict[str, Any] | None:
    """What the weights started from; None where they were drawn at random."""
    if start is None:
        return None
    return {"dataset": start.card["dataset"], "hash": start.hash, "fresh": list(recipe.fresh)}


def _compressor(training: Training) -> dict[str, Any] | None:
    """What compressed the training images; None where they are originals."""
    used = training.compressor
    if used is None:
        return None
    return {"name": used.choice.name, "args": dict(used.choice.args), "bpp": used.bpp}


def _seen(splits: Splits, dataset: str, start: Checkpoint | None) -> list[str]:
    """Patients that the weights have met: of this training, and of the one that they started from
    where it was on the same data set.
    """
    seen = set(splits.train.patients)
    if start is not None and start.card["dataset"] == dataset:
        seen |= set(start.card.get("train_patients") or ())
    return sorted(seen)


def command_of(training: Training) -> str:
    """The command without --root and --out, and of files their names alone: a card travels, folders
    do not.
    """
    recipe, start = training.recipe, training.init_from
    words = ["python", "-m", "benchmark", "train"]
    words += ["--segmenter", training.segmenter.name, "--dataset", training.dataset.name]
    words += _set_words(training.segmenter.name, training.options)
    words += _set_words(training.dataset.name, training.dataset_options)
    if start:
        words += ["--init-from", start.rpartition("/")[2]]
    for name in SAID:
        words += [f"--{name}", f"{getattr(recipe, name)}"]
    if training.compressor:
        words += ["--train-on", recipe.train_on]
        words += ["--compressor", training.compressor.choice.name]
        words += ["--train-bpp", f"{training.compressor.bpp:g}"]
    defaults = TrainRecipe()
    for name in ("target", "loaded_rate"):
        if getattr(recipe, name) != getattr(defaults, name):
            words += [f"--{name.replace('_', '-')}", f"{getattr(recipe, name)}"]
    for name in ("fresh", "freeze"):
        for beginning in getattr(recipe, name):
            words += [f"--{name}", beginning]
    return shlex.join(words)


def _set_words(plugin: str, options: Mapping[str, Any]) -> list[str]:
    """The --set of a plug-in's options; classes are read off the data."""
    words = []
    for name, value in options.items():
        if name != "classes":
            words += ["--set", f"{plugin}.{name}={value}"]
    return words


def _found(module: nn.Module, test: Slices, best: float | None = None) -> dict[str, Any]:
    """What the network reads in a split, once: of labels accuracy, recall by class and counts; of
    masks every metric by patient.
    """
    more: dict[str, Any] = {}
    if test.classes:
        name = "accuracy"
        labels = read_labels(module, test)
        score = labels.score
        more["test_recall_by_class"] = finite(labels.recall)
        more["test_confusion"] = labels.confusion
    else:
        name = "dice"
        found = read_masks(module, test)
        masks = mask_score(found, test)
        score = masks.score
        by_patient = {}
        for patient, scores in scores_by_patient(found, test).items():
            by_patient[patient] = finite(scores)
        area = masks.fp_area_px
        more["test_dice_by_patient"] = finite(masks.dice_by_patient)
        more["test_by_patient"] = by_patient
        more["test_fp_area_px"] = None if area is None else round(area, 2)
    card: dict[str, Any] = {}
    if best is not None:
        card[f"val_{name}"] = best
    card[f"test_{name}"] = round(score, 4)
    return card | more

"""How a network is trained, as plain values: what a resumed run must agree with, and what a card
tells. No torch here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.plugins.index import Entry

if TYPE_CHECKING:
    from benchmark.training.decoded import Compressor

LOSSES = {
    "mask": (
        "bce+dice",
        "bce",
        "dice",
        "weighted-dice",
        "focal-tversky",
    ),  # the first is the default
    "label": ("cross-entropy", "kl"),
}
RATES = {"adamw": 2e-3, "adam": 2e-3, "sgd": 1e-2}  # the default --lr of each optimizer
SCHEDULES = ("one-cycle", "constant")
AUGMENTS = ("full", "flips", "none")
TARGETS = ("lesion", "brain")
TRAIN_ON = ("original", "compressed", "both")
# Recipes of the prior work. A recipe only sets defaults: every option that is given wins.
RECIPES: dict[str, dict[str, Any]] = {
    "reproduction": {
        "loss": "bce",
        "optimizer": "adam",
        "lr": 1e-4,
        "schedule": "constant",
        "epochs": 75,
        "batch": 32,
        "patience": 0,
    },
    "classifier": {
        "loss": "kl",
        "optimizer": "sgd",
        "lr": 1e-2,
        "schedule": "constant",
        "epochs": 50,
        "batch": 2,
    },
}


@dataclass(frozen=True)
class TrainRecipe:
    """How a network is trained; what a resumed run must agree with."""

    loss: str = "bce+dice"
    epochs: int = 14
    lr: float = 2e-3
    batch: int = 16
    seed: int = 0
    patience: int = (
        10  # epochs without a better validation; 0: never stop early, keep the last epoch
    )
    optimizer: str = "adamw"
    schedule: str = "one-cycle"
    augment: str = "full"
    weight_decay: float = 1e-2  # of adamw; the others have none
    precision: str = "float32"
    device: str = "cpu"
    target: str = "lesion"
    train_on: str = "original"
    compressor: str = ""  # what compressed the training images, with its source; "": nothing
    train_bpp: float | None = None
    init: str = ""  # hash of the checkpoint that the weights start from; "": random
    fresh: tuple[
        str, ...
    ] = ()  # how the names of parameters begin that start at random all the same
    freeze: tuple[str, ...] = ()  # and of those that stay as they are
    loaded_rate: float = 1.0  # of the learning rate, for what was loaded
    data: str = ""  # hash of the splits


@dataclass(frozen=True)
class Training:
    """What the command line asks for. recipe: what was asked of it, epochs 0 for as many as show
    IMAGES_SHOWN images.
    """

    segmenter: Entry
    dataset: Entry
    recipe: TrainRecipe
    out: Path
    options: dict[str, Any] = field(default_factory=dict)  # of the segmenter
    dataset_options: dict[str, Any] = field(default_factory=dict)
    compressor: Compressor | None = None
    root: Path | None = None
    init_from: str | None = None
    resume: bool = False


@dataclass
class Progress:
    """How far a training is: epochs done, minutes of them, the best validation score and its epoch,
    one row an epoch.
    """

    epoch: int = 0
    minutes: float = 0.0
    cpu_minutes: float = 0.0  # of this process: what other work on the machine does not change much
    best_score: float = -1.0  # Dice of masks, accuracy of labels
    best_epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


def rate_at(recipe: TrainRecipe, step: int, steps: int) -> float:
    """The learning rate of a step, from 0, of so many."""
    return recipe.lr if recipe.schedule == "constant" else one_cycle(step, steps, recipe.lr)


def one_cycle(step: int, steps: int, lr: float) -> float:
    """Linear from lr/25 to lr over the first quarter, then a half cosine to 0 (after Smith, arXiv
    1708.07120).
    """
    warm = max(1, steps // 4)
    if step < warm:
        return lr * (0.04 + 0.96 * step / warm)
    return lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))

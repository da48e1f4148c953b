"""Training a network as it is asked for: plain values, checked before any data are read."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmark.errors import InputError, call, did_you_mean, field
from benchmark.listener import Quiet, TrainListener
from benchmark.networks.cards import read_card
from benchmark.networks.checkpoints import checked_path
from benchmark.plan.selection import CODECS
from benchmark.plugins.index import Entry, get
from benchmark.plugins.sets import Sets, options_by_plugin
from benchmark.training.recipe import (
    AUGMENTS,
    LOSSES,
    RATES,
    RECIPES,
    SCHEDULES,
    TARGETS,
    TRAIN_ON,
    Training,
    TrainRecipe,
)

PRECISIONS = ("auto", "float32", "bf16")
COMPRESSOR, TRAIN_BPP = CODECS[0], 0.6
SEEDS = 2**32


@dataclass(frozen=True)
class TrainRequest:
    """What is to be trained, on what, and how. None: what `recipe` says, else the default.

    sets: options of the segmenter, the data set or the compressor. loss, optimizer, lr, schedule,
    epochs, batch (images a step), patience (epochs without a better validation; 0: no early stop):
    see `TrainRecipe`. init_from: NAME@FILE, FILE.safetensors, or the data set that the same
    segmenter was trained on; fresh: beginnings of the names of parameters that start at random all
    the same; freeze: of those that stay as they are. compressor and train_bpp (bits a pixel): what
    decoded images are made by, where train_on is not "original". out: the checkpoint, default where
    a run looks for it. resume: go on with an unfinished training of the same request.
    """

    segmenter: str
    dataset: str
    root: Path | None = None
    sets: Sets = ()
    target: str = "lesion"
    recipe: str | None = None
    loss: str | None = None
    optimizer: str | None = None
    lr: float | None = None
    schedule: str | None = None
    epochs: int | None = None
    batch: int | None = None
    patience: int | None = None
    augment: str = "full"
    seed: int = 0
    init_from: str | None = None
    fresh: tuple[str, ...] = ()
    freeze: tuple[str, ...] = ()
    loaded_rate: float = 1.0
    train_on: str = "original"
    compressor: str = COMPRESSOR
    train_bpp: float = TRAIN_BPP
    precision: str = "auto"
    device: str = "auto"
    out: Path | None = None
    resume: bool = False


@dataclass(frozen=True)
class Trained:
    """A finished training: its checkpoint, the picture of its learning curves, and its card."""

    path: Path
    curves: Path
    card: dict[str, Any]


def train_network(request: TrainRequest, listener: TrainListener | None = None) -> Trained:
    """Train, test once, and write the checkpoint with its card and its learning curves.

    Raises InputError where something asked for does not fit, mostly before any image is read; after
    KeyboardInterrupt finished epochs are kept, and the same request with resume=True goes on.
    """
    training = training_of(request)
    from benchmark.training.trainer import run_training

    run_training(training, listener or Quiet())
    return Trained(training.out, training.out.with_suffix(".png"), read_card(training.out))


def training_of(request: TrainRequest) -> Training:
    """The request with every default filled in; raises InputError where something does not fit."""
    segmenter, dataset = get("segmenter", request.segmenter), get("dataset", request.dataset)
    recipe = recipe_of(request, segmenter)
    out = checked_path(request.out, request.segmenter, request.dataset)
    return _with_options(request, segmenter, dataset, recipe, out)


def recipe_of(request: TrainRequest, segmenter: Entry) -> TrainRecipe:
    """The recipe: a field that is given, else what `recipe` says, else the default."""
    if not segmenter.declared["trains"]:
        raise InputError(
            f"training {segmenter.name}",
            "it comes ready: it is trained elsewhere",
            call("import", segmenter=segmenter.name, dataset=request.dataset, file="FILE"),
        )
    _check_choices(request)
    volumes = segmenter.declared["dims"] == 3
    how = _how(request, segmenter.declared["task"], volumes)
    _check(request, how, segmenter.declared["task"])
    return TrainRecipe(
        **how,
        seed=request.seed,
        augment="flips" if volumes and request.augment == "full" else request.augment,
        target=request.target,
        train_on=request.train_on,
        fresh=tuple(request.fresh),
        freeze=tuple(request.freeze),
        loaded_rate=request.loaded_rate,
    )


def _how(request: TrainRequest, task: str, volumes: bool) -> dict[str, Any]:
    """Loss, optimizer and so on: what was asked for, else of the recipe, else the default."""
    base = RECIPES[request.recipe] if request.recipe else {}
    optimizer = request.optimizer or base.get("optimizer", "adamw")
    how: dict[str, Any] = {
        "loss": LOSSES[task][0],
        "optimizer": optimizer,
        "lr": RATES[optimizer],
        "schedule": "one-cycle",
        "epochs": 0,
        "batch": 2 if volumes else 16,
        "patience": 10,
    }
    how |= base
    if request.optimizer and request.optimizer != base.get("optimizer"):
        how["lr"] = RATES[request.optimizer]  # a rate belongs to its optimizer
    for name in how:
        asked = getattr(request, name)
        if asked is not None:
            how[name] = asked
    return how


def _check_choices(request: TrainRequest) -> None:
    losses = [*LOSSES["mask"], *LOSSES["label"]]
    known: dict[str, Collection[str]] = {
        "recipe": RECIPES,
        "loss": losses,
        "optimizer": RATES,
        "schedule": SCHEDULES,
        "augment": AUGMENTS,
        "target": TARGETS,
        "train_on": TRAIN_ON,
        "precision": PRECISIONS,
    }
    for name, choices in known.items():
        asked = getattr(request, name)
        if asked is not None and asked not in choices:
            raise InputError(field(name, asked), "no such choice", did_you_mean(asked, choices))


def _check(request: TrainRequest, how: dict[str, Any], task: str) -> None:
    """Raises InputError where fields do not fit each other, or a number is out of its range."""
    _check_task(request, how, task)
    if request.train_on == "original" and (request.compressor, request.train_bpp) != (
        COMPRESSOR,
        TRAIN_BPP,
    ):
        raise InputError(
            f"{field('compressor')} or {field('train_bpp')} without {field('train_on')}",
            "it trains on originals",
            f"{field('train_on', 'compressed')}, or both",
        )
    if not 0 <= request.seed < SEEDS:
        raise InputError(
            field("seed", request.seed), f"it is not 0 to {SEEDS - 1}", field("seed", 0)
        )
    if how["patience"] < 0:
        raise InputError(
            field("patience", how["patience"]),
            "it is below 0",
            f"{field('patience', 10)}, or 0 to never stop early",
        )
    above = {
        "epochs": request.epochs,
        "lr": how["lr"],
        "batch": how["batch"],
        "train_bpp": request.train_bpp,
        "loaded_rate": request.loaded_rate,
    }
    for name, value in above.items():
        if value is not None and not value > 0:
            raise InputError(field(name, value), "it is not above 0", "a number above 0")
    for name, given in (("fresh", bool(request.fresh)), ("loaded_rate", request.loaded_rate != 1)):
        if given and not request.init_from:
            raise InputError(
                f"{field(name)} without {field('init_from')}",
                "without it all weights start at random",
                field("init_from", "CHECKPOINT"),
            )


def _check_task(request: TrainRequest, how: dict[str, Any], task: str) -> None:
    """Raises InputError where a loss or a target is not of what the segmenter learns."""
    if how["loss"] not in LOSSES[task]:
        name = "loss" if request.loss else "recipe"
        raise InputError(
            f"{field(name, getattr(request, name))} for {request.segmenter}",
            f"it learns {task}s",
            f"{field('loss', LOSSES[task][0])} or {' or '.join(LOSSES[task][1:])}",
        )
    if task == "label" and request.target != "lesion":
        raise InputError(
            f"{field('target', request.target)} for {request.segmenter}",
            "it learns labels, not masks",
            "leave it out",
        )


def _with_options(
    request: TrainRequest, segmenter: Entry, dataset: Entry, recipe: TrainRecipe, out: Path
) -> Training:
    """The options of each plug-in, and the device and precision that `auto` stands for."""
    from benchmark.training.decoded import Compressor, kind_of

    plugins = [("segmenter", segmenter.name), ("dataset", dataset.name)]
    compresses = request.train_on != "original"
    if compresses:
        plugins.append((kind_of(request.compressor), request.compressor))
    options = options_by_plugin(request.sets, plugins)
    compressor = None
    if compresses:
        compressor = Compressor.of(request.compressor, request.train_bpp, options[plugins[2]])
        recipe = replace(recipe, compressor=compressor.text(), train_bpp=request.train_bpp)
    from benchmark.device import resolve_device
    from benchmark.runner.precision import has_bf16

    device, precision = resolve_device(request.device), request.precision
    if precision == "auto":
        precision = "bf16" if has_bf16(device) else "float32"
    return Training(
        segmenter,
        dataset,
        replace(recipe, device=device, precision=precision),
        out,
        options[plugins[0]],
        options[plugins[1]],
        compressor,
        request.root,
        request.init_from,
        request.resume,
    )

"""One training from the data set to the checkpoint with its card."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import torch
from torch import nn

from benchmark.errors import InputError
from benchmark.networks.checkpoints import Checkpoint
from benchmark.networks.weights import save_checkpoint
from benchmark.train.card import card_of
from benchmark.train.curves import draw_curves
from benchmark.train.data import Purpose, Slices, Splits, read_splits
from benchmark.train.loop import train
from benchmark.train.memory import keep_freed_memory
from benchmark.train.recipe import Progress, Training
from benchmark.train.transfer import find_start, freeze, load_start

# the default for --epochs: about ten minutes of a U-Net at 128x128 on two cores, in float32
IMAGES_SHOWN = 16_000


class Show(Protocol):
    """What a training tells while it works."""

    def say(self, line: str) -> None: ...
    def reading(self, what: str, i: int, count: int) -> None: ...
    def batch(self, i: int, count: int) -> None: ...
    def epoch(self, progress: Progress) -> None: ...


def run_training(training: Training, show: Show) -> dict[str, Any]:
    """Train, test, write the checkpoint and its learning curves; returns the card."""
    resume = _resumes(training, show)
    keep_freed_memory()
    start = find_start(training.init_from, training.segmenter.name) if training.init_from else None
    splits = _splits(training, show)
    module, options = _module(training, splits.train, start)
    recipe = replace(
        training.recipe,
        init=start.hash if start else "",
        data=splits.hash,
        epochs=training.recipe.epochs or max(5, round(IMAGES_SHOWN / splits.train.planes)),
    )
    show.say(
        f"{training.segmenter.name} on {training.dataset.name}: {len(splits.train)} train,"
        f" {len(splits.val)} val, {len(splits.test)} test"
        f" {'volumes' if splits.test.images.ndim == 5 else 'slices'}; {recipe.epochs} epochs at"
        f" most, {recipe.precision}"
    )
    if start and start.channels != splits.train.channels:
        there, here = (", ".join(names) for names in (start.channels, splits.train.channels))
        show.say(f"the weights to start from were trained on {there}; these images are {here}")
    if training.out.is_file():
        show.say(
            f"the checkpoint {training.out} is there already: this training will replace it; --out"
            " keeps both"
        )
    state = training.out.with_suffix(".resume")
    progress = train(
        module,
        splits.train,
        splits.val,
        recipe,
        state_path=state,
        resume=resume,
        on_epoch=show.epoch,
        on_batch=show.batch,
    )
    module.half().float()  # what ships is float16, so that is what is tested
    card = card_of(
        replace(training, recipe=recipe, options=options), splits, progress, start, module
    )
    save_checkpoint(training.out, module, card)
    draw_curves(training.out.with_suffix(".png"), progress.history, progress.best_epoch)
    state.unlink(missing_ok=True)
    return card


def _resumes(training: Training, show: Show) -> bool:
    """Whether to go on from a state; raises InputError where `--resume` is asked for and the
    training is finished.
    """
    if not training.resume or training.out.with_suffix(".resume").is_file():
        return training.resume
    if training.out.is_file():
        raise InputError(
            f"--resume for {training.out}",
            "no unfinished training: that checkpoint is finished",
            "the same command without --resume starts over",
        )
    show.say("--resume: no epoch was finished before, so this starts at the beginning")
    return False


def _splits(training: Training, show: Show) -> Splits:
    declared, recipe = training.segmenter.declared, training.recipe
    dataset = training.dataset.load()(root=training.root, **training.dataset_options)
    purpose = Purpose(declared["multiple"], declared["task"], declared["dims"], recipe.target)
    compressor = training.compressor
    compress = (
        None
        if compressor is None
        else lambda samples: compressor.decoded(samples, dataset, recipe.device, show.reading)
    )
    return read_splits(
        dataset, purpose, train_on=recipe.train_on, compress=compress, seen=show.reading
    )


def _module(
    training: Training, slices: Slices, start: Checkpoint | None
) -> tuple[nn.Module, dict[str, Any]]:
    """The network at its start, and its options."""
    recipe, options = training.recipe, dict(training.options)
    if slices.classes:
        if options.get("classes", len(slices.classes)) != len(slices.classes):
            raise InputError(
                f"--set classes={options['classes']}",
                f"the data have {len(slices.classes)}: {', '.join(slices.classes)}",
                "leave it out",
            )
        options["classes"] = len(slices.classes)
    torch.manual_seed(recipe.seed)
    try:
        module: nn.Module = training.segmenter.load()(len(slices.channels), **options)
    except (ValueError, TypeError, RuntimeError) as error:  # sizes that make no sense
        raise InputError(
            f"segmenter {training.segmenter.name} with {options}",
            str(error).partition("\n")[0],
            f"python -m benchmark list segmenter {training.segmenter.name}",
        ) from None
    if start:
        load_start(module, start, recipe.fresh)
        if (
            slices.classes
            and start.card.get("classes", list(slices.classes)) != list(slices.classes)
            and not recipe.fresh
        ):
            raise InputError(
                f"to start from {start.path}",
                f"its classes are {', '.join(start.card['classes'])}, those of the data "
                f"{', '.join(slices.classes)}",
                "--fresh with the name of its last layer",
            )
    freeze(module, recipe.freeze)
    return module, options

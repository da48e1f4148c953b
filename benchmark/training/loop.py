"""The training loop: an optimizer, a schedule, early stopping.

Everything random in an epoch is drawn from generators seeded by (seed, epoch), and the learning
rate is a function of the step, so a run that was stopped and resumed does what an unbroken one
does.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from benchmark.errors import InputError, field
from benchmark.networks.network import channels_last
from benchmark.training.augment import augment
from benchmark.training.data import Slices
from benchmark.training.losses import FUNCTIONS, edge_weights
from benchmark.training.reading import read
from benchmark.training.recipe import Progress, TrainRecipe, rate_at
from benchmark.training.state import copy_of, load_state, save_state
from benchmark.training.transfer import groups, train_mode


def train(
    module: nn.Module,
    train_slices: Slices,
    val_slices: Slices,
    recipe: TrainRecipe,
    *,
    state_path: Path | None = None,
    resume: bool = False,
    on_epoch: Callable[[Progress], None] | None = None,
    on_batch: Callable[[int, int], None] | None = None,
) -> Progress:
    """Train `module` in place and leave it with the weights of its best epoch on the validation
    split.

    Patience 0: no early stopping, and the last epoch's weights stay. With few validation patients
    the best epoch is noise, and the last one has the lowest learning rate (so does nnU-Net, Isensee
    et al. 2021). After each epoch the state goes to `state_path`; `resume` goes on from it. Raises
    InputError where it belongs to another recipe or network, or where the loss is no longer finite.
    """
    flat = train_slices.images.ndim == 4
    module = channels_last(module, recipe.device) if flat else module.to(recipe.device)
    if recipe.loss == "weighted-dice":
        train_slices = replace(
            train_slices, truth=torch.cat([train_slices.truth, edge_weights(train_slices.truth)], 1)
        )
    train_slices, val_slices = train_slices.to(recipe.device), val_slices.to(recipe.device)
    optimizer = optimizer_of(module, recipe)
    progress, best = Progress(), copy_of(module)
    if resume and state_path is not None:
        progress, best = load_state(state_path, module, optimizer, recipe)
    while (
        progress.epoch < recipe.epochs
        and not 0 < recipe.patience <= progress.epoch - progress.best_epoch
    ):
        began, began_cpu = time.perf_counter(), time.process_time()
        loss = _epoch(module, optimizer, train_slices, recipe, progress.epoch, on_batch)
        reading = read(module, val_slices)
        progress.epoch += 1
        progress.minutes += (time.perf_counter() - began) / 60
        progress.cpu_minutes += (time.process_time() - began_cpu) / 60
        progress.history.append(
            {"epoch": progress.epoch, "loss": loss, f"val_{reading.name}": reading.score}
        )
        if reading.score > progress.best_score or recipe.patience == 0:
            progress.best_score, progress.best_epoch = reading.score, progress.epoch
            best = copy_of(module)
        if state_path is not None:
            save_state(state_path, module, optimizer, recipe, progress, best)
        if on_epoch is not None:
            on_epoch(progress)
    module.load_state_dict(best)
    return progress


def optimizer_of(module: nn.Module, recipe: TrainRecipe) -> torch.optim.Optimizer:
    """The recipe's optimizer over what is not frozen; its rate is set at each step."""
    parts = groups(module, recipe.fresh, recipe.loaded_rate)
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(parts, lr=recipe.lr, momentum=0.9)
    if recipe.optimizer == "adam":
        return torch.optim.Adam(parts, lr=recipe.lr)
    return torch.optim.AdamW(parts, lr=recipe.lr, weight_decay=recipe.weight_decay)


def _epoch(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    slices: Slices,
    recipe: TrainRecipe,
    epoch: int,
    on_batch: Callable[[int, int], None] | None,
) -> float:
    train_mode(module)
    seed = 1_000_003 * recipe.seed + epoch
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)  # dropout draws from the global generator
    order = torch.randperm(len(slices), generator=generator)
    # A last batch of one or two slices would upset batch normalisation: spread the remainder, and
    # let no batch be of one.
    count = round(len(order) / recipe.batch)
    parts = order.tensor_split(max(1, count if recipe.batch == 1 else min(count, len(order) // 2)))
    total = 0.0
    for i, part in enumerate(parts):
        rate = rate_at(recipe, epoch * len(parts) + i, recipe.epochs * len(parts))
        for group in optimizer.param_groups:
            group["lr"] = rate * group["scale"]
        total += _step(module, optimizer, slices, part, recipe, generator)
        if not math.isfinite(total):
            raise InputError(
                f"training with {field('lr', recipe.lr)}",
                f"no finite loss, epoch {epoch + 1}",
                f"a smaller {field('lr')}",
            )
        if on_batch is not None:
            on_batch(i + 1, len(parts))
    return total / len(parts)


def _step(
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    slices: Slices,
    part: torch.Tensor,
    recipe: TrainRecipe,
    generator: torch.Generator,
) -> float:
    """One step on the slices `part`; returns the loss before it."""
    images, truth = augment(slices.images[part], slices.truth[part], generator, recipe.augment)
    if images.ndim == 4:
        images = images.contiguous(memory_format=torch.channels_last)
    with torch.autocast(images.device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
        logits = module(images, slices.volumes[part])
    loss = FUNCTIONS[recipe.loss](logits.float(), truth)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()

"""The training loop: AdamW, one cycle, early stopping.

Everything random in an epoch is drawn from a generator seeded by (seed, epoch), and the learning rate is a function of
the step, so a run that was stopped and resumed does what an unbroken one does.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import nn
from torch.nn import functional as F

from benchmark.errors import InputError
from benchmark.masks import mask_scores
from benchmark.networks import channels_last, save_atomically
from benchmark.train.augment import augment
from benchmark.train.data import Slices

LOSSES = ("bce", "dice", "bce+dice")


@dataclass(frozen=True)
class TrainRecipe:
    """How a network is trained; what a resumed run must agree with."""

    loss: str = "bce+dice"
    epochs: int = 14
    lr: float = 2e-3
    batch: int = 16
    seed: int = 0
    patience: int = 10  # epochs without a better validation Dice; 0: never stop early, keep the last epoch
    weight_decay: float = 1e-2
    precision: str = "float32"
    device: str = "cpu"
    init: str = ""  # hash of the checkpoint that the weights start from; "": random
    data: str = ""  # hash of the splits


@dataclass
class Progress:
    """How far a training is: epochs done, minutes of them, the best validation Dice and its epoch, one row an epoch."""

    epoch: int = 0
    minutes: float = 0.0
    cpu_minutes: float = 0.0  # of this process: what other work on the machine does not change much
    best_dice: float = -1.0
    best_epoch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Reading:
    """How well a network reads a split: Dice by patient over slices with a lesion, false pixels on those without."""

    dice_by_patient: dict[str, float]
    fp_area_px: float | None

    @property
    def dice(self) -> float:
        return sum(self.dice_by_patient.values()) / len(self.dice_by_patient)


def segmentation_loss(logits: torch.Tensor, masks: torch.Tensor, kind: str) -> torch.Tensor:
    """Mean binary cross-entropy, 1 - soft Dice, or their sum; both [B, 1, H, W].

    Dice is taken over the batch as one picture: a slice without lesion has no Dice of its own.
    """
    bce = F.binary_cross_entropy_with_logits(logits, masks)
    if kind == "bce":
        return bce
    p = torch.sigmoid(logits)
    dice = 1 - (2 * (p * masks).sum() + 1) / (p.sum() + masks.sum() + 1)
    return dice if kind == "dice" else bce + dice


def one_cycle(step: int, steps: int, lr: float) -> float:
    """Linear from lr/25 to lr over the first quarter, then a half cosine to 0 (after Smith, arXiv 1708.07120)."""
    warm = max(1, steps // 4)
    if step < warm:
        return lr * (0.04 + 0.96 * step / warm)
    return lr * 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


@torch.no_grad()
def read(module: nn.Module, slices: Slices, batch: int = 32) -> Reading:
    """Read every slice with the module as it stands (evaluation mode, float32, threshold 0.5)."""
    module.eval()
    by_patient: dict[str, list[float]] = {}
    empty = []
    for start in range(0, len(slices), batch):
        part = slice(start, start + batch)
        found = module(slices.images[part], slices.volumes[part]) > 0
        true = slices.masks[part] > 0.5
        both, sums = ((x.sum((1, 2, 3)).tolist()) for x in (found & true, found.int() + true.int()))
        for i, patient in enumerate(slices.patients[part]):
            if true[i].any():
                by_patient.setdefault(patient, []).append(2 * both[i] / sums[i])
            else:
                empty.append(sums[i])
    return Reading({patient: sum(values) / len(values) for patient, values in sorted(by_patient.items())},
                   sum(empty) / len(empty) if empty else None)


@torch.no_grad()
def scores_by_patient(module: nn.Module, slices: Slices, batch: int = 32) -> dict[str, dict[str, float]]:
    """Every metric of benchmark/masks.py for each patient of a split."""
    module.eval()
    parts = [slice(start, start + batch) for start in range(0, len(slices), batch)]
    found = torch.cat([module(slices.images[part], slices.volumes[part])[:, 0] > 0 for part in parts]).cpu().numpy()
    true = (slices.masks[:, 0] > 0.5).cpu().numpy()
    members: dict[str, list[int]] = {}
    for i, patient in enumerate(slices.patients):
        members.setdefault(patient, []).append(i)
    return {patient: mask_scores(found[own], true[own], slices.spacings_mm[own[0]]) for patient, own in sorted(members.items())}


def train(module: nn.Module, train_slices: Slices, val_slices: Slices, recipe: TrainRecipe, *,
          state_path: Path | None = None, resume: bool = False,
          on_epoch: Callable[[Progress], None] = lambda progress: None,
          on_batch: Callable[[int, int], None] = lambda step, steps: None) -> Progress:
    """Train `module` in place and leave it with the weights of its best epoch on the validation split.

    Patience 0: no early stopping, and the last epoch's weights stay. With few validation patients the best epoch is
    noise, and the last one has the lowest learning rate (so does nnU-Net, Isensee et al. 2021).
    After each epoch the state goes to `state_path`; `resume` goes on from it. Raises InputError where it belongs to
    another recipe or network, or where the loss is no longer finite.
    """
    channels_last(module, recipe.device)
    train_slices, val_slices = train_slices.to(recipe.device), val_slices.to(recipe.device)
    optimizer = torch.optim.AdamW(module.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay)
    progress, best = Progress(), _copy(module)
    if resume and state_path is not None:
        progress, best = load_state(state_path, module, optimizer, recipe)
    while progress.epoch < recipe.epochs and not 0 < recipe.patience <= progress.epoch - progress.best_epoch:
        began, began_cpu = time.perf_counter(), time.process_time()
        loss = _epoch(module, optimizer, train_slices, recipe, progress.epoch, on_batch)
        reading = read(module, val_slices)
        progress.epoch += 1
        progress.minutes += (time.perf_counter() - began) / 60
        progress.cpu_minutes += (time.process_time() - began_cpu) / 60
        progress.history.append({"epoch": progress.epoch, "loss": loss, "val_dice": reading.dice})
        if reading.dice > progress.best_dice or recipe.patience == 0:
            progress.best_dice, progress.best_epoch, best = reading.dice, progress.epoch, _copy(module)
        if state_path is not None:
            save_state(state_path, module, optimizer, recipe, progress, best)
        on_epoch(progress)
    module.load_state_dict(best)
    return progress


def _epoch(module: nn.Module, optimizer: torch.optim.Optimizer, slices: Slices, recipe: TrainRecipe, epoch: int,
           on_batch: Callable[[int, int], None]) -> float:
    module.train()
    generator = torch.Generator().manual_seed(1_000_003 * recipe.seed + epoch)
    order = torch.randperm(len(slices), generator=generator)
    # A last batch of one or two slices would upset batch normalisation: spread the remainder.
    parts = order.tensor_split(max(1, round(len(order) / recipe.batch)))
    total = 0.0
    for i, part in enumerate(parts):
        for group in optimizer.param_groups:
            group["lr"] = one_cycle(epoch * len(parts) + i, recipe.epochs * len(parts), recipe.lr)
        images, masks = augment(slices.images[part], slices.masks[part], generator)
        images = images.contiguous(memory_format=torch.channels_last)
        with torch.autocast(images.device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
            logits = module(images, slices.volumes[part])
        loss = segmentation_loss(logits.float(), masks, recipe.loss)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
        if not math.isfinite(total):
            raise InputError(f"training with --lr {recipe.lr}", f"no finite loss, epoch {epoch + 1}", "a smaller --lr")
        on_batch(i + 1, len(parts))
    return total / len(parts)


def _copy(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().cpu().clone() for name, tensor in module.state_dict().items()}


def save_state(path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, recipe: TrainRecipe, progress: Progress,
               best: dict[str, torch.Tensor]) -> None:
    """Write all that going on needs: weights, the optimizer's moments, the best weights, recipe and progress."""
    tensors = {f"module.{name}": tensor for name, tensor in _copy(module).items()}
    tensors |= {f"best.{name}": tensor for name, tensor in best.items()}
    for i, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{name}": tensor.cpu() for name, tensor in moments.items()}
    save_atomically(path, {name: tensor.contiguous() for name, tensor in tensors.items()},
                    {"recipe": json.dumps(asdict(recipe)), "progress": json.dumps(asdict(progress))})


def load_state(path: Path, module: nn.Module, optimizer: torch.optim.Optimizer,
               recipe: TrainRecipe) -> tuple[Progress, dict[str, torch.Tensor]]:
    """Bring module and optimizer to a saved state; returns the progress and the best weights."""
    again = "the same command without --resume starts over"
    try:
        with safe_open(path, framework="pt") as file:
            words = file.metadata()
        tensors = safetensors.torch.load_file(path)
        stored, progress = json.loads(words["recipe"]), Progress(**json.loads(words["progress"]))
    except FileNotFoundError:
        raise InputError(f"--resume from {path}", "no such file: no unfinished training", again) from None
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"--resume from {path}", f"it is not a state of a training: {error}", again) from None
    if changed := [f"{k}={stored.get(k)}" for k, v in asdict(recipe).items() if stored.get(k) != v]:
        raise InputError(f"--resume from {path}", f"that training has {', '.join(changed)}", f"those, or {again}")
    split: dict[str, dict[str, Any]] = {"module": {}, "best": {}, "optimizer": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        split[part][rest] = tensor
    try:
        module.load_state_dict(split["module"])
    except RuntimeError as error:
        raise InputError(f"--resume from {path}", f"another network: {str(error).splitlines()[0]}", again) from None
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in split["optimizer"].items():
        i, _, moment = name.partition(".")
        state.setdefault(int(i), {})[moment] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    return progress, split["best"]

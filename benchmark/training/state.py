"""The state of an unfinished training on disk: written whole after each epoch, so that a crash at
any point costs one epoch.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from benchmark.errors import InputError, field
from benchmark.networks.weights import save_atomically
from benchmark.training.recipe import Progress, TrainRecipe


def copy_of(module: nn.Module) -> dict[str, torch.Tensor]:
    """A module's weights and statistics, on the CPU."""
    return {name: tensor.detach().cpu().clone() for name, tensor in module.state_dict().items()}


def save_state(
    path: Path,
    module: nn.Module,
    optimizer: torch.optim.Optimizer,
    recipe: TrainRecipe,
    progress: Progress,
    best: dict[str, torch.Tensor],
) -> None:
    """Write all that going on needs: weights, the optimizer's moments, the best weights, recipe and
    progress.
    """
    tensors = {f"module.{name}": tensor for name, tensor in copy_of(module).items()}
    tensors |= {f"best.{name}": tensor for name, tensor in best.items()}
    for i, moments in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{i}.{name}": tensor.cpu() for name, tensor in moments.items()}
    save_atomically(
        path,
        {name: tensor.contiguous() for name, tensor in tensors.items()},
        {"recipe": json.dumps(asdict(recipe)), "progress": json.dumps(asdict(progress))},
    )


def load_state(
    path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, recipe: TrainRecipe
) -> tuple[Progress, dict[str, torch.Tensor]]:
    """Bring module and optimizer to a saved state; returns the progress and the best weights."""
    again = f"the same without {field('resume')} starts over"
    asked = f"{field('resume')} from {path}"
    try:
        with safe_open(path, framework="pt") as file:
            words = file.metadata()
        tensors = safetensors.torch.load_file(path)
        stored, progress = json.loads(words["recipe"]), Progress(**json.loads(words["progress"]))
    except FileNotFoundError:
        raise InputError(asked, "no such file: no unfinished training", again) from None
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(asked, f"it is not a state of a training: {error}", again) from None
    wanted = json.loads(json.dumps(asdict(recipe)))  # lists for tuples, as they come back
    if changed := [f"{k}={stored.get(k)}" for k, v in wanted.items() if stored.get(k) != v]:
        found = f"that training has {', '.join(changed)}"
        raise InputError(asked, found, f"those, or {again}")
    split: dict[str, dict[str, Any]] = {"module": {}, "best": {}, "optimizer": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        split[part][rest] = tensor
    try:
        module.load_state_dict(split["module"])
    except RuntimeError as error:
        found = f"another network: {str(error).splitlines()[0]}"
        raise InputError(asked, found, again) from None
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, tensor in split["optimizer"].items():
        i, _, moment = name.partition(".")
        state.setdefault(int(i), {})[moment] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    return progress, split["best"]

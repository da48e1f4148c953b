"""Weights of networks in safetensors files: read, put into a module, and written whole."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn

from benchmark.errors import InputError
from benchmark.networks.checkpoints import Checkpoint


def load_weights(module: nn.Module, checkpoint: Checkpoint) -> None:
    """Put a checkpoint's weights into a module, as float32; raises InputError where they do not fit
    it.
    """
    try:
        module.load_state_dict(read_weights(checkpoint))
    except RuntimeError as error:
        _, _, said = str(error).partition("\n")  # a head, then a line a fault
        first, _, _ = said.partition("\n")
        raise InputError(
            f"segmenter {checkpoint.name} with the weights {checkpoint.path}",
            f"they do not fit it: {first.strip()[:200]}",
            f"python -m benchmark train --segmenter {checkpoint.name} "
            f"--dataset {checkpoint.card['dataset']}",
        ) from None


def read_weights(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    """A checkpoint's weights by name, as float32; raises InputError where they cannot be read or
    are not finite.
    """
    try:
        stored = safetensors.torch.load_file(checkpoint.path)
    # Its own error, or KeyError where a type of number is none that it knows.
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        raise InputError(
            f"the weights {checkpoint.path}",
            f"they cannot be read: {error}",
            "the file, copied whole",
        ) from error
    weights = {}
    for name, tensor in stored.items():
        weights[name] = tensor.float() if tensor.is_floating_point() else tensor
        if not torch.isfinite(tensor).all():
            raise InputError(
                f"the weights {checkpoint.path}",
                f"{name} holds values that are not finite",
                f"python -m benchmark train --segmenter {checkpoint.name} --dataset"
                f" {checkpoint.card['dataset']}",
            )
    return weights


def save_checkpoint(path: Path, module: nn.Module, card: dict[str, Any]) -> None:
    """Write a module's weights as float16 (whole numbers as they are) with their card."""
    weights = {}
    for name, tensor in module.state_dict().items():
        stored = tensor.half() if tensor.is_floating_point() else tensor
        weights[name] = stored.cpu().contiguous()
    save_atomically(path, weights, {"card": json.dumps(card)})


def save_atomically(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
    """Write a safetensors file beside `path`, then put it there in one step: a crash leaves a whole
    file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".part")
    try:
        safetensors.torch.save_file(tensors, beside, metadata)
    except SafetensorError as error:  # it has one error for all, a full disk too
        raise OSError(f"{path} cannot be written: {error}") from None
    try:
        os.replace(beside, path)
    except FileNotFoundError:  # another process writes the same file, and was faster
        if not path.is_file():
            raise

"""Weights of networks in safetensors files: read as they were hashed, put into a module that fits
them, and written whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn

from benchmark.errors import InputError, call
from benchmark.files.writing import replacing
from benchmark.networks.checkpoints import Checkpoint

FEW = 1_000_000  # numbers that weights may lack of a network: counters that old files have not
# What torch and other libraries raise of sizes and options that make no sense.
BUILDING = (
    TypeError,
    ValueError,
    RuntimeError,
    ArithmeticError,
    LookupError,
    AttributeError,
    AssertionError,
)


def on_meta(
    plugin: Callable[..., nn.Module], channels: int, options: Mapping[str, Any]
) -> dict[str, torch.Tensor]:
    """The shapes of a segmenter's weights by name, on torch's meta device, which takes no memory.

    Empty where it cannot be built there: some look at values, and options may make no sense, which
    `build` says.
    """
    try:
        with torch.device("meta"):
            return plugin(channels, **options).state_dict()
    except Exception:
        return {}


def check_memory(
    shapes: Mapping[str, torch.Tensor], weights: Mapping[str, torch.Tensor], asked: str
) -> None:
    """Refuse a card that asks for far more than its file holds, before the network is built."""
    due = sum(w.numel() for w in shapes.values())
    held = sum(w.numel() for w in weights.values())
    if due > held + FEW:
        found = f"its options ask for {due:,} numbers, its weights are {held:,}"
        raise InputError(asked, found, "a card and weights that belong together")


def build(
    plugin: Callable[..., nn.Module], channels: int, options: Mapping[str, Any], asked: str
) -> nn.Module:
    """The module of a segmenter; raises InputError where its options make no sense."""
    try:
        return plugin(channels, **options)
    except BUILDING as error:
        said = str(error).partition("\n")[0][:200]
        found = f"it cannot be built with its options: {type(error).__name__}: {said}"
        raise InputError(asked, found, "options of this version of the segmenter") from error


def load_weights(
    module: nn.Module, checkpoint: Checkpoint, weights: Mapping[str, torch.Tensor]
) -> None:
    """Put a checkpoint's weights into a module; raises InputError where they do not fit it."""
    try:
        module.load_state_dict(dict(weights))
    except RuntimeError as error:
        raise InputError(
            f"segmenter {checkpoint.name} with the weights {checkpoint.path}",
            "they do not fit it:"
            f" {' '.join(line.strip() for line in str(error).splitlines()[1:2])[:200]}",
            _train_again(checkpoint),
        ) from None


def read_weights(checkpoint: Checkpoint) -> dict[str, torch.Tensor]:
    """A checkpoint's weights by name, as float32; raises InputError where they cannot be read, are
    not those that were hashed, or are not finite.
    """
    asked, whole_file = f"the weights {checkpoint.path}", "the file, copied whole"
    try:
        data = checkpoint.path.read_bytes()
        stored = safetensors.torch.load(data)
    # Its own error, or KeyError where a type of number is none that it knows.
    except (SafetensorError, OSError, KeyError, ValueError, RuntimeError) as error:
        raise InputError(asked, f"they cannot be read: {error}", whole_file) from error
    if hashlib.sha256(data).hexdigest()[:16] != checkpoint.hash:
        found = "the file has changed since it was looked up"
        raise InputError(asked, found, "run it again, when nothing writes to the file")
    weights = {}
    for name, tensor in stored.items():
        weights[name] = tensor.float() if tensor.is_floating_point() else tensor
        if not torch.isfinite(tensor).all():
            raise InputError(
                asked,
                f"{name} holds values that are not finite",
                _train_again(checkpoint),
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
    """Write a safetensors file in one step: a crash leaves the old file or the whole new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        try:
            safetensors.torch.save_file(tensors, beside, metadata)
        except SafetensorError as error:  # it has one error for all, a full disk too
            raise OSError(f"{path} cannot be written: {error}") from None


def _train_again(checkpoint: Checkpoint) -> str:
    """What to type for weights that fit."""
    return call("train", segmenter=checkpoint.name, dataset=checkpoint.card["dataset"])

"""Weights to start from, and parts of a network that stay as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmark.errors import InputError, did_you_mean, field
from benchmark.networks.cards import read_card
from benchmark.networks.checkpoints import Checkpoint, find_checkpoint
from benchmark.networks.weights import read_weights
from benchmark.plugins.index import get


def find_start(spec: str, segmenter: str) -> Checkpoint:
    """The checkpoint of `--init-from`: NAME@FILE, FILE.safetensors, or the data set that this
    segmenter's weights are for.

    Raises InputError where there is none, and where it is another segmenter's.
    """
    if spec.endswith(".safetensors") or "@" in spec:
        name, _, file = spec.rpartition("@")
        if name not in ("", segmenter):
            known = get("segmenter", name).name
            raise InputError(
                field("init_from", spec),
                f"weights of {name} do not fit {segmenter}",
                field("segmenter", known),
            )
        path = Path(file)
        card = read_card(path)
        if card["segmenter"] != segmenter:
            raise InputError(
                field("init_from", spec),
                f"they are weights of {card['segmenter']}, not of {segmenter}",
                field("segmenter", card["segmenter"]),
            )
        return find_checkpoint(f"{segmenter}@{path}", card["dataset"])
    try:
        return find_checkpoint(segmenter, spec)
    except InputError as error:
        raise InputError(
            field("init_from", spec),
            error.found,
            f"FILE.safetensors, or a data set that {segmenter} was trained on",
        ) from None


def load_start(module: nn.Module, start: Checkpoint, fresh: Sequence[str]) -> None:
    """Put a checkpoint's weights into a module, but for those whose names begin with one of
    `fresh`: these stay at random.

    Raises InputError where a name or a shape of the others differs, and where a beginning fits no
    parameter.
    """
    own, loaded = module.state_dict(), read_weights(start)
    for beginning in fresh:
        _check_beginning("fresh", beginning, own)
    beginnings = tuple(fresh)  # no name begins with one of none
    kept = {name: tensor for name, tensor in own.items() if name.startswith(beginnings)}
    weights = {name: tensor for name, tensor in loaded.items() if not name.startswith(beginnings)}
    if len(kept) == len(own):
        raise InputError(
            field("fresh", fresh),
            "all weights begin so: nothing is left to start from",
            f"fewer of them, or no {field('init_from')}",
        )
    wrong = []
    for name, tensor in own.items():
        there, here = _shape(weights.get(name)), _shape(tensor)
        if name not in kept and there != here:
            wrong.append(f"{name} is {there} there and {here} here")
    for name in weights:
        if name not in own:
            wrong.append(f"{name} is there, and not here")
    if wrong:
        first = wrong[0].split(" ", 1)[0]
        layer = first.rpartition(".")[0] or first
        raise InputError(
            f"to start from {start.path}",
            f"{len(wrong)} of its {len(loaded)} tensors do not fit: {'; '.join(wrong[:3])}",
            f"the {field('sets')} options that it was trained with, or leave what differs at"
            f" random: {field('fresh', layer)}",
        )
    module.load_state_dict(weights | kept)


def freeze(module: nn.Module, beginnings: Sequence[str]) -> None:
    """Parameters whose names begin so get no gradient; raises InputError where none does, or all
    do.
    """
    names = dict(module.named_parameters())
    for beginning in beginnings:
        _check_beginning("freeze", beginning, names)
    left = 0
    for name, parameter in names.items():
        trained = not name.startswith(tuple(beginnings))
        parameter.requires_grad_(trained)
        left += trained
    if not left:
        raise InputError(field("freeze", beginnings), "nothing is left to train", "fewer of them")


def train_mode(module: nn.Module) -> None:
    """Training mode, but for parts that are frozen as a whole: their BatchNorm statistics stay as
    they are too.
    """
    module.train()
    for part in module.modules():
        own = list(part.parameters())
        if own and not any(parameter.requires_grad for parameter in own):
            part.eval()


def groups(module: nn.Module, fresh: Sequence[str], loaded_rate: float) -> list[dict[str, Any]]:
    """Parameter groups for an optimizer with the `scale` of their learning rate: loaded_rate of
    what was loaded, 1 of what is fresh.
    """
    new: list[nn.Parameter] = []
    old: list[nn.Parameter] = []
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            (new if name.startswith(tuple(fresh)) else old).append(parameter)
    out: list[dict[str, Any]] = []
    if old:
        out.append({"params": old, "scale": loaded_rate})
    if new:
        out.append({"params": new, "scale": 1.0})
    return out


def _check_beginning(name: str, beginning: str, names: Iterable[str]) -> None:
    if not any(name.startswith(beginning) for name in names):
        raise InputError(
            field(name, beginning),
            "no parameter's name begins so",
            did_you_mean(beginning, {name.partition(".")[0] for name in names}),
        )


def _shape(tensor: torch.Tensor | None) -> str:
    return "absent" if tensor is None else "x".join(map(str, tensor.shape)) or "one number"

"""A backbone and a command of volumes that are fast, for tests."""

from __future__ import annotations

from pathlib import Path

import torch

from benchmark.bitstream import Header, encode
from benchmark.images.grid import dims
from benchmark.networks.checkpoints import Checkpoint
from benchmark.networks.network import Network
from benchmark.plugins import index
from benchmark.plugins.choice import Choice
from tests.conftest import TINY

SIREN = Choice.of("inr", "siren", hidden_features=6, hidden_layers=1)


ARGS = dict(SIREN.args)


FAST = [
    "--dims",
    "3",
    "--dataset",
    "tiny",
    "--plugin",
    str(TINY),
    "--steps",
    "12",
    "--lr",
    "1e-2",
    "--set",
    "hidden_features=12",
    "--bits",
    "10",
    "--device",
    "cpu",
    "--limit",
    "2",
]


def network(multiple: int = 16) -> Network:
    torch.manual_seed(0)
    module = index.get("segmenter", "unet").load()(1, base=2)
    card = {"segmenter": "unet", "options": {"base": 2}, "channels": ["gray"], "dataset": "tiny"}
    return Network(
        Checkpoint("unet", Path(), "0", card),
        module,
        multiple=multiple,
        device="cpu",
        precision="float32",
    )


def file_of(depth: int, channels: int = 1) -> bytes:
    torch.manual_seed(0)
    module = index.get("inr", "siren").load()(dims(depth), channels, **ARGS)
    return encode(
        Header("siren", ARGS, 8, 10, channels, 12, window=(-10.0, 90.0), depth=depth),
        {name: 3 * p.detach().numpy() for name, p in module.named_parameters()},
    )

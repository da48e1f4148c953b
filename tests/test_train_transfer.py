"""Weights to start from, fresh parts, frozen parts."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import torch
from torch import nn

from benchmark.errors import InputError
from benchmark.networks.checkpoints import Checkpoint, default_path
from benchmark.networks.network import save_checkpoint
from benchmark.training.data import Slices
from benchmark.training.loop import optimizer_of, train
from benchmark.training.recipe import TrainRecipe
from benchmark.training.transfer import find_start, freeze, load_start, train_mode


class Net(nn.Module):
    def __init__(self, channels: int = 1) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.5)
        )
        self.body = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4))
        self.head = nn.Conv2d(4, 1, 1)

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(self.stem(image)))


def net(channels: int = 1, seed: int = 0) -> Net:
    torch.manual_seed(seed)
    return Net(channels)


@pytest.fixture
def start(tmp_path: Path) -> Checkpoint:
    """One-channel weights of seed 7, whose BatchNorm has seen something."""
    module = net(seed=7)
    module.stem[1].running_mean.fill_(0.5)
    card = {"segmenter": "unet", "options": {}, "channels": ["flair"], "dataset": "lgg"}
    save_checkpoint(tmp_path / "start.safetensors", module, card)
    path = tmp_path / "start.safetensors"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return Checkpoint("unet", path, digest, card)


def data() -> Slices:
    images = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    return Slices(
        images, (images > 0.5).float(), torch.zeros(6, 4), ("a",) * 6, ("flair",), ((1.0, 1.0),) * 6
    )


def same(a: nn.Module, b: nn.Module, beginning: str) -> bool:
    one, other = a.state_dict(), b.state_dict()
    return all(
        torch.allclose(one[name].float(), other[name].float(), atol=1e-3)
        for name in one
        if name.startswith(beginning)
    )


def test_all_is_loaded_but_what_is_fresh(start):
    module, untouched, there = net(), net(), net(seed=7)
    load_start(module, start, ["head"])
    assert same(module, there, "body") and module.stem[1].running_mean[0] == 0.5
    assert same(module, untouched, "head") and not same(module, there, "head")
    load_start(module, start, [])
    assert same(module, there, "head")


def test_another_number_of_channels_is_an_error_unless_it_is_named(start):
    with pytest.raises(
        InputError, match=r"stem.0.weight is 4x1x3x3 there and 4x3x3x3 here(.|\n)*fresh='stem.0'"
    ):
        load_start(net(3), start, [])
    module = net(3)
    load_start(module, start, ["stem.0"])
    assert same(module, net(3), "stem.0") and same(module, net(seed=7), "body")


def test_weights_that_are_not_here_and_beginnings_of_nothing(start):
    module = net()
    del module.head
    with pytest.raises(InputError, match="head.weight is there, and not here"):
        load_start(module, start, [])
    with pytest.raises(InputError, match="no parameter's name begins so(.|\n)*'head'"):
        load_start(net(), start, ["heads"])
    with pytest.raises(InputError, match="nothing is left to start from"):
        load_start(net(), start, [""])


def test_frozen_parts_stay_as_they_are_statistics_too(start):
    module = net()
    load_start(module, start, [])
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    freeze(module, ["stem"])
    train(module, data(), data(), TrainRecipe(epochs=2, batch=3, lr=0.1, freeze=("stem",)))
    after = module.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before if name.startswith("stem"))
    assert not torch.equal(before["body.0.weight"], after["body.0.weight"])
    assert not torch.equal(before["body.1.running_mean"], after["body.1.running_mean"])


def test_training_mode_of_what_is_half_frozen():
    module = net()
    freeze(module, ["stem.0", "body"])
    train_mode(module)
    assert module.training and module.stem.training and module.stem[1].training
    assert not module.body.training and not module.body[1].training
    freeze(module, [])
    train_mode(module)
    assert all(p.requires_grad for p in module.parameters()) and module.body[1].training


def test_freezing_nothing_or_everything_is_an_error():
    with pytest.raises(InputError, match="no parameter's name begins so"):
        freeze(net(), ["tail"])
    with pytest.raises(InputError, match="nothing is left to train"):
        freeze(net(), ["stem", "body", "head"])


def test_loaded_weights_may_learn_slower(monkeypatch):
    module, recipe = (
        net(),
        TrainRecipe(
            fresh=("head",), loaded_rate=0.1, lr=0.5, schedule="constant", epochs=1, batch=6
        ),
    )
    optimizer = optimizer_of(module, recipe)
    assert [(len(group["params"]), group["scale"]) for group in optimizer.param_groups] == [
        (8, 0.1),
        (2, 1.0),
    ]
    rates: list[list[float]] = []
    step = torch.optim.AdamW.step
    monkeypatch.setattr(
        torch.optim.AdamW,
        "step",
        lambda self: rates.append([g["lr"] for g in self.param_groups]) or step(self),
    )
    train(module, data(), data(), recipe)
    assert rates == [[0.05, 0.5]]


def test_where_a_start_is_found(start, tmp_path):
    for spec in (str(start.path), f"unet@{start.path}"):
        assert find_start(spec, "unet").path == start.path
    with pytest.raises(InputError, match="weights of unet, not of dilated"):
        find_start(str(start.path), "dilated")
    with pytest.raises(InputError, match="do not fit dilated"):
        find_start(f"unet@{start.path}", "dilated")
    with pytest.raises(InputError, match="no such file"):
        find_start(str(tmp_path / "none.safetensors"), "unet")
    with pytest.raises(
        InputError,
        match="asked: init_from='lgg'(.|\n)*unet-lgg.safetensors(.|\n)*try: FILE.safetensors",
    ):
        find_start("lgg", "unet")
    with pytest.raises(InputError, match="did you mean 'unet'"):
        find_start(f"unett@{start.path}", "unet")
    save_checkpoint(default_path("unet", "lgg"), net(), start.card)
    assert find_start("lgg", "unet").path == default_path("unet", "lgg")

"""A network read from a checkpoint: frozen, folded, right about sizes and channels, and clear about
what is wrong.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from torch import nn

from benchmark.errors import InputError
from benchmark.networks.checkpoints import find_checkpoint
from benchmark.networks.network import fold, load_network, save_atomically, save_checkpoint
from benchmark.plugins.index import get
from benchmark.types import VolumeStatistics

VOLUMES = [VolumeStatistics(0.3, 0.2, 0.1, 0.9), VolumeStatistics(0.4, 0.1, 0.2, 0.8)]
ROWS = torch.tensor([volume.as_row() for volume in VOLUMES])


def trained_like(name: str, channels: int = 1, **options) -> nn.Module:
    """A module whose BatchNorm statistics are not the initial ones."""
    torch.manual_seed(0)
    module = get("segmenter", name).load()(channels, **options)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.running_mean.uniform_(-0.5, 0.5)
            part.running_var.uniform_(0.5, 2.0)
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.uniform_(part.bias, -0.5, 0.5)
    return module.half().float().eval()


@pytest.fixture(
    params=[("unet", {"base": 4}), ("dilated", {"width": 8}), ("unet-4", {"base": 4})],
    ids=["unet", "dilated", "unet-4"],
)
def stored(request, tmp_path):
    name, options = request.param
    module, path = trained_like(name, **options), tmp_path / "weights.safetensors"
    save_checkpoint(
        path,
        module,
        {"segmenter": name, "options": options, "channels": ["flair"], "dataset": "tiny"},
    )
    return module, find_checkpoint(f"{name}@{path}", "tiny")


def test_folded_and_frozen_equals_the_module(stored):
    module, checkpoint = stored
    network = load_network(checkpoint)
    images = torch.rand(2, 32, 32, 1)
    with torch.no_grad():
        expected = module(images.permute(0, 3, 1, 2), ROWS)[:, 0]
    assert not any(isinstance(part, nn.BatchNorm2d) for part in network.module.modules())
    assert torch.allclose(network.logits(images, ROWS), expected, atol=2e-4)
    assert (network.name, network.hash, network.channels) == (
        checkpoint.name,
        checkpoint.hash,
        ("flair",),
    )


def test_images_get_a_gradient_and_parameters_none(stored):
    module, checkpoint = stored
    network = load_network(checkpoint)
    images = torch.rand(2, 32, 32, 1, requires_grad=True)
    (gradient,) = torch.autograd.grad(network.logits(images, ROWS).square().sum(), images)
    other = images.detach().clone().requires_grad_()
    (expected,) = torch.autograd.grad(module(other.permute(0, 3, 1, 2), ROWS).square().sum(), other)
    assert torch.allclose(gradient, expected, rtol=1e-2, atol=1e-3 * expected.abs().max().item())
    assert all(not p.requires_grad and p.grad is None for p in network.module.parameters())


def test_an_ensemble_reads_the_mean_of_its_members_probabilities(tmp_path):
    for name, options in (("unet", {"base": 4}), ("unet-4", {"base": 4})):
        save_checkpoint(
            tmp_path / f"{name}.safetensors",
            trained_like(name, **options),
            {"segmenter": name, "options": options, "channels": ["flair"], "dataset": "tiny"},
        )
    specs = [f"{name}@{tmp_path / name}.safetensors" for name in ("unet", "unet-4")]
    one, other, both = (
        load_network(find_checkpoint(spec, "tiny")) for spec in (*specs, "+".join(specs))
    )
    images = torch.rand(2, 32, 32, 1, requires_grad=True)
    expected = (
        torch.sigmoid(one.logits(images, ROWS)) + torch.sigmoid(other.logits(images, ROWS))
    ) / 2
    assert torch.allclose(torch.sigmoid(both.logits(images, ROWS)), expected, atol=1e-6)
    assert np.allclose(
        both.segment(images.detach().numpy(), VOLUMES), expected.detach().numpy(), atol=1e-6
    )
    (gradient,) = torch.autograd.grad(torch.sigmoid(both.logits(images, ROWS)).sum(), images)
    (wanted,) = torch.autograd.grad(expected.sum(), images)
    assert torch.allclose(gradient, wanted, atol=1e-5)
    assert torch.isfinite(both.logits(100 * images, ROWS)).all()


def test_members_of_an_ensemble_read_the_same_channels_and_keep_how_images_are_prepared(tmp_path):
    for name, channels, options in (
        ("unet", 1, {"size": 64, "window": "full"}),
        ("unet-4", 1, {"size": 64, "window": "brain"}),
        ("unet-5", 2, {}),
    ):
        save_checkpoint(
            tmp_path / f"{name}.safetensors",
            trained_like(name, channels, base=4),
            {
                "segmenter": name,
                "options": {"base": 4},
                "channels": ["a", "b"][:channels],
                "dataset": "tiny",
                "dataset_options": options,
            },
        )
    one, other, more = (
        f"{name}@{tmp_path / name}.safetensors" for name in ("unet", "unet-4", "unet-5")
    )
    assert find_checkpoint(f"{one}+{other}", "tiny").card["dataset_options"] == {"size": 64}
    with pytest.raises(InputError, match="other numbers of channels: a and a, b"):
        find_checkpoint(f"{one}+{more}", "tiny", force=True)


def test_a_file_that_cannot_be_written_is_an_oserror_and_the_old_one_stays(tmp_path, monkeypatch):
    with pytest.raises(OSError, match="cannot be written"):
        save_atomically(Path("/proc/w.safetensors"), {"a": torch.ones(1)}, {})

    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise SafetensorError("No space left on device")

    path = tmp_path / "w.safetensors"
    path.write_bytes(b"old")
    monkeypatch.setattr("safetensors.torch.save_file", full)
    with pytest.raises(OSError, match="No space left"):
        save_atomically(path, {}, {})
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_a_card_that_asks_for_more_than_its_file_holds_takes_no_memory(stored, monkeypatch):
    """base=4000 is a U-Net of 12 GB."""
    _, checkpoint = stored
    size = next(iter(checkpoint.card["options"]))
    card = {**checkpoint.card, "options": {size: 4000}}
    built = []
    plugin = get("segmenter", checkpoint.name).load()
    start = plugin.__init__

    def noted(self, *args, **kwargs):
        built.append(torch.empty(0).device.type)
        start(self, *args, **kwargs)

    monkeypatch.setattr(plugin, "__init__", noted)
    with pytest.raises(InputError, match=r"ask for [\d,]{11,} numbers, its weights are"):
        load_network(replace(checkpoint, card=card))
    assert set(built) == {"meta"}


def test_weights_that_changed_since_they_were_found_are_refused(stored, tmp_path):
    module, checkpoint = stored
    with torch.no_grad():
        next(module.parameters()).add_(1)
    save_checkpoint(checkpoint.path, module, checkpoint.card)
    with pytest.raises(InputError, match="changed since it was looked up"):
        load_network(checkpoint)


def test_bf16_reads_about_the_same(stored):
    _, checkpoint = stored
    images = torch.rand(2, 32, 32, 1)
    exact, fast = (
        load_network(checkpoint, precision=p).logits(images, ROWS) for p in ("float32", "bf16")
    )
    assert fast.dtype == torch.float32 and not torch.equal(exact, fast)
    assert (exact - fast).abs().max() < 0.1 * exact.abs().max()


def test_segment_gives_probabilities_of_each_image_alone(stored):
    network = load_network(stored[1])
    images = np.random.default_rng(0).random((40, 32, 32, 1), dtype=np.float32)
    volumes = VOLUMES * 20
    found = network.segment(images, volumes)
    assert (
        found.shape == (40, 32, 32)
        and found.dtype == np.float32
        and 0 <= found.min()
        and found.max() <= 1
    )
    np.testing.assert_allclose(
        found[37:38], network.segment(images[37:38], volumes[37:38]), atol=1e-4
    )


def test_wrong_channels_and_sizes_are_named(stored):
    network = load_network(stored[1])
    with pytest.raises(InputError, match=r"3 channels[\s\S]*trained on 1: flair"):
        network.logits(torch.rand(1, 32, 32, 3), ROWS[:1])
    with pytest.raises(InputError, match=rf"36 x 32[\s\S]*multiples of {network.multiple}"):
        network.logits(torch.rand(1, 36, 32, 1), ROWS[:1])


def test_weights_of_another_shape_and_unknown_precision(stored, tmp_path):
    module, checkpoint = stored
    wrong = {
        **checkpoint.card,
        "options": {"width": 16} if checkpoint.name == "dilated" else {"base": 8},
    }
    save_checkpoint(tmp_path / "wrong.safetensors", module, wrong)
    with pytest.raises(InputError, match="do not fit"):
        load_network(find_checkpoint(f"{checkpoint.name}@{tmp_path / 'wrong.safetensors'}", "tiny"))
    save_checkpoint(
        tmp_path / "minus.safetensors",
        module,
        {**checkpoint.card, "options": {next(iter(checkpoint.card["options"])): -2}},
    )
    with pytest.raises(InputError, match="with the card of"):
        load_network(find_checkpoint(f"{checkpoint.name}@{tmp_path / 'minus.safetensors'}", "tiny"))
    with pytest.raises(InputError, match="fp8"):
        load_network(checkpoint, precision="fp8")


def test_fold_leaves_a_normalisation_elsewhere_alone():
    part = nn.Sequential(nn.ReLU(), nn.BatchNorm2d(2), nn.Conv2d(2, 2, 3)).eval()
    assert isinstance(fold(part)[1], nn.BatchNorm2d)

"""K from memory: what autograd keeps is counted to the byte, and K follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchmark.fit import memory
from benchmark.networks.checkpoints import Checkpoint
from benchmark.networks.network import Network
from benchmark.plugins import index
from benchmark.plugins.choice import Choice

SIREN = Choice.of("inr", "siren", hidden_features=8, hidden_layers=1)
# Floats a pixel: coordinates, and of two sine layers of 8 both the angle, for the sine, and the
# sine, for the next layer.
KEPT_BY_SIREN = 4 * (2 + 2 * 2 * 8)
GIB = 2**30


@pytest.fixture
def gpu(monkeypatch):
    """A GPU with so many free bytes; `gpu(n)` sets them."""

    def free(count: float) -> None:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (int(count), 141 * GIB))

    return free


def network(base: int) -> Network:
    module = index.get("segmenter", "unet").load()(1, base=base)
    card = {"segmenter": "unet", "options": {"base": base}, "channels": ["gray"], "dataset": "tiny"}
    return Network(
        Checkpoint("unet", Path(), "0", card),
        module,
        multiple=16,
        device="cpu",
        precision="float32",
    )


def test_on_a_cpu_k_follows_from_the_pixels():
    assert [
        memory.images_at_once((side, side, 1), SIREN, "cpu") for side in (32, 128, 240, 512)
    ] == [128, 8, 2, 1]


def test_what_a_backbone_keeps_is_counted_to_the_byte():
    expected = 100 * 60 * (memory.BACKWARD * KEPT_BY_SIREN + memory.IMAGES * 4)
    assert memory.bytes_of_an_image((100, 60, 1), SIREN, "cuda") == pytest.approx(expected)


def test_what_is_kept_is_counted_once():
    x = torch.zeros(100, requires_grad=True)
    y = x.sin()  # keeps x
    assert memory.kept(lambda: y * y) == 400  # y twice, of one memory


def test_k_is_what_fits(gpu):
    shape = (240, 240, 1)
    one = memory.bytes_of_an_image(shape, SIREN, "cuda")
    for count in (1, 7, 50):
        gpu(1.001 * count * one / memory.SHARE)
        assert memory.images_at_once(shape, SIREN, "cuda") == count
        assert memory.images_at_once((480, 240, 1), SIREN, "cuda") == max(1, count // 2)


def test_k_is_at_least_one_and_at_most_so_many(gpu):
    for count, k in ((0, 1), (1e15, memory.MOST)):
        gpu(count)
        assert memory.images_at_once((240, 240, 1), SIREN, "cuda") == k


def test_memory_that_pytorch_holds_unused_counts_as_free(gpu, monkeypatch):
    gpu(0)
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 3 * GIB)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: GIB)
    expected = int(memory.SHARE * 2 * GIB / memory.bytes_of_an_image((240, 240, 1), SIREN, "cuda"))
    assert memory.images_at_once((240, 240, 1), SIREN, "cuda") == expected > 1


def test_a_network_takes_its_share():
    """The weights of a U-Net drop out, so twice its width keeps twice as much of an image."""
    plain = memory.bytes_of_an_image((240, 240, 1), SIREN, "cuda")
    two, four = (
        memory.bytes_of_an_image((240, 240, 1), SIREN, "cuda", network(base)) - plain
        for base in (2, 4)
    )
    assert 1.8 * two < four < 2.05 * two
    # At least the two rectified outputs of each of nine levels: 2 x base x (2 - 1/16 + 2 - 1/8)
    # floats a pixel.
    assert four > memory.BACKWARD * 240 * 240 * 4 * 2 * 4 * (31 / 16 + 15 / 8)

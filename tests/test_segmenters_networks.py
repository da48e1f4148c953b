"""The segmenters that come with the suite: shapes, normalisation, size, and the weights that ship."""

from __future__ import annotations

import pytest
import torch
from safetensors import safe_open

from benchmark.checkpoints import read_card
from benchmark.plugins import checkout_root
from benchmark.plugins.index import get

NAMES = ("unet", "dilated")
VOLUME = torch.tensor([[0.3, 0.2, 0.1, 0.9], [0.4, 0.1, 0.2, 0.8]])


def make(name: str, channels: int = 1, **options):
    torch.manual_seed(0)
    return get("segmenter", name).load()(channels, **options).eval()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 3])
def test_one_logit_a_pixel(name, channels):
    logits = make(name, channels)(torch.rand(2, channels, 32, 48), VOLUME)
    assert logits.shape == (2, 1, 32, 48) and logits.dtype == torch.float32


@pytest.mark.parametrize("name", NAMES)
def test_normalises_by_the_volume_of_each_image(name):
    module, image = make(name), torch.rand(2, 1, 32, 32)
    brighter = VOLUME * torch.tensor([2.0, 2.0, 2.0, 2.0])
    with torch.no_grad():
        assert torch.allclose(module(image, VOLUME), module(2 * image, brighter), atol=1e-5)
        assert not torch.allclose(module(image, VOLUME), module(2 * image, VOLUME), atol=1e-2)


@pytest.mark.parametrize("name", NAMES)
def test_images_of_a_batch_do_not_see_each_other(name):
    module, image = make(name), torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        both = module(image, VOLUME)
        assert torch.allclose(both[:1], module(image[:1], VOLUME[:1]), atol=1e-5)


def test_unet_counts_of_buda():
    for channels, count in ((3, 7_763_041), (1, 7_762_465)):
        assert sum(p.numel() for p in make("unet", channels, base=32).parameters()) == count


@pytest.mark.parametrize("name", NAMES)
def test_weights_that_ship(name):
    path = get("segmenter", name).path.parent / "weights" / f"{name}-mni-lesion.safetensors"
    if not path.is_file() and checkout_root() is None:
        pytest.skip("installed without weights")
    card = read_card(path)
    assert path.stat().st_size < 5_000_000
    assert card["test_dice"] >= 0.85 and card["command"].startswith("python -m benchmark train") and card["split_hash"]
    with safe_open(path, framework="pt") as file:
        kinds = {str(file.get_tensor(key).dtype) for key in file.keys()}
    assert kinds <= {"torch.float16", "torch.int64"}

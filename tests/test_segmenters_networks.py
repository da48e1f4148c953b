"""The segmenters that come with the suite: shapes, normalisation, size, the weights that ship."""

from __future__ import annotations

import pytest
import torch
from safetensors import safe_open

from benchmark.networks.checkpoints import read_card
from benchmark.plugins import checkout_root
from benchmark.plugins.index import get

NAMES = ("unet", "dilated", "unet-buda", "unet-5", "unet-4", "transunet")
SHIP = ("unet", "dilated")
SMALL = {"dilated": {}, "transunet": {"base": 4, "width": 16}}
VOLUME = torch.tensor([[0.3, 0.2, 0.1, 0.9], [0.4, 0.1, 0.2, 0.8]])


def make(name: str, channels: int = 1, **options):
    torch.manual_seed(0)
    return (
        get("segmenter", name).load()(channels, **(options or SMALL.get(name, {"base": 4}))).eval()
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 3])
def test_one_logit_a_pixel(name, channels):
    logits = make(name, channels)(torch.rand(2, channels, 32, 64), VOLUME)
    assert logits.shape == (2, 1, 32, 64) and logits.dtype == torch.float32


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


@pytest.mark.parametrize(
    "name, channels, options, trained, with_statistics",
    [
        ("unet", 3, {"base": 32}, 7_763_041, 7_768_929),
        ("unet", 1, {"base": 32}, 7_762_465, 7_768_353),  # Buda et al. 2019
        ("unet-buda", 3, {"base": 32}, 7_763_041, 7_768_929),
        ("unet-buda", 1, {"base": 32}, 7_762_465, 7_768_353),
        (
            "unet-5",
            3,
            {"base": 32},
            7_767_201,
            7_774_049,
        ),  # gia-guar's first model, total as Keras counts
        ("unet-4", 3, {"base": 64}, 10_655_809, 10_663_873),
    ],
)  # and the second, trainable
def test_parameters_are_as_many_as_published(name, channels, options, trained, with_statistics):
    module = make(name, channels, **options)
    count = sum(p.numel() for p in module.parameters())
    statistics = sum(
        b.numel() for key, b in module.named_buffers() if not key.endswith("num_batches_tracked")
    )
    assert (count, count + statistics) == (trained, with_statistics)
    assert {o.name: o.default for o in get("segmenter", name).options} == (
        options if name != "unet" else {"base": 16}
    )


def test_buda_has_the_names_of_the_release():
    names = [
        key for key in make("unet-buda", 3).state_dict() if not key.endswith("num_batches_tracked")
    ]
    assert len(names) == 8 + 2 + 9 * 2 * 5 and {
        "encoder1.enc1conv1.weight",
        "bottleneck.bottlenecknorm2.running_var",
        "upconv4.bias",
        "decoder1.dec1conv2.weight",
        "conv.bias",
    } <= set(names)


def test_buda_clips_to_the_percentiles_of_the_volume():
    module, image = make("unet-buda"), torch.rand(2, 1, 32, 32)
    p10, p99 = VOLUME[:, 2, None, None, None], VOLUME[:, 3, None, None, None]
    with torch.no_grad():
        assert torch.equal(module(image, VOLUME), module(image.clamp(p10, p99), VOLUME))
        assert not torch.equal(module(image, VOLUME), module(image.clamp(p10 + 0.1, p99), VOLUME))


def test_transunet_sees_the_whole_image_and_reads_other_sizes():
    module = make("transunet").requires_grad_(False)
    image = torch.rand(1, 1, 256, 128, requires_grad=True)
    (gradient,) = torch.autograd.grad(module(image, VOLUME[:1])[0, 0, 0, 0], image)
    assert (gradient[0, 0, -32:, -32:] != 0).any()
    for options in ({"width": 30, "heads": 4}, {"patch": 3}):
        with pytest.raises(ValueError, match="multiple of heads"):
            make("transunet", **options)
    for patch in (2, 4):
        assert make("transunet", base=4, width=16, patch=patch)(
            torch.rand(2, 1, 32, 64), VOLUME
        ).shape == (2, 1, 32, 64)


@pytest.mark.parametrize("name", SHIP)
def test_weights_that_ship(name):
    path = get("segmenter", name).path.parent / "weights" / f"{name}-mni-lesion.safetensors"
    if not path.is_file() and checkout_root() is None:
        pytest.skip("installed without weights")
    card = read_card(path)
    assert path.stat().st_size < 5_000_000
    assert (
        card["test_dice"] >= 0.85
        and card["command"].startswith("python -m benchmark train")
        and card["split_hash"]
    )
    with safe_open(path, framework="pt") as file:
        kinds = {str(file.get_tensor(key).dtype) for key in file.keys()}
    assert kinds <= {"torch.float16", "torch.int64"}

"""Classifiers: torchvision's sizes and names, frozen networks of labels, their ensembles, and the
penalty that they give.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.checks import Subject, run_checks
from benchmark.errors import InputError
from benchmark.networks.checkpoints import find_checkpoint
from benchmark.networks.network import LabelNetwork, load_network, save_checkpoint
from benchmark.plugins import index
from benchmark.plugins.index import get
from benchmark.types import Sample, VolumeStatistics
from tests import label_networks
from tests.tiny_labels import CLASSES, TinyLabel

NAMES = ("mobilenet-v2", "vgg16")
VOLUMES = [VolumeStatistics(0.3, 0.2, 0.1, 0.9), VolumeStatistics(0.4, 0.1, 0.2, 0.8)]
ROWS = torch.tensor([volume.as_row() for volume in VOLUMES])


@pytest.fixture
def plugins() -> None:
    index.add_plugin_file(Path(__file__).with_name("tiny_labels.py"))


def make(name: str, channels: int = 1, **options: object) -> nn.Module:
    torch.manual_seed(0)
    return (
        get("segmenter", name)
        .load()(channels, **{**label_networks.OPTIONS[name], **options})
        .eval()
    )


# --- the classifiers


@pytest.mark.parametrize(
    ("name", "count", "entries", "names"),
    [
        (
            "mobilenet-v2",
            3_504_872,
            314,
            {
                "features.0.0.weight",
                "features.1.conv.0.1.running_mean",
                "features.1.conv.2.bias",
                "features.17.conv.3.num_batches_tracked",
                "features.18.1.weight",
                "classifier.1.bias",
            },
        ),
        (
            "vgg16",
            138_357_544,
            32,
            {
                "features.0.weight",
                "features.28.bias",
                "classifier.0.weight",
                "classifier.3.bias",
                "classifier.6.weight",
            },
        ),
    ],
)
def test_parameters_and_names_are_torchvisions(
    name: str, count: int, entries: int, names: set[str]
) -> None:
    module = get("segmenter", name).load()(3, classes=1000)
    state = module.state_dict()
    assert sum(p.numel() for p in module.parameters()) == count
    assert len(state) == entries and names <= set(state)


def test_counts_of_four_classes() -> None:
    assert (
        sum(p.numel() for p in get("segmenter", "mobilenet-v2").load()(3).parameters())
        == 3_504_872 - 996 * 1281
    )
    small = get("segmenter", "vgg16").load()(3, base=8, hidden=16)
    assert sum(p.numel() for p in small.parameters()) < 300_000


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 3])
def test_one_logit_a_class_at_any_size(name: str, channels: int) -> None:
    module = make(name, channels, classes=5)
    for shape in ((32, 32), (64, 96), (128, 128)):
        with torch.no_grad():
            assert module(torch.rand(2, channels, *shape), ROWS).shape == (2, 5)


@pytest.mark.parametrize("name", NAMES)
def test_a_gray_image_is_repeated_for_weights_of_three_channels(name: str) -> None:
    gray, color = make(name, 1, rgb=True), make(name, 3)
    gray.load_state_dict(color.state_dict())
    image = torch.rand(2, 1, 32, 32)
    with torch.no_grad():
        assert torch.allclose(gray(image, ROWS), color(image.repeat(1, 3, 1, 1), ROWS), atol=1e-6)
    with pytest.raises(InputError, match="only a gray image"):
        make(name, 2, rgb=True)


@pytest.mark.parametrize("name", NAMES)
def test_normalizes_by_the_volume_or_by_imagenet(name: str) -> None:
    image, brighter = torch.rand(2, 3, 32, 32), 2 * ROWS
    with torch.no_grad():
        module = make(name, 3)
        assert torch.allclose(module(image, ROWS), module(2 * image, brighter), atol=1e-5)
        module = make(name, 3, normalize="imagenet")
        seen: list[torch.Tensor] = []
        module.features[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        assert torch.equal(module(image, ROWS), module(image, brighter))
    red = (image[:, 0] - 0.485) / 0.229
    assert torch.allclose(seen[0][:, 0], red, atol=1e-6)


# --- contract checks


class OneMore(TinyLabel):
    """Answers with a class too many."""

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        return nn.functional.pad(super().forward(image, volume), (0, 1))


class Mask(TinyLabel):
    """A mask, though it says label."""

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        return super().forward(image, volume)[:, :1, None, None] + image.sum(1, keepdim=True)


class Unnamed(nn.Module):
    """Has no keyword `classes`."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.inside = TinyLabel(channels, classes=4)

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        return self.inside(image, volume)


def failures(factory: Callable[..., nn.Module]) -> list[str]:
    return [
        result.name
        for result in run_checks(
            "segmenter", Subject.of(factory, kind="segmenter", multiple=8, task="label")
        )
        if result.status != "passed"
    ]


def test_the_claims_hold_for_a_classifier_that_is_right() -> None:
    assert failures(TinyLabel) == []


@pytest.mark.parametrize("wrong", [OneMore, Mask, Unnamed])
def test_logits_of_another_shape_are_noticed(wrong: Callable[..., nn.Module]) -> None:
    assert failures(wrong) == ["logits have the images size"]


def test_a_divergence_with_a_wrong_gradient_is_noticed() -> None:
    right = get("regularizer", "kl").load()

    class Doubled(right):  # type: ignore[misc, valid-type]
        def make(self, samples, network):
            penalty = super().make(samples, network)
            return lambda images, which: (penalty(images, which)[0], 2 * penalty(images, which)[1])

    results = list(run_checks("regularizer", Subject.of(Doubled, kind="regularizer", task="label")))
    assert [result.name for result in results if result.status != "passed"] == [
        "gradient is that of the penalty"
    ]


# --- the frozen network


@pytest.fixture
def network(plugins: None) -> LabelNetwork:
    label_networks.write("mobilenet-v2")
    found = load_network(find_checkpoint("mobilenet-v2", "tiny-labels"))
    assert isinstance(found, LabelNetwork)
    return found


def test_a_network_of_labels_answers_and_gives_the_image_a_gradient(network: LabelNetwork) -> None:
    images = torch.rand(2, 32, 32, 1, requires_grad=True)
    logits = network.logits(images, ROWS)
    assert (
        logits.shape == (2, 3)
        and logits.dtype == torch.float32
        and network.classes == CLASSES
        and network.task == "label"
    )
    (gradient,) = torch.autograd.grad(logits.square().sum(), images)
    assert torch.isfinite(gradient).all() and (gradient.abs().flatten(1).sum(1) > 0).all()
    assert not any(p.requires_grad for p in network.module.parameters())
    answer = network.answer(images.detach().numpy(), VOLUMES)
    assert answer.shape == (2, 3) and answer.dtype == np.float32
    np.testing.assert_allclose(answer, torch.softmax(logits.detach(), 1).numpy(), atol=1e-6)
    np.testing.assert_array_equal(network.see(images.detach().numpy(), VOLUMES), answer)
    best = int(answer[0].argmax())
    assert (
        network.describe(images[0].detach().numpy(), VOLUMES[0])
        == f"{CLASSES[best]} {answer[0, best]:.2f}"
    )


def test_dropout_and_statistics_are_frozen_and_folded(network: LabelNetwork) -> None:
    images = np.random.default_rng(0).random((2, 32, 32, 1), dtype=np.float32)
    assert np.array_equal(network.answer(images, VOLUMES), network.answer(images, VOLUMES))
    assert not any(isinstance(part, nn.BatchNorm2d) for part in network.module.modules())
    np.testing.assert_allclose(
        network.answer(images[1:], VOLUMES[1:]), network.answer(images, VOLUMES)[1:], atol=1e-5
    )


def test_what_a_label_cannot_do_is_refused(network: LabelNetwork) -> None:
    with pytest.raises(InputError, match="reads labels: left, none, right"):
        network.segment(np.zeros((1, 32, 32, 1), np.float32), VOLUMES[:1])
    with pytest.raises(InputError, match="dims=2"):
        network.planes(4)
    assert network.planes(1) is network
    with pytest.raises(InputError, match=r"40 x 32[\s\S]*multiples of 32"):
        network.logits(torch.rand(1, 40, 32, 1), ROWS[:1])


@pytest.mark.parametrize("classes", [None, [], ["one"], ["a", "a", "b"], "abc", [1, 2, 3]])
def test_a_card_that_does_not_name_its_classes_is_refused(plugins: None, classes: object) -> None:
    label_networks.write("tiny-label", classes=classes)
    with pytest.raises(InputError, match="does not name its classes"):
        load_network(find_checkpoint("tiny-label", "tiny-labels"))


def test_a_card_with_more_classes_than_logits_is_noticed(plugins: None) -> None:
    label_networks.write("tiny-label", classes=["a", "b", "c", "d"])
    with pytest.raises(InputError, match="names 4, it answers with 3"):
        load_network(find_checkpoint("tiny-label", "tiny-labels")).logits(
            torch.rand(1, 32, 32, 1), ROWS[:1]
        )


def test_an_ensemble_of_classifiers_averages_their_answers(plugins: None, tmp_path: Path) -> None:
    for name in ("mobilenet-v2", "tiny-label"):
        label_networks.write(name)
    images = np.random.default_rng(0).random((2, 32, 32, 1), dtype=np.float32)
    each = [
        load_network(find_checkpoint(name, "tiny-labels")).answer(images, VOLUMES)
        for name in ("mobilenet-v2", "tiny-label")
    ]
    both = load_network(find_checkpoint("mobilenet-v2+tiny-label", "tiny-labels"))
    np.testing.assert_allclose(both.answer(images, VOLUMES), np.mean(each, 0), atol=1e-5)
    save_checkpoint(
        tmp_path / "other.safetensors",
        make("tiny-label"),
        {
            "segmenter": "tiny-label",
            "options": {"classes": 3},
            "channels": ["gray"],
            "dataset": "tiny-labels",
            "classes": ["x", "y", "z"],
        },
    )
    with pytest.raises(InputError, match="do not answer alike"):
        find_checkpoint(f"mobilenet-v2+tiny-label@{tmp_path / 'other.safetensors'}", "tiny-labels")


# --- the penalty


def test_the_penalty_is_the_divergence_from_the_answer_on_the_original(
    network: LabelNetwork,
) -> None:
    rng = np.random.default_rng(0)
    samples = [
        Sample(
            f"s{i}",
            "d",
            f"s{i}",
            rng.random((32, 32, 1), dtype=np.float32),
            np.zeros((32, 32), bool),
            np.ones((32, 32), bool),
            ("gray",),
            volume,
        )
        for i, volume in enumerate(VOLUMES)
    ]
    penalty = get("regularizer", "kl").load()().make(samples, network)
    originals = torch.from_numpy(np.stack([sample.image for sample in samples]))
    value, gradient = penalty(originals, torch.arange(2))
    assert (
        value.abs().max() < 1e-6 and gradient.abs().max() < 1e-5
    )  # its least value: nothing to gain
    images = originals + 0.3 * torch.rand(originals.shape)
    value, gradient = penalty(images, torch.arange(2))
    p, q = network.answer(originals.numpy(), VOLUMES), network.answer(images.numpy(), VOLUMES)
    np.testing.assert_allclose(value.numpy(), (p * np.log(p / q)).sum(1), atol=1e-5)
    assert value.max() > 1e-4 and gradient.abs().max() > 0

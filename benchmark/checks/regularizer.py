"""Claims about a regularizer: `make(samples, network)` gives f(images [k, H, W, C], which [k]) ->
(penalty [k], its gradient).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from benchmark.checks import Subject
from benchmark.types import Sample, VolumeStatistics

K, SIDE = 3, 16


class Network:
    """A stand-in for a segmenter: a smooth function of each pixel's neighbourhood. logits: [B, H,
    W, C] -> [B, H, W].
    """

    name, hash, channels = "check", "check", 1

    def logits(self, images: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        x = (images[..., :1].movedim(-1, 1) - volume[:, 0].to(images).view(-1, 1, 1, 1)) / volume[
            :, 1
        ].to(images).view(-1, 1, 1, 1)
        kernel = torch.tensor(
            [[0.1, 0.2, 0.1], [0.2, 0.8, 0.2], [0.1, 0.2, 0.1]], dtype=images.dtype
        ).view(1, 1, 3, 3)
        return torch.nn.functional.conv2d(x, kernel, padding=1)[:, 0]


class Classifier(Network):
    """A stand-in for a network of labels: smooth functions of the whole image. logits: [B, H, W, C]
    -> [B, 3].
    """

    def logits(self, images: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        field = super().logits(images, volume)
        ramp = torch.linspace(-1, 1, field.shape[1], dtype=field.dtype)[:, None]
        return 4 * torch.stack(
            [field.mean((1, 2)), (ramp * field).mean((1, 2)), field.tanh().square().mean((1, 2))], 1
        )


def network(subject: Subject) -> Network:
    return Classifier() if subject.declared["task"] == "label" else Network()


def samples() -> list[Sample]:
    out = []
    for k in range(K):
        rng = np.random.default_rng(k)
        image = rng.random((SIDE, SIDE, 1)).astype(np.float32)
        mask = np.zeros((SIDE, SIDE), bool)
        mask[3 : 9 + k, 4:10] = True
        out.append(
            Sample(
                f"check-{k}",
                "check",
                f"check-{k}",
                image,
                mask,
                np.ones_like(mask),
                ("check",),
                VolumeStatistics.of(image),
            )
        )
    return out


def build(
    subject: Subject,
) -> tuple[Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]], torch.Tensor]:
    """The penalty, and renderings [K, H, W, C] in float64 that overshoot [0, 1] as those of a fit
    do.
    """
    images = torch.rand(
        K, SIDE, SIDE, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    penalty = subject.make().make(samples(), network(subject))
    return lambda images: penalty(images, torch.arange(len(images))), 1.4 * images - 0.2


def check_each_fit_has_its_penalty(subject: Subject) -> None:
    """Penalty [K] and gradient [K, H, W, C], finite, without a graph; the penalty is the one at
    these images, twice.
    """
    penalty, images = build(subject)
    value, gradient = penalty(images)
    assert value.shape == (K,), f"the penalty is {tuple(value.shape)}, not ({K},)"
    assert gradient.shape == images.shape, (
        f"the gradient is {tuple(gradient.shape)}, not {tuple(images.shape)}"
    )
    assert bool(torch.isfinite(value).all() and torch.isfinite(gradient).all()), (
        "they are not finite"
    )
    assert not value.requires_grad and not gradient.requires_grad, "they still carry a graph"
    again = penalty(images)
    assert torch.equal(value, again[0]) and torch.equal(gradient, again[1]), (
        "the same images give another penalty the second time"
    )


def check_gradient_is_that_of_the_penalty(subject: Subject) -> None:
    """The gradient agrees with central differences in random directions (float64)."""
    penalty, images = build(subject)
    gradient, step = penalty(images)[1].detach().double(), 1e-4
    for seed in range(4):
        direction = torch.randn(
            images.shape, generator=torch.Generator().manual_seed(seed), dtype=images.dtype
        )
        slope = (
            penalty(images + step * direction)[0].double()
            - penalty(images - step * direction)[0].double()
        ) / (2 * step)
        claimed = (gradient * direction).flatten(1).sum(1)
        off = float((slope - claimed).abs().max())
        assert off < 1e-3 * float(claimed.abs().max()) + 1e-6, (
            f"slope {slope.tolist()}, the gradient says {claimed.tolist()}"
        )


def check_no_gradient_between_fits(subject: Subject) -> None:
    """Another image in one member changes neither penalty nor gradient of the others."""
    penalty, images = build(subject)
    value, gradient = penalty(images)
    changed = images.clone()
    changed[1] = 0.3
    value2, gradient2 = penalty(changed)
    for k in (0, 2):
        assert abs(float(value[k] - value2[k])) < 1e-9, (
            f"the penalty of member {k} changes with the image of member 1"
        )
        assert float((gradient[k] - gradient2[k]).abs().max()) < 1e-9, (
            f"the gradient of member {k} changes with the image of member 1"
        )


def check_some_of_the_fits_are_served_alone(subject: Subject) -> None:
    """Asked for the fits 2 and 0 alone, it gives their penalties and gradients, as among all."""
    penalty, images = build(subject)
    value, gradient = penalty(images)
    some = torch.tensor([2, 0])
    value2, gradient2 = subject.make().make(samples(), network(subject))(images[some], some)
    off = max(
        float((value[some] - value2).abs().max()), float((gradient[some] - gradient2).abs().max())
    )
    assert off < 1e-6, f"penalty or gradient differ by {off:.2g}"


def check_images_are_untouched(subject: Subject) -> None:
    """The penalty writes nothing into the images, not even a gradient."""
    penalty, images = build(subject)
    before = images.clone()
    penalty(images)
    assert torch.equal(images, before), "they have other values afterwards"
    assert images.grad is None and not images.requires_grad, "they carry a gradient afterwards"

"""Plug-ins of every kind but INR that are right, and ones that are wrong in just one way, for the
contract checks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmark.errors import InputError
from benchmark.plugins.contracts import Dataset
from benchmark.types import Sample, VolumeStatistics
from tests.wrong_codecs import (
    Coarse,
    Codec,
    Dims,
    Disguised,
    Doubles,
    Empty,
    Hoards,
    SendsNone,
    Spills,
    Undotted,
    Wordy,
    WrongMask,
)


class Segmenter(nn.Module):
    def __init__(self, channels: int, *, width: int = 4) -> None:
        super().__init__()
        self.first, self.norm, self.last = (
            nn.Conv2d(channels, width, 3, padding=1),
            nn.BatchNorm2d(width),
            nn.Conv2d(width, 1, 1),
        )

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        mean, std = volume[:, 0, None, None, None], volume[:, 1, None, None, None]
        return self.last(torch.tanh(self.norm(self.first((image - mean) / std))))


class Half(Segmenter):
    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        return nn.functional.avg_pool2d(super().forward(image, volume), 2)


class DividesByItsMaximum(Segmenter):
    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        return super().forward(image / image.amax((1, 2, 3), keepdim=True), volume)


class BlindToTheLastChannel(Segmenter):
    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        last = torch.arange(image.shape[1]) == 2
        return super().forward(image * ~last.view(1, -1, 1, 1), volume)


class Thaws(Segmenter):
    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        self.requires_grad_(True)
        return super().forward(image, volume)


class Counts(Segmenter):
    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return super().forward(image, volume)


class LooksAside(Segmenter):
    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        return super().forward(image, volume) + image.mean()


class Guesses(Segmenter):
    def __init__(self, channels: int) -> None:
        super().__init__(1)

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        return super().forward(image.mean(1, keepdim=True), volume)


class Rewrites(Segmenter):
    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        return super().forward(image, volume.clamp_(max=0.4))


class Images(Dataset):
    """Three patients of two slices, one patient a split."""

    licence, citation = "CC0", "nobody 2020"
    patients = {"train": "p1", "val": "p2", "test": "p3"}

    def __init__(self, root: Path | None = None, *, size: int = 8) -> None:
        self.size = size

    def fetch(self) -> None:
        return None

    def ids(self, split: str) -> list[str]:
        return [f"{self.patients[split]}-s{i}" for i in (1, 2)]

    def load(self, sample_id: str) -> Sample:
        if sample_id not in (known := [i for split in self.patients for i in self.ids(split)]):
            raise InputError(sample_id, "no such image", ", ".join(known))
        image = (
            np.random.default_rng(list(sample_id.encode()))
            .random((self.size, self.size, 1))
            .astype(np.float32)
        )
        mask, brain = image[..., 0] > 0.8, image[..., 0] > 0.1
        return Sample(
            sample_id,
            "images",
            sample_id[:2],
            image,
            mask,
            brain,
            ("t1",),
            VolumeStatistics.of(image),
        )


class Unlicensed(Images):
    licence = " "


class Unsorted(Images):
    def ids(self, split: str) -> list[str]:
        return super().ids(split)[::-1]


class Leaks(Images):
    def ids(self, split: str) -> list[str]:
        return ["p3-s7", "p3-s8"] if split == "val" else super().ids(split)


class Noisy(Images):
    def load(self, sample_id: str) -> Sample:
        sample = super().load(sample_id)
        return replace(
            sample, image=sample.image * np.float32(1 - 0.01 * np.random.default_rng().random())
        )


class Bytes(Images):
    def load(self, sample_id: str) -> Sample:
        sample = super().load(sample_id)
        return replace(sample, image=255 * sample.image)


class Labels(Images):
    def load(self, sample_id: str) -> Sample:
        sample = super().load(sample_id)
        return replace(sample, mask=sample.mask.astype(np.uint8))


class Pointless(Images):
    def load(self, sample_id: str) -> Sample:
        return replace(super().load(sample_id), spacing_mm=(0.0, 1.0))


class Obliging(Images):
    def load(self, sample_id: str) -> Sample:
        return super().load(sample_id if sample_id.startswith("p") else "p1-s1")


class Descent:
    """Gradient descent with momentum; the learning rate is scaled so that thirty steps arrive."""

    def __init__(self, parameters: dict[str, torch.Tensor], *, beta: float = 0.5) -> None:
        self.parameters, self.beta = parameters, beta
        self.m = {name: torch.zeros_like(p) for name, p in parameters.items()}
        self.alive = torch.ones(len(next(iter(parameters.values()))), dtype=torch.bool)

    def step(self, gradients: dict[str, torch.Tensor], lr: torch.Tensor) -> None:
        self.freeze(gradients)
        for name, p in self.parameters.items():
            shape = (-1, *[1] * (p.dim() - 1))
            g = torch.where(self.alive.view(shape), self.gradient(gradients[name]), 0.0)
            self.m[name] = self.beta * self.m[name] + g
            p -= (
                2
                * self.rate(lr).view(shape)
                * torch.where(self.alive.view(shape), self.m[name], 0.0)
            )

    def freeze(self, gradients: dict[str, torch.Tensor]) -> None:
        self.alive &= torch.stack(
            [torch.isfinite(g.flatten(1)).all(1) for g in gradients.values()]
        ).all(0)

    def gradient(self, g: torch.Tensor) -> torch.Tensor:
        return g

    def rate(self, lr: torch.Tensor) -> torch.Tensor:
        return lr


class Climbs(Descent):
    def gradient(self, g: torch.Tensor) -> torch.Tensor:
        return -g / (1 + g.abs())


class Shares(Descent):
    def rate(self, lr: torch.Tensor) -> torch.Tensor:
        return lr / len(lr)


class OneRate(Descent):
    def rate(self, lr: torch.Tensor) -> torch.Tensor:
        return lr.mean().expand_as(lr)


class Infects(Descent):
    def freeze(self, gradients: dict[str, torch.Tensor]) -> None:
        pass


class Clips(Descent):
    def gradient(self, g: torch.Tensor) -> torch.Tensor:
        return g.clamp_(-0.5, 0.5)


class Regularizer:
    """The mean squared probability of the network."""

    def make(
        self, samples: Sequence[Sample], network: Any
    ) -> Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]:
        volume = torch.tensor([sample.volume.as_row() for sample in samples])

        def penalty(images: torch.Tensor, which: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            x = self.before(images).detach().requires_grad_()
            loss = (
                torch.sigmoid(network.logits(x, self.rows(volume, which)))
                .square()
                .flatten(1)
                .mean(1)
            )
            (gradient,) = torch.autograd.grad(loss.sum(), x)
            return self.after(loss.detach(), gradient, images)

        return penalty

    def rows(self, volume: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
        return volume[which]

    def before(self, images: torch.Tensor) -> torch.Tensor:
        return images

    def after(
        self, loss: torch.Tensor, gradient: torch.Tensor, images: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return loss, gradient


class KeepsItsGraph(Regularizer):
    def after(
        self, loss: torch.Tensor, gradient: torch.Tensor, images: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return loss, gradient.requires_grad_()


class Doubled(Regularizer):
    def after(
        self, loss: torch.Tensor, gradient: torch.Tensor, images: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return loss, 2 * gradient


class Leaky(Regularizer):
    def after(
        self, loss: torch.Tensor, gradient: torch.Tensor, images: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return loss, gradient + 1e-7 * images.mean()


class CountsFromTheFirst(Regularizer):
    def rows(self, volume: torch.Tensor, which: torch.Tensor) -> torch.Tensor:
        return volume[: len(which)]


class Tidies(Regularizer):
    def before(self, images: torch.Tensor) -> torch.Tensor:
        images[:, 0, 0] = 0.5
        return images

    def after(
        self, loss: torch.Tensor, gradient: torch.Tensor, images: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        gradient[:, 0, 0] = 0.0
        return loss, gradient


RIGHT = {
    "segmenter": Segmenter,
    "dataset": Images,
    "codec": Codec,
    "optimizer": Descent,
    "regularizer": Regularizer,
}
WRONG = {
    "segmenter": {
        Half: "logits have the images size",
        DividesByItsMaximum: "logits are finite",
        BlindToTheLastChannel: "gradient reaches the image",
        Thaws: "frozen parameters get no gradient",
        Counts: "frozen network does not change",
        LooksAside: "batch rows are independent",
        Guesses: "wrong channels are refused",
        Rewrites: "input is untouched",
    },
    "dataset": {
        Unlicensed: "licence and citation are stated",
        Unsorted: "ids are sorted and unique",
        Leaks: "a patient is in one split",
        Noisy: "load is deterministic",
        Bytes: "images are in range",
        Labels: "masks fit their images",
        Pointless: "units are stated",
        Obliging: "unknown ids are refused",
    },
    "codec": {
        Spills: "files keep to the budget",
        Empty: "too small a budget fails by name",
        Doubles: "round trip gives a picture",
        Coarse: "more bytes are better",
        WrongMask: "a mask that is sent is exact",
        SendsNone: "a mask is sent where that is declared",
        Disguised: "files begin with the declared magic",
        Wordy: "the label is short",
        Undotted: "the suffix begins with a dot",
        Dims: "encode leaves the sample untouched",
        Hoards: "amnesia",
    },
    "optimizer": {
        Climbs: "steps go downhill",
        Shares: "each fit is on its own",
        OneRate: "each fit has its own rate",
        Infects: "a nan harms no other",
        Clips: "gradients are untouched",
    },
    "regularizer": {
        KeepsItsGraph: "each fit has its penalty",
        Doubled: "gradient is that of the penalty",
        Leaky: "no gradient between fits",
        CountsFromTheFirst: "some of the fits are served alone",
        Tidies: "images are untouched",
    },
}

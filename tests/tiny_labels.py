"""Plug-ins for tests of label networks: the data set `tiny` with classes, and a classifier of a few
weights.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from benchmark.plugins import Sample, register
from tests.tiny import Tiny

CLASSES = ("left", "none", "right")


@register.dataset("tiny-labels")
class TinyLabels(Tiny):
    """The images of `tiny` by where their lesion is; without masks unless masks=true."""

    licence = "MIT"
    citation = "none"

    def __init__(self, root: Path | None = None, *, size: int = 32, masks: bool = False) -> None:
        super().__init__(root, size=size)
        self.masks = masks

    def load(self, sample_id: str) -> Sample:
        sample = super().load(sample_id)
        label = (
            "none"
            if not sample.has_lesion
            else (
                "left"
                if sample.mask[:, : self.size // 2].sum() > sample.mask.sum() / 2
                else "right"
            )
        )
        return replace(
            sample,
            dataset="tiny-labels",
            label=label,
            mask=sample.mask if self.masks else np.zeros_like(sample.mask),
        )


@register.segmenter("tiny-label", multiple=8, task="label")
class TinyLabel(nn.Module):
    """Logits of the image's means over 8 x 8 fields."""

    def __init__(self, channels: int, *, classes: int = 3) -> None:
        super().__init__()
        self.layer = nn.Linear(64 * channels, classes)

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        if 64 * image.shape[1] != self.layer.in_features:
            raise ValueError(f"{image.shape[1]} channels")
        x = (image - volume[:, 0, None, None, None]) / volume[:, 1, None, None, None]
        return self.layer(nn.functional.adaptive_avg_pool2d(x, 8).tanh().flatten(1))

"""Data sets and networks that train in seconds, for tests."""

from __future__ import annotations

PLUGIN = '''
from dataclasses import replace

import numpy as np
from torch import nn

from benchmark.plugins import register
from benchmark.plugins.datasets.mni_lesion import MniLesion


@register.dataset("few")
class Few(MniLesion):
    """The first two patients of each split of mni-lesion."""

    def __init__(self, root=None, *, size: int = 32) -> None:
        super().__init__(root, size=size)

    def ids(self, split):
        return super().ids(split)[:6]


@register.dataset("blind")
class Blind(Few):
    """The same without masks."""

    def load(self, sample_id):
        sample = super().load(sample_id)
        return replace(sample, mask=np.zeros_like(sample.mask), brain=np.ones_like(sample.brain))


@register.dataset("sorted")
class Sorted(Few):
    """The same with labels."""

    def load(self, sample_id):
        return replace(super().load(sample_id), label="tall" if sample_id.endswith("s3") else "low")


@register.segmenter("ready", trains=False)
class Ready(nn.Module):
    """One that comes from elsewhere."""


@register.segmenter("tells", task="label", multiple=8)
class Tells(nn.Module):
    """One number a channel."""

    def __init__(self, channels, *, classes: int = 4) -> None:
        super().__init__()
        self.head = nn.Linear(channels, classes)

    def forward(self, image, volume):
        return self.head(image.mean((2, 3)))


@register.segmenter("deep", dims=3, multiple=4)
class Deep(nn.Module):
    """One convolution."""

    def __init__(self, channels) -> None:
        super().__init__()
        self.head = nn.Conv3d(channels, 1, 3, padding=1)

    def forward(self, image, volume):
        return self.head(image)
'''


COMMAND = [
    "train",
    "--segmenter",
    "unet",
    "--dataset",
    "few",
    "--set",
    "base=4",
    "--epochs",
    "3",
    "--batch",
    "3",
    "--precision",
    "float32",
]

"""Networks of other people behind our contract: padded to the sizes that they need, cut again, one
logit a pixel.
"""

from __future__ import annotations

import torch
from torch import nn

from benchmark.plugins.segmenters._stages import standardized


class Padded(nn.Module):
    """A network [B, C, H, W] -> [B, 1, H, W] that reads (image - mean) / std of the volume, at
    sizes of its own.

    multiple, least: what its heights and widths must be a multiple of, and their smallest.
    """

    def __init__(self, network: nn.Module, multiple: int, least: int = 0) -> None:
        super().__init__()
        self.network, self.multiple, self.least = network, multiple, least

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        height, width = image.shape[2:]
        return self.network(standardized(padded(image, self.multiple, self.least), volume))[
            ..., :height, :width
        ]


def padded(image: torch.Tensor, multiple: int, least: int = 0) -> torch.Tensor:
    """The image with black below and to the right, up to the next multiple and at least `least`
    pixels a side.
    """
    down, right = (max(-(-n // multiple) * multiple, least) - n for n in image.shape[2:])
    return nn.functional.pad(image, (0, right, 0, down)) if down or right else image


def merged(logits: torch.Tensor) -> torch.Tensor:
    """[B, K, H, W] -> [B, 1, H, W]: with K > 1 classes of a softmax, the first background, the log
    odds of all others together.
    """
    if logits.shape[1] == 1:
        return logits
    return torch.logsumexp(logits[:, 1:], 1, keepdim=True) - logits[:, :1]

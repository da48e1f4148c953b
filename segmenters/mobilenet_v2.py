"""MobileNetV2, under torchvision's names: a small classifier of inverted residuals (Sandler et al.,
CVPR 2018).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from benchmark.plugins import register
from benchmark.plugins.segmenters._classifier import Classifier, linear, start

BLOCKS = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)  # t, c, n, s: table 2


def rounded(width: float) -> int:
    """The nearest multiple of 8, at least 8 and not below 0.9 of the width: how the authors' code
    makes widths.
    """
    whole = max(8, int(width + 4) // 8 * 8)
    return whole if whole >= 0.9 * width else whole + 8


def activated(
    inside: int, outside: int, kernel: int = 3, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """A convolution with batch normalisation and ReLU6."""
    return nn.Sequential(
        nn.Conv2d(inside, outside, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU6(inplace=True),
    )


class InvertedResidual(nn.Module):
    """Expanded `t` times, filtered channel by channel, projected back; with the image added where
    it has the same shape.
    """

    def __init__(self, inside: int, outside: int, stride: int, t: int) -> None:
        super().__init__()
        self.residual, wide = stride == 1 and inside == outside, inside * t
        self.conv = nn.Sequential(
            *([activated(inside, wide, 1)] if t > 1 else []),
            activated(wide, wide, 3, stride, wide),
            nn.Conv2d(wide, outside, 1, bias=False),
            nn.BatchNorm2d(outside),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv(x) if self.residual else self.conv(x)


@register.segmenter("mobilenet-v2", multiple=32, task="label")
class MobileNetV2(Classifier):
    """MobileNetV2, which reads one of `classes` labels: 3,504,872 parameters for 1000 of them and
    three channels (Sandler et al. 2018).

    The state dict has torchvision's names, so that its pre-trained weights fit where there are
    three channels and 1000 classes; rgb=true repeats a gray image to three channels, without it the
    first layer reads as many as there are. width: the paper's multiplier. normalize: "volume" (mean
    and standard deviation of each image's volume) or "imagenet", which torchvision's weights
    expect.
    """

    def __init__(
        self,
        channels: int,
        *,
        classes: int = 4,
        width: float = 1.0,
        rgb: bool = False,
        normalize: Literal["volume", "imagenet"] = "volume",
    ) -> None:
        super().__init__(channels, normalize, rgb)
        inside, last = rounded(32 * width), rounded(1280 * max(1.0, width))
        layers: list[nn.Module] = [activated(self.inputs, inside, stride=2)]
        for t, c, n, s in BLOCKS:
            for i in range(n):
                outside = rounded(c * width)
                layers.append(InvertedResidual(inside, outside, s if i == 0 else 1, t))
                inside = outside
        self.features = nn.Sequential(*layers, activated(inside, last, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), linear(last, classes))
        start(self)

    def answer(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(x).mean((2, 3)))

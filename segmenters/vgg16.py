"""VGG16, under torchvision's names: thirteen convolutions and a large head (Simonyan and Zisserman,
ICLR 2015).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from benchmark.plugins import register
from benchmark.plugins.segmenters._classifier import Classifier, linear, start

FLOORS = (
    (1, 2),
    (2, 2),
    (4, 3),
    (8, 3),
    (8, 3),
)  # width in `base`, convolutions: configuration D of table 1


@register.segmenter("vgg16", multiple=32, task="label")
class VGG16(Classifier):
    """VGG16, which reads one of `classes` labels: 138,357,544 parameters for 1000 of them and three
    channels (Simonyan and Zisserman 2015).

    The state dict has torchvision's names, so that its pre-trained weights fit where there are
    three channels and 1000 classes; rgb=true repeats a gray image to three channels, without it the
    first layer reads as many as there are. Nine tenths of the parameters are the first layer of the
    head: base (features of the first floor) and hidden (of the head's two layers) make a smaller
    one, such as base=32, hidden=256. Images of any size are averaged to 7 x 7 in front of it, as in
    torchvision. normalize: "volume" (mean and standard deviation of each image's volume) or
    "imagenet", which torchvision's weights expect.
    """

    def __init__(
        self,
        channels: int,
        *,
        classes: int = 4,
        base: int = 64,
        hidden: int = 4096,
        rgb: bool = False,
        normalize: Literal["volume", "imagenet"] = "volume",
    ) -> None:
        super().__init__(channels, normalize, rgb)
        layers: list[nn.Module] = []
        inside = self.inputs
        for factor, convolutions in FLOORS:
            for _ in range(convolutions):
                layers += [nn.Conv2d(inside, factor * base, 3, padding=1), nn.ReLU(inplace=True)]
                inside = factor * base
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(
            linear(inside * 49, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(),
            linear(hidden, classes),
        )
        start(self)

    def answer(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.avgpool(self.features(x)).flatten(1))

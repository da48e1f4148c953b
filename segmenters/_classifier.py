"""Pieces that the classifiers share: how an image enters a network made for pictures of ImageNet,
and its first weights.
"""

from __future__ import annotations

import torch
from torch import nn

from benchmark.plugins import InputError
from benchmark.plugins.segmenters._stages import standardized

MEAN, STD = (
    (0.485, 0.456, 0.406),
    (0.229, 0.224, 0.225),
)  # of ImageNet's red, green and blue, as torchvision's weights expect them


class Classifier(nn.Module):
    """Brings images to what the first layer reads; a subclass has `answer`: [B, inputs, H, W] ->
    logits [B, classes].

    normalize: "volume" is (image - mean) / std with the numbers of each image's volume, "imagenet"
    takes ImageNet's numbers (the mean of the three colors for other numbers of channels than
    three). rgb: a gray image is repeated to three channels.
    """

    def __init__(self, channels: int, normalize: str, rgb: bool) -> None:
        super().__init__()
        if rgb and channels not in (1, 3):
            raise InputError(
                f"a classifier with rgb=true on {channels} channels",
                "only a gray image can be repeated to three",
                "rgb=false, or one channel",
            )
        self.channels, self.normalize = channels, normalize
        self.inputs = 3 if rgb else channels
        for name, values in (("mean", MEAN), ("std", STD)):
            numbers = torch.tensor(values if self.inputs == 3 else [sum(values) / 3] * self.inputs)
            self.register_buffer(
                name, numbers.view(1, -1, 1, 1), persistent=False
            )  # no weight: the state dict is torchvision's

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        if image.shape[1] != self.channels:
            raise ValueError(f"images of {image.shape[1]} channels, where {self.channels} are read")
        x = standardized(image, volume) if self.normalize == "volume" else image
        x = x.expand(-1, self.inputs, -1, -1)
        return self.answer((x - self.mean) / self.std if self.normalize == "imagenet" else x)


def linear(inside: int, outside: int) -> nn.Linear:
    """A linear layer whose weights `start` draws, and it alone: VGG16 has 120 million of them."""
    return nn.utils.skip_init(nn.Linear, inside, outside)


def start(module: nn.Module) -> None:
    """First weights after He et al. (2015): of convolutions by their outputs, as in torchvision, of
    linear layers by their inputs.

    torchvision draws the latter from N(0, 0.01), which suits 4096 features; with a few hundred
    nothing would reach the logits.
    """
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(
                part.weight,
                mode="fan_out" if isinstance(part, nn.Conv2d) else "fan_in",
                nonlinearity="relu",
            )
            if part.bias is not None:
                nn.init.zeros_(part.bias)

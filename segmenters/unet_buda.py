"""Buda's U-Net for LGG, under the names of its published weights, so that these can be read."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

from benchmark.plugins import register


def _block(inside: int, outside: int, name: str) -> nn.Sequential:
    """Two 3x3 convolutions without bias, each with batch normalisation and ReLU."""
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    for i, before in ((1, inside), (2, outside)):
        layers[f"{name}conv{i}"] = nn.Conv2d(before, outside, 3, padding=1, bias=False)
        layers[f"{name}norm{i}"] = nn.BatchNorm2d(outside)
        layers[f"{name}relu{i}"] = nn.ReLU(inplace=True)
    return nn.Sequential(layers)


@register.segmenter("unet-buda", multiple=16)
class UNetBuda(nn.Module):
    """Buda's U-Net for LGG, 7,763,041 parameters for three channels (Buda et al. 2019, arXiv
    1906.03720, section 2.2).

    The state dict has the names of the authors' release
    (github.com/mateuszbuda/brain-segmentation-pytorch, unet-e012d006.pt), which `python -m
    benchmark import` reads. As there, each volume is clipped to its percentiles 10 and 99 and
    brought to mean 0 and standard deviation 1; the authors take these numbers over the cropped
    volume and each channel, here they are those of the voxels above the background, of all channels
    together. What is clipped passes no gradient: in the loss, the darkest tenth and the brightest
    hundredth of an image are free.
    """

    def __init__(self, channels: int, *, base: int = 32) -> None:
        super().__init__()
        widths = [base, 2 * base, 4 * base, 8 * base]
        for i, (before, width) in enumerate(zip([channels, *widths], widths, strict=False), 1):
            setattr(self, f"encoder{i}", _block(before, width, f"enc{i}"))
        self.bottleneck = _block(widths[-1], 2 * widths[-1], "bottleneck")
        for i, width in enumerate(widths, 1):
            setattr(self, f"upconv{i}", nn.ConvTranspose2d(2 * width, width, 2, stride=2))
            setattr(self, f"decoder{i}", _block(2 * width, width, f"dec{i}"))
        self.conv = nn.Conv2d(base, 1, 1)

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        mean, std, p10, p99 = (volume[:, i, None, None, None] for i in range(4))
        x = (torch.minimum(torch.maximum(image, p10), p99) - mean) / std
        skips = []
        for i in (1, 2, 3, 4):
            skips.append(getattr(self, f"encoder{i}")(x))
            x = nn.functional.max_pool2d(skips[-1], 2)
        x = self.bottleneck(x)
        for i in (4, 3, 2, 1):
            x = getattr(self, f"decoder{i}")(
                torch.cat([getattr(self, f"upconv{i}")(x), skips.pop()], 1)
            )
        return self.conv(x)

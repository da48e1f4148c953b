"""U-Net: the classic encoder and decoder with skips (Ronneberger et al., MICCAI 2015)."""

from __future__ import annotations

import torch
from torch import nn

from benchmark.plugins import register


def double_convolution(inside: int, outside: int) -> nn.Sequential:
    """Two 3x3 convolutions, each with batch normalisation (which makes a bias of their own
    needless) and ReLU.
    """
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, padding=1, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(inplace=True),
        nn.Conv2d(outside, outside, 3, padding=1, bias=False),
        nn.BatchNorm2d(outside),
        nn.ReLU(inplace=True),
    )


@register.segmenter("unet", multiple=16)
class UNet(nn.Module):
    """U-Net of five levels, base to 16 * base features (Ronneberger et al. 2015; BatchNorm as in
    Buda et al. 2019).

    Buda's network is `base=32`: 7,763,041 parameters for three channels. The image enters as (image
    - mean) / std with the numbers of its volume (Buda et al. 2019, arXiv 1906.03720, section 2.2).
    """

    def __init__(self, channels: int, *, base: int = 16) -> None:
        super().__init__()
        widths = [base, 2 * base, 4 * base, 8 * base, 16 * base]
        self.down = nn.ModuleList(
            double_convolution(n, m) for n, m in zip([channels, *widths], widths, strict=False)
        )
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(2 * n, n, 2, stride=2) for n in reversed(widths[:-1])
        )
        self.merge = nn.ModuleList(double_convolution(2 * n, n) for n in reversed(widths[:-1]))
        self.head = nn.Conv2d(base, 1, 1)

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        mean, std = volume[:, 0, None, None, None], volume[:, 1, None, None, None]
        x = self.down[0]((image - mean) / std)
        skips = []
        for level in self.down[1:]:
            skips.append(x)
            x = level(nn.functional.max_pool2d(x, 2))
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(torch.cat([up(x), skips.pop()], dim=1))
        return self.head(x)

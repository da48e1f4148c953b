"""A dilated residual network: context by dilation at one resolution, no U (Yu, Koltun and
Funkhouser, CVPR 2017).
"""

from __future__ import annotations

import torch
from torch import nn

from benchmark.plugins import register


class Block(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))), both 3x3 convolutions with the same dilation."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.GroupNorm(4, width) for _ in range(2))
        self.convolutions = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
            for _ in range(2)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x
        for norm, convolution in zip(self.norms, self.convolutions, strict=True):
            y = convolution(nn.functional.silu(norm(y)))
        return x + y


@register.segmenter("dilated", multiple=16)
class Dilated(nn.Module):
    """Residual blocks of dilation 1, 2, 4, 8, 4, 2, 1 at half resolution, GroupNorm, SiLU (after
    DRN, Yu et al. 2017).

    Dilation grows for context and shrinks again against gridding (arXiv 1705.09914, section 4).
    Each 2x2 block of pixels enters as channels and leaves as four logits, so nothing is pooled and
    no transposed convolution is needed. `width` is a multiple of 4. The image enters as (image -
    mean) / std with the numbers of its volume. GroupNorm sees the whole image: this network must
    not be asked about a window of it.
    """

    def __init__(self, channels: int, *, width: int = 32) -> None:
        super().__init__()
        self.stem = nn.Conv2d(4 * channels, width, 3, padding=1)
        self.blocks = nn.Sequential(*(Block(width, dilation) for dilation in (1, 2, 4, 8, 4, 2, 1)))
        self.norm = nn.GroupNorm(4, width)
        self.head = nn.Conv2d(width, 4, 3, padding=1)

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        mean, std = volume[:, 0, None, None, None], volume[:, 1, None, None, None]
        x = self.stem(nn.functional.pixel_unshuffle((image - mean) / std, 2))
        x = self.head(nn.functional.silu(self.norm(self.blocks(x))))
        return nn.functional.pixel_shuffle(x, 2)

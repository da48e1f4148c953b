"""TransUNet: convolutions see detail, a transformer at the bottom sees the whole image, a cascade
brings the size back.
"""

from __future__ import annotations

import torch
from torch import nn

from benchmark.plugins import register
from benchmark.plugins.segmenters._stages import Up, stage, standardized

GRID = 16  # side of the learned position embedding; other sizes interpolate it


class Layer(nn.Module):
    """One transformer layer: x + attention(norm(x)), then x + mlp(norm(x)) (Dosovitskiy et al.
    2021, equations 2 and 3).
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        batch, tokens, width = x.shape
        q, k, v = (
            self.qkv(self.norm1(x))
            .view(batch, tokens, 3, self.heads, width // self.heads)
            .permute(2, 0, 3, 1, 4)
        )
        attended = (
            nn.functional.scaled_dot_product_attention(q, k, v)
            .transpose(1, 2)
            .reshape(batch, tokens, width)
        )
        x = x + self.project(attended)
        return x + self.mlp(self.norm2(x))


@register.segmenter("transunet", multiple=32)
class TransUNet(nn.Module):
    """CNN encoder of 3 stages, transformer on its 1/8 map, cascaded decoder with skips (Chen et al.
    2021, arXiv 2102.04306).

    base: features of the first stage; width: of a token, a multiple of heads; depth: transformer
    layers; patch: side of the patches of the 1/8 map, 1, 2 or 4, each a token. The paper's hybrid
    has a ResNet-50 in front and 12 layers of 768 (105 million parameters, from ImageNet), the prior
    work's 98,474,177 (gia-guar's notebook): both too large to train here from nothing. The position
    embedding is learned for 16x16 tokens and interpolated to others. Each pixel sees the whole
    image: no window. The image enters as (image - mean) / std with the numbers of its volume.
    """

    def __init__(
        self,
        channels: int,
        *,
        base: int = 16,
        width: int = 128,
        depth: int = 4,
        heads: int = 4,
        patch: int = 1,
    ) -> None:
        super().__init__()
        if width % heads or patch not in (1, 2, 4):
            raise ValueError(
                f"width {width} must be a multiple of heads {heads}, and patch {patch} one of 1,"
                " 2, 4"
            )
        widths = [base, 2 * base, 4 * base]
        self.down = nn.ModuleList(map(stage, [channels, *widths], widths))
        self.embed = nn.Conv2d(widths[-1], width, patch, stride=patch)
        self.position = nn.Parameter(0.02 * torch.randn(1, width, GRID, GRID))
        self.layers = nn.Sequential(
            *(Layer(width, heads) for _ in range(depth)), nn.LayerNorm(width)
        )
        self.spread = nn.ConvTranspose2d(width, 8 * base, patch, stride=patch)
        self.up = nn.ModuleList(Up(2 * w, w, w) for w in reversed(widths))
        self.head = nn.Conv2d(base, 1, 3, padding=1)

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        x, skips = standardized(image, volume), []
        for floor in self.down:
            skips.append(floor(x))
            x = nn.functional.max_pool2d(skips[-1], 2)
        tokens = self.embed(x)
        position = self.position
        if tokens.shape[2:] != (GRID, GRID):
            position = nn.functional.interpolate(
                position, tokens.shape[2:], mode="bicubic", align_corners=False
            )
        seen = self.layers((tokens + position).flatten(2).transpose(1, 2))
        x = self.spread(seen.transpose(1, 2).unflatten(2, tokens.shape[2:]))
        for up in self.up:
            x = up(x, skips.pop())
        return self.head(x)

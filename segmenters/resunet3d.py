"""A residual U-Net that reads a volume whole, for skull stripping and lesions; `train --loss dice`
is its usual recipe.
"""

from __future__ import annotations

import torch
from torch import nn

from benchmark.plugins import InputError, register

PLANE, CUBE = (1, 3, 3), (3, 3, 3)
IN_PLANE, EVERYWHERE = (1, 2, 2), (2, 2, 2)


def unit(convolution: nn.Module, width: int) -> nn.Sequential:
    """A convolution with GroupNorm and ReLU: batches of one or two volumes are too few for
    BatchNorm (Wu and He 2018).
    """
    return nn.Sequential(convolution, nn.GroupNorm(4, width), nn.ReLU(inplace=True))


class Residual(nn.Module):
    """x + unit(unit(x))."""

    def __init__(self, width: int, kernel: tuple[int, int, int]) -> None:
        super().__init__()
        self.units = nn.Sequential(
            *(
                unit(nn.Conv3d(width, width, kernel, padding="same", bias=False), width)
                for _ in range(2)
            )
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.units(x)


@register.segmenter("resunet3d", multiple=1, dims=3)
class ResUNet3d(nn.Module):
    """Residual 3-D U-Net that reads volumes whole (Lee et al. 2017, arXiv 1706.00120; strides as in
    V-Net, Milletari et al. 2016).

    `levels` resolutions of base, 2 base, 4 base ... features (base a multiple of 4); skips are
    added, not joined. Planes lie further apart than pixels, so the first level has 1x3x3 kernels
    and halves rows and columns only (as Lee et al. do for stacks of sections); from the second on
    all three axes count alike. Any depth, height and width: what is no multiple is continued by its
    last plane, row or column, and cut again. The volume enters as (image - mean) / std with its own
    numbers. GroupNorm sees the whole volume: this network must not be asked about a window of it.
    """

    def __init__(self, channels: int, *, base: int = 16, levels: int = 4) -> None:
        super().__init__()
        if base < 4 or base % 4 or levels < 2:
            raise InputError(
                f"resunet3d with base={base}, levels={levels}",
                "base is a multiple of 4, and there are two levels or more",
                "--set base=16 --set levels=4",
            )
        widths = [base << level for level in range(levels)]
        kernels, strides = [PLANE] + [CUBE] * (levels - 1), [IN_PLANE] + [EVERYWHERE] * (levels - 2)
        self.steps = (
            2 ** (levels - 2),
            2 ** (levels - 1),
            2 ** (levels - 1),
        )  # of depth, height and width, all levels together
        self.stem = unit(nn.Conv3d(channels, base, PLANE, padding="same", bias=False), base)
        self.encode = nn.ModuleList(map(Residual, widths, kernels))
        self.down = nn.ModuleList(
            unit(nn.Conv3d(w, 2 * w, s, stride=s, bias=False), 2 * w)
            for w, s in zip(widths, strides, strict=False)
        )
        self.up = nn.ModuleList(
            unit(nn.ConvTranspose3d(2 * w, w, s, stride=s, bias=False), w)
            for w, s in zip(widths, strides, strict=False)
        )
        self.decode = nn.ModuleList(map(Residual, widths[:-1], kernels))
        self.head = nn.Conv3d(base, 1, 1)

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        mean, std = (volume[:, n, None, None, None, None] for n in (0, 1))
        depth, height, width = image.shape[2:]
        behind = [
            -n % step for n, step in zip((width, height, depth), self.steps[::-1], strict=True)
        ]
        x = nn.functional.pad(
            (image - mean) / std, [n for more in behind for n in (0, more)], mode="replicate"
        )
        x, skips = self.encode[0](self.stem(x)), []
        for down, encode in zip(self.down, self.encode[1:], strict=True):
            skips.append(x)
            x = encode(down(x))
        for up, decode in zip(reversed(self.up), reversed(self.decode), strict=True):
            x = decode(up(x) + skips.pop())
        return self.head(x)[:, :, :depth, :height, :width]

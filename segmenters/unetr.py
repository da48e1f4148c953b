"""MONAI's UNETR: a vision transformer as encoder, its layers as skips of a convolutional decoder
(Hatamizadeh et al. 2022).
"""

from __future__ import annotations

import torch
from monai.networks.nets import UNETR as Network

from benchmark.plugins import InputError, register
from benchmark.plugins.segmenters._foreign import Padded


@register.segmenter(
    "unetr", multiple=16, requires=("monai",), install="pip install -e '.[networks]'"
)
class UNETR(Padded):
    """MONAI's UNETR in 2-D: 12 layers of a transformer over 16x16 patches, read by convolutions
    (arXiv 2103.10504).

    size: height and width that its position embedding has; smaller images are padded with black to
    it, larger ones refused. base: features of the first level; width: of a token, a multiple of
    heads. The paper has base 16, width 768 and 12 heads. Each pixel sees the whole image. The image
    enters as (image - mean) / std with the numbers of its volume.
    """

    def __init__(
        self, channels: int, *, size: int = 128, base: int = 8, width: int = 192, heads: int = 6
    ) -> None:
        if size % 16 or width % heads:
            raise InputError(
                f"segmenter unetr with size={size} width={width} heads={heads}",
                "size is not a multiple of 16, or width not of heads",
                "--set size=128 --set width=192 --set heads=6",
            )
        super().__init__(
            Network(
                channels,
                1,
                size,
                feature_size=base,
                hidden_size=width,
                mlp_dim=4 * width,
                num_heads=heads,
                spatial_dims=2,
            ),
            multiple=16,
            least=size,
        )

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        if max(image.shape[2:]) > self.least:
            raise InputError(
                f"segmenter unetr on images of {image.shape[2]} x {image.shape[3]} pixels",
                f"it was made for at most {self.least} x {self.least}",
                f"--set size={-(-max(image.shape[2:]) // 16) * 16}, and train",
            )
        return super().forward(image, volume)

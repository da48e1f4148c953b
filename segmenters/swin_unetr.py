"""MONAI's Swin UNETR: attention in shifted windows on five levels, with a convolutional decoder
(Hatamizadeh et al. 2022).
"""

from __future__ import annotations

from monai.networks.nets import SwinUNETR as Network

from benchmark.plugins import InputError, register
from benchmark.plugins.segmenters._foreign import Padded


@register.segmenter(
    "swin-unetr", multiple=16, requires=("monai",), install="pip install -e '.[networks]'"
)
class SwinUNETR(Padded):
    """MONAI's Swin UNETR in 2-D: windows of 7x7 tokens, two layers a level (Hatamizadeh et al.
    2022, arXiv 2201.01266).

    base: features of the first level, a multiple of 12 (its heads are 3, 6, 12 and 24); the paper
    has 48, MONAI 24. The image enters as (image - mean) / std with the numbers of its volume,
    padded with black to a multiple of 32 and at least 64.
    """

    def __init__(self, channels: int, *, base: int = 12) -> None:
        if base % 12:
            raise InputError(
                f"segmenter swin-unetr with base={base}",
                "it is not a multiple of 12",
                "--set base=24",
            )
        super().__init__(
            Network(channels, 1, feature_size=base, spatial_dims=2), multiple=32, least=64
        )

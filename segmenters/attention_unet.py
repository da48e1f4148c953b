"""MONAI's Attention U-Net: gates on the skips decide what of them is let through (Oktay et al.
2018).
"""

from __future__ import annotations

from monai.networks.nets import AttentionUnet as Network

from benchmark.plugins import register
from benchmark.plugins.segmenters._foreign import Padded


@register.segmenter(
    "attention-unet", multiple=16, requires=("monai",), install="pip install -e '.[networks]'"
)
class AttentionUnet(Padded):
    """MONAI's Attention U-Net of five levels, base to 16 * base features (Oktay et al. 2018, arXiv
    1804.03999).

    MONAI's own example has base 64. The image enters as (image - mean) / std with the numbers of
    its volume.
    """

    def __init__(self, channels: int, *, base: int = 16) -> None:
        super().__init__(
            Network(2, channels, 1, [base * 2**i for i in range(5)], [2, 2, 2, 2]), multiple=16
        )

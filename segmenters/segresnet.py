"""MONAI's SegResNet: residual encoder and decoder with group normalisation (Myronenko, BrainLes
2018).
"""

from __future__ import annotations

from monai.networks.nets import SegResNet as Network

from benchmark.plugins import InputError, register
from benchmark.plugins.segmenters._foreign import Padded


@register.segmenter(
    "segresnet", multiple=8, requires=("monai",), install="pip install -e '.[networks]'"
)
class SegResNet(Padded):
    """MONAI's SegResNet, the winner of BRATS 2018 without its second head (Myronenko 2018, arXiv
    1810.11654), in 2-D.

    base: features of the first level, a multiple of 8 (groups of the normalisation); the paper has
    32. Four levels of 1, 2, 2 and 4 blocks down and 1 up. The image enters as (image - mean) / std
    with the numbers of its volume.
    """

    def __init__(self, channels: int, *, base: int = 16) -> None:
        if base % 8:
            raise InputError(
                f"segmenter segresnet with base={base}",
                "it is not a multiple of 8",
                "--set base=16",
            )
        super().__init__(Network(2, base, channels, 1), multiple=8)

"""The 4-floor U-Net that the prior work trained in Keras on LGG: three convolutions on each of the
two deeper floors.
"""

from __future__ import annotations

from benchmark.plugins import register
from benchmark.plugins.segmenters._stages import Floors


@register.segmenter("unet-4", multiple=8)
class UNet4(Floors):
    """U-Net of 4 floors, triple convolutions on the deeper two, 64 to 512 features: the second of
    gia-guar's LGG notebooks.

    `base=64` for three channels has 10,655,809 trained parameters
    (Brain_Tumor_Segmentation_Model_2, github.com/gia-guar/Segmentation-Transformer-U-Net), and
    8,064 running statistics of BatchNorm. There the image enters as it is; here as (image - mean) /
    std with the numbers of its volume.
    """

    def __init__(self, channels: int, *, base: int = 64) -> None:
        super().__init__(channels, [base, 2 * base, 4 * base, 8 * base], [2, 2, 3, 3])

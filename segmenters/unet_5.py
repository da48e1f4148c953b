"""The 5-floor U-Net that the prior work trained in Keras on LGG: biases, BatchNorm also on the way
up, a 3x3 head.
"""

from __future__ import annotations

from benchmark.plugins import register
from benchmark.plugins.segmenters._stages import Floors


@register.segmenter("unet-5", multiple=16)
class UNet5(Floors):
    """U-Net of 5 floors with two convolutions each, 32 to 512 features: the first network of
    gia-guar's LGG notebooks.

    `base=32` for three channels has 7,774,049 parameters as Keras counts them, with the 6,848
    running statistics of BatchNorm (Brain_Tumor_Segmentation_Model_1,
    github.com/gia-guar/Segmentation-Transformer-U-Net, after Buda et al. 2019); 7,767,201 are
    trained. There the image enters as it is; here as (image - mean) / std with the numbers of its
    volume.
    """

    def __init__(self, channels: int, *, base: int = 32) -> None:
        super().__init__(channels, [base, 2 * base, 4 * base, 8 * base, 16 * base], [2, 2, 2, 2, 2])

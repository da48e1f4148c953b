"""Any architecture and encoder of segmentation-models-pytorch, one name: --set architecture=...
--set encoder=...
"""

from __future__ import annotations

from typing import Literal

try:
    import segmentation_models_pytorch as smp
# a torchvision that is not of this torch raises "operator torchvision::nms does not exist"
except RuntimeError as error:
    raise ImportError(
        f"{error}: torchvision does not belong to this torch. For a torch without CUDA: pip install"
        " --force-reinstall --no-deps torchvision --index-url https://download.pytorch.org/whl/cpu"
    ) from None

from benchmark.plugins import InputError, register
from benchmark.plugins.segmenters._foreign import Padded


@register.segmenter(
    "smp",
    multiple=16,
    requires=("segmentation_models_pytorch",),
    install="pip install -e '.[networks]'",
)
class Smp(Padded):
    """segmentation-models-pytorch: any architecture and encoder, without pre-trained weights
    (Iakubovskii 2019).

    encoder: resnet18, resnet34, efficientnet-b0, mobilenet_v2, mit_b0, tu-NAME of timm and others;
    dpt wants tu-vit_... of timm. Nothing is downloaded: pre-trained weights come from a file, by
    `python -m benchmark import`. unet with resnet34 has 24,436,369 parameters for three channels.
    The image enters as (image - mean) / std with the numbers of its volume, padded with black to a
    multiple of 32 and at least 64, for pan 128.
    """

    def __init__(
        self,
        channels: int,
        *,
        architecture: Literal[
            "unet",
            "unetplusplus",
            "manet",
            "linknet",
            "fpn",
            "pspnet",
            "deeplabv3",
            "deeplabv3plus",
            "pan",
            "upernet",
            "segformer",
            "dpt",
        ] = "unet",
        encoder: str = "resnet18",
    ) -> None:
        more = {"dynamic_img_size": True} if architecture == "dpt" else {}
        try:
            network = smp.create_model(
                architecture, encoder, encoder_weights=None, in_channels=channels, classes=1, **more
            )
        except (KeyError, ValueError, RuntimeError) as error:
            raise InputError(
                f"segmenter smp with architecture={architecture} encoder={encoder}",
                str(error.args[0] if error.args else error).partition("\n")[0],
                "an encoder of smp.encoders.get_encoder_names(), or tu-NAME of timm; some do not"
                " fit some architectures",
            ) from None
        super().__init__(network, 32, least=128 if architecture == "pan" else 64)

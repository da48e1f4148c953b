"""The 2-D network of a trained nnU-Net v2 folder, without nnU-Net itself (Isensee et al., Nature
Methods 2021).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet
from torch import nn

from benchmark.plugins import InputError, register
from benchmark.plugins.segmenters._foreign import merged, padded

NETWORKS = {network.__name__: network for network in (PlainConvUNet, ResidualEncoderUNet)}
# What plans may name; nothing else is imported because a file says so.
PARTS = {
    "Conv2d": nn.Conv2d,
    "InstanceNorm2d": nn.InstanceNorm2d,
    "BatchNorm2d": nn.BatchNorm2d,
    "LeakyReLU": nn.LeakyReLU,
    "ReLU": nn.ReLU,
    "Dropout2d": nn.Dropout2d,
}
SCHEMES = (
    "ZScoreNormalization",
    "NoNormalization",
    "RescaleTo01Normalization",
    "RGBTo01Normalization",
)
BACKGROUND = 0.02  # as in VolumeStatistics: what is darker counts as outside of the head


def refuse(found: str, todo: str) -> InputError:
    return InputError("the nnU-Net", found, todo)


@register.segmenter(
    "nnunet",
    multiple=16,
    trains=False,
    requires=("dynamic_network_architectures",),
    install="pip install -e '.[networks]'",
)
class NNUNet(nn.Module):
    """A trained nnU-Net v2 as one 2-D network, all its labels but the background as lesion; made
    ready by `import`.

    `python -m benchmark import --segmenter nnunet --file FOLDER`, a folder with plans.json,
    dataset.json and fold_*/checkpoint_final.pth (Isensee et al. 2021), of which the first fold is
    taken. plans: what of the plans it is built from, as JSON in the card. Of its normalisation what
    the volume's statistics allow: ZScoreNormalization as (image - mean) / std with the numbers of
    the volume, which here are those between the percentiles 10 and 99 and of all channels together,
    so contrasts come out somewhat larger; with a nonzero mask, what is darker than 0.02 is 0 and
    passes no gradient. CTNormalization is refused: it wants Hounsfield units. Not done: resampling
    to the spacing of the plans, mirroring and overlapping patches at test time, other folds; the
    image is read whole, padded with black to what the network needs.
    """

    def __init__(self, channels: int, *, plans: str = "") -> None:
        super().__init__()
        self.channels, self.network = channels, None
        if not plans:
            return
        given = json.loads(plans)
        if len(given["schemes"]) != channels:
            raise refuse(
                f"it reads {len(given['schemes'])} channels, not {channels}",
                "--channels with as many names, in its order",
            )
        self.schemes, self.masked, self.regions = (
            given["schemes"],
            given["masked"],
            given["regions"],
        )
        arguments = {
            key: PARTS[value.rpartition(".")[2]] if isinstance(value, str) else value
            for key, value in given["arguments"].items()
        }
        self.network = NETWORKS[given["network"]](
            input_channels=channels, num_classes=given["outputs"], **arguments
        )
        self.network.decoder.deep_supervision = False
        del self.network.decoder.encoder  # the same tensors under a second name
        self.multiple = math.lcm(
            *(math.prod(stride[axis] for stride in arguments["strides"]) for axis in (0, 1))
        )

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        if self.network is None:
            raise refuse(
                "it has no plans",
                "python -m benchmark import --segmenter nnunet --file FOLDER --dataset DATASET",
            )
        if image.shape[1] != self.channels:
            raise ValueError(f"images of {image.shape[1]} channels, {self.channels} are due")
        height, width = image.shape[2:]
        x = padded(image, self.multiple)
        logits = self.network(
            torch.cat(
                [self._normalised(x[:, i : i + 1], volume, i) for i in range(self.channels)], 1
            )
        )
        # Regions overlap, each with a sigmoid: the lesion is where any of them is.
        return (logits.amax(1, keepdim=True) if self.regions else merged(logits))[
            ..., :height, :width
        ]

    def _normalised(self, channel: torch.Tensor, volume: torch.Tensor, i: int) -> torch.Tensor:
        if self.schemes[i] != "ZScoreNormalization":
            return channel
        scaled = (channel - volume[:, 0, None, None, None]) / volume[:, 1, None, None, None]
        return scaled * (channel > BACKGROUND) if self.masked[i] else scaled

    @staticmethod
    def imported(
        file: Path, read: Callable[[Path], dict[str, Any]]
    ) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """The tensors and options that a folder of a trained nnU-Net is kept as; `read` reads a
        checkpoint's state dict.
        """
        checkpoints = sorted(file.glob("fold_*/checkpoint_final.pth"))
        if (
            not checkpoints
            or not (file / "plans.json").is_file()
            or not (file / "dataset.json").is_file()
        ):
            raise refuse(
                f"{file} is no folder with plans.json, dataset.json and"
                " fold_*/checkpoint_final.pth",
                "the folder .../nnUNet_results/DATASET/TRAINER__PLANS__2d",
            )
        plans, dataset = (
            json.loads((file / name).read_text(encoding="utf-8"))
            for name in ("plans.json", "dataset.json")
        )
        weights = {
            name: w
            for name, w in read(checkpoints[0]).items()
            if not name.startswith("decoder.encoder.")
        }
        return {f"network.{name}": w for name, w in weights.items()}, {
            "plans": json.dumps(_kept(plans, dataset))
        }


def _kept(plans: dict[str, Any], dataset: dict[str, Any]) -> dict[str, Any]:
    """What of plans.json and dataset.json the network is built from; raises InputError for what
    cannot be.
    """
    setup = plans.get("configurations", {}).get("2d")
    if setup is None:
        raise refuse(
            "its plans have no configuration 2d, but"
            f" {', '.join(plans.get('configurations', {})) or 'none'}",
            "an nnU-Net trained with 2d",
        )
    schemes = setup["normalization_schemes"]
    if unknown := set(schemes) - set(SCHEMES):
        raise refuse(
            f"it normalises by {', '.join(sorted(unknown))}, which images in [0, 1] do not allow",
            f"one of {', '.join(SCHEMES)}",
        )
    architecture = setup.get("architecture") or _of_old_plans(setup)
    network = architecture["network_class_name"].rpartition(".")[2]
    if network not in NETWORKS:
        raise refuse(
            f"its network is {architecture['network_class_name']}", f"one of {', '.join(NETWORKS)}"
        )
    arguments = dict(architecture["arch_kwargs"])
    if unknown := {value for value in arguments.values() if isinstance(value, str)} - {
        v for v in arguments.values() if _part(v)
    }:
        raise refuse(
            f"its network is built with {', '.join(sorted(unknown))}", f"one of {', '.join(PARTS)}"
        )
    labels = {name: value for name, value in dataset["labels"].items() if name != "ignore"}
    regions = any(isinstance(value, list) and len(value) > 1 for value in labels.values())
    return {
        "network": network,
        "arguments": arguments,
        "schemes": schemes,
        "masked": setup["use_mask_for_norm"],
        "regions": regions,
        "outputs": len(labels) - (1 if regions and "background" in labels else 0),
    }


def _part(value: Any) -> bool:
    return isinstance(value, str) and value.rpartition(".")[2] in PARTS


def _of_old_plans(setup: dict[str, Any]) -> dict[str, Any]:
    """The architecture as plans before nnU-Net 2.3 spell it, in today's words (nnunetv2,
    plans_handler.py).
    """
    stages, plain = (
        len(setup["n_conv_per_stage_encoder"]),
        setup["UNet_class_name"] == "PlainConvUNet",
    )
    widths = [
        min(setup["UNet_base_num_features"] * 2**i, setup["unet_max_num_features"])
        for i in range(stages)
    ]
    return {
        "network_class_name": setup["UNet_class_name"],
        "arch_kwargs": {
            "n_stages": stages,
            "features_per_stage": widths,
            "conv_op": "Conv2d",
            "kernel_sizes": setup["conv_kernel_sizes"],
            "strides": setup["pool_op_kernel_sizes"],
            "n_conv_per_stage" if plain else "n_blocks_per_stage": setup[
                "n_conv_per_stage_encoder"
            ],
            "n_conv_per_stage_decoder": setup["n_conv_per_stage_decoder"],
            "conv_bias": True,
            "norm_op": "InstanceNorm2d",
            "norm_op_kwargs": {"eps": 1e-5, "affine": True},
            "dropout_op": None,
            "dropout_op_kwargs": None,
            "nonlin": "LeakyReLU",
            "nonlin_kwargs": {"inplace": True},
        },
    }

"""Files as other people make them: a torch.export program, an ONNX network, a trained nnU-Net's
folder.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

ANY = torch.export.Dim.AUTO


class Edges(nn.Module):
    """One convolution of the standardized image; with `volume`, by the numbers of its volume."""

    def __init__(self, channels: int = 1, classes: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, classes, 3, padding=1)

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        return self.conv((image - volume[:, 0, None, None, None]) / volume[:, 1, None, None, None])


class Alone(Edges):
    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.conv(image)


def made(kind: type[Edges] = Alone, **sizes: int) -> Edges:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return kind(**sizes).eval()


@cache
def program(
    module: type[Edges] = Alone,
    shape: tuple[int, ...] = (2, 1, 16, 24),
    fixed: bool = False,
    classes: int = 1,
) -> bytes:
    """A .pt2 file; `fixed`: of the shape of its example only."""
    network = made(module, channels=shape[1], classes=classes)
    example = (torch.rand(shape), torch.rand(shape[0], 4) + 0.1)[
        : 1 if issubclass(module, Alone) else 2
    ]
    free = ({0: ANY, 2: ANY, 3: ANY}, {0: ANY})[: len(example)]
    file = io.BytesIO()
    torch.export.save(
        torch.export.export(network, example, dynamic_shapes=None if fixed else free), file
    )
    return file.getvalue()


def changed(data: bytes, **new: Callable[[Any], Any]) -> bytes:
    """A .pt2 file with its model.json (model=), sample inputs (sample=) or table of weights
    (weights=) changed, or a file more (more=).
    """
    names = {
        "models/model.json": "model",
        "data/sample_inputs/model.pt": "sample",
        "data/weights/model_weights_config.json": "weights",
    }
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w") as file:
        for info in old.infolist():
            content, what = old.read(info), names.get(info.filename.partition("/")[2])
            if what in new:
                content = (
                    new[what](content)
                    if what == "sample"
                    else json.dumps(new[what](json.loads(content))).encode()
                )
            file.writestr(info.filename, content)
        if "more" in new:
            file.writestr("archive/" + new["more"](None), b"x")
    return out.getvalue()


def onnx_file(network: Edges, path: Path, sigmoid: bool = False) -> Path:
    """`Alone` as an ONNX file of any batch, height and width."""
    from onnx import TensorProto, helper, numpy_helper, save

    weights = [
        numpy_helper.from_array(p.detach().numpy(), name)
        for name, p in (("w", network.conv.weight), ("b", network.conv.bias))
    ]
    nodes = [helper.make_node("Conv", ["image", "w", "b"], ["logits"], pads=[1, 1, 1, 1])]
    if sigmoid:
        nodes.append(helper.make_node("Sigmoid", ["logits"], ["p"]))
    image = helper.make_tensor_value_info(
        "image", TensorProto.FLOAT, ["n", network.conv.in_channels, "h", "w"]
    )
    end = helper.make_tensor_value_info(
        "p" if sigmoid else "logits", TensorProto.FLOAT, ["n", network.conv.out_channels, "h", "w"]
    )
    graph = helper.make_graph(nodes, "edges", [image], [end], weights)
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


ARCHITECTURE = {
    "n_stages": 3,
    "features_per_stage": [4, 8, 8],
    "conv_op": "torch.nn.modules.conv.Conv2d",
    "kernel_sizes": [[3, 3]] * 3,
    "strides": [[1, 1], [2, 2], [2, 1]],
    "n_conv_per_stage": [1, 1, 1],
    "n_conv_per_stage_decoder": [1, 1],
    "conv_bias": True,
    "norm_op": "torch.nn.modules.instancenorm.InstanceNorm2d",
    "norm_op_kwargs": {"eps": 1e-5, "affine": True},
    "dropout_op": None,
    "dropout_op_kwargs": None,
    "nonlin": "torch.nn.LeakyReLU",
    "nonlin_kwargs": {"inplace": True},
}


def setup(**changes: Any) -> dict[str, Any]:
    """The 2d configuration of plans.json."""
    return {
        "normalization_schemes": ["ZScoreNormalization"],
        "use_mask_for_norm": [True],
        "architecture": {
            "network_class_name": "dynamic_network_architectures.architectures.unet.PlainConvUNet",
            "arch_kwargs": ARCHITECTURE,
            "_kw_requires_import": ["conv_op", "norm_op", "dropout_op", "nonlin"],
        },
        **changes,
    }


def nnunet_folder(
    folder: Path, labels: dict[str, Any] | None = None, **changes: Any
) -> tuple[Path, nn.Module]:
    """A trained nnU-Net's folder as nnunetv2 2.6 leaves it, and its network, with deep supervision
    off.
    """
    from dynamic_network_architectures.architectures.unet import PlainConvUNet

    labels = labels or {"background": 0, "edema": 1, "core": 2}
    parts = {"conv_op": nn.Conv2d, "norm_op": nn.InstanceNorm2d, "nonlin": nn.LeakyReLU}
    torch.manual_seed(0)
    network = PlainConvUNet(
        1, num_classes=len(labels), deep_supervision=True, **{**ARCHITECTURE, **parts}
    )
    (folder / "fold_0").mkdir(parents=True)
    (folder / "plans.json").write_text(json.dumps({"configurations": {"2d": setup(**changes)}}))
    (folder / "dataset.json").write_text(
        json.dumps({"labels": labels, "channel_names": {"0": "FLAIR"}})
    )
    # Beside the weights it logs numbers of numpy.
    torch.save(
        {
            "network_weights": network.state_dict(),
            "logging": {"mean_fg_dice": [np.float64(0.5), np.float32(0.5)]},
            "_best_ema": np.float64(0.7),
            "optimizer_state": {"state": {}},
            "current_epoch": 5,
            "trainer_name": "nnUNetTrainer",
            "inference_allowed_mirroring_axes": (0, 1),
            "init_args": {"fold": 0},
        },
        folder / "fold_0" / "checkpoint_final.pth",
    )
    network.decoder.deep_supervision = False
    return folder, network.eval()

"""Trained segmenters ready to read images: frozen, folded, in the loss of a fit or as a reader of
decoded images.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import nn
from torch.nn.functional import logsigmoid
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.utils.checkpoint import checkpoint as read_again_backwards

from benchmark.errors import InputError, call, field
from benchmark.networks.checkpoints import Checkpoint
from benchmark.networks.weights import (
    build,
    check_memory,
    load_weights,
    on_meta,
    read_weights,
    save_atomically,
    save_checkpoint,
)
from benchmark.plugins.index import get
from benchmark.types import DICE_THRESHOLD, VolumeStatistics

__all__ = [
    "PRECISIONS",
    "NETWORKS",
    "Ensemble",
    "LabelNetwork",
    "Network",
    "VolumeNetwork",
    "channels_last",
    "fold",
    "load_network",
    "load_weights",
    "read_weights",
    "save_atomically",
    "save_checkpoint",
]

PRECISIONS = ("float32", "bf16")
_IMAGES_AT_ONCE = 32  # bounds the memory that `segment` takes
_PIXELS_AT_ONCE = 131_072  # of a volume, the memory that `logits` keeps for the way back


class Network:
    """A frozen segmenter: no parameter of it ever gets a gradient, images may.

    name, hash, card: of its checkpoint; channels: names of the image's channels; multiple: what
    height and width must be a multiple of. `precision="bf16"` runs the convolutions in bfloat16;
    images and logits stay float32. depth: planes of the volumes that it reads, each as an image of
    its own; 1 for images. dims: 3 where it reads volumes whole. task: "mask"; of a LabelNetwork
    "label".
    """

    depth = 1
    dims = 2
    task = "mask"

    def __init__(
        self,
        checkpoint: Checkpoint,
        module: nn.Module,
        *,
        multiple: int,
        device: str,
        precision: str,
    ) -> None:
        self.name, self.hash = checkpoint.name, checkpoint.hash
        self.card, self.channels = checkpoint.card, checkpoint.channels
        self.multiple, self.device, self.precision = multiple, torch.device(device), precision
        self.module = channels_last(fold(module.eval()).requires_grad_(False), device)

    def logits(self, images: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        """Logits float32 [B, H, W] of images [B, H, W, C] in [0, 1], differentiable in them; volume
        [B, 4] as_row().

        With a depth D, of volumes whose planes lie one below the other: [B, D * H, W] of [B, D * H,
        W, C]. Raises InputError for another number of channels, or a height or width (of a plane)
        that is not a multiple of `multiple`.
        """
        x, rows = self._planes(images, volume)
        at_once = max(1, _PIXELS_AT_ONCE // math.prod(x.shape[1:-1]))
        if self.depth == 1 or len(x) <= at_once:
            return self._joined(self._read(x, rows))
        # On the way back a batch of planes is read again: a third more time, and the memory of one
        # batch.
        parts = []
        for some, theirs in zip(x.split(at_once), rows.split(at_once), strict=True):
            parts.append(
                read_again_backwards(
                    self._read, some, theirs, use_reentrant=False, preserve_rng_state=False
                )
            )
        return self._joined(torch.cat(parts))

    def planes(self, depth: int) -> Network:
        """This network as it reads volumes of `depth` planes; its weights are shared."""
        view = copy.copy(self)
        view.depth = depth
        return view

    def _planes(
        self, images: torch.Tensor, volume: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """[B, D * H, W, C] and [B, 4] -> [B * D, H, W, C] and [B * D, 4]."""
        if self.depth == 1:
            return images, volume
        planes = images.unflatten(1, (self.depth, -1)).flatten(0, 1)
        return planes, volume.repeat_interleave(self.depth, 0)

    def _joined(self, planes: torch.Tensor) -> torch.Tensor:
        """[B * D, H, W] -> [B, D * H, W]."""
        return planes if self.depth == 1 else planes.unflatten(0, (-1, self.depth)).flatten(1, 2)

    def _read(self, images: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        """Logits [B, H, W] of images [B, H, W, C], or [B, D, H, W] of volumes [B, D, H, W, C]."""
        return self._out(images, volume)[:, 0]

    def _out(self, images: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        """What the module makes of images [B, H, W, C], float32."""
        self._check(tuple(images.shape))
        # A moved [B, H, W, C] already is channels_last: no copy.
        x = images.to(self.device, torch.float32).movedim(-1, 1)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            out: torch.Tensor = self.module(x, volume.to(self.device, torch.float32))
        return out.float()

    def segment(self, images: np.ndarray, volumes: Sequence[VolumeStatistics]) -> np.ndarray:
        """Probability of lesion, float32 [B, H, W], of decoded images [B, H, W, C]; of volumes as
        `logits` takes them.
        """
        x, rows = self._planes(*_tensors(images, volumes))
        at_once = _IMAGES_AT_ONCE if self.dims == 2 else 1
        parts = []
        with torch.no_grad():
            for some, theirs in zip(x.split(at_once), rows.split(at_once), strict=True):
                parts.append(torch.sigmoid(self._read(some, theirs)).cpu())
        return self._joined(torch.cat(parts)).numpy()

    def segment_planes(
        self, images: np.ndarray, volumes: Sequence[VolumeStatistics], depth: int
    ) -> np.ndarray:
        """`segment` of images (depth 1), or of volumes of `depth` planes."""
        return self.planes(depth).segment(images, volumes)

    def see(self, images: np.ndarray, volumes: Sequence[VolumeStatistics]) -> np.ndarray:
        """What scores are taken of: bool masks as `segment` has probabilities; of a LabelNetwork
        its answers.
        """
        return self.segment(images, volumes) >= DICE_THRESHOLD

    def _check(self, shape: tuple[int, ...]) -> None:
        *sides, channels = shape[1:]
        if channels != len(self.channels):
            raise InputError(
                f"segmenter {self.name} on images of {channels} channels",
                f"it was trained on {len(self.channels)}: {', '.join(self.channels)}",
                f"{call('train', segmenter=self.name)} on data of those channels",
            )
        if any(side % self.multiple for side in sides):
            fitting = [max(1, round(side / self.multiple)) * self.multiple for side in sides]
            raise InputError(
                f"segmenter {self.name} on images of {' x '.join(map(str, sides))} pixels",
                f"it reads sizes that are multiples of {self.multiple}",
                f"sizes such as {' and '.join(map(str, fitting))}",
            )


class VolumeNetwork(Network):
    """A frozen segmenter that reads each volume whole, [B, C, D, H, W]; `planes(D)` says how many
    planes its volumes have.

    Without a depth `logits` and `segment` raise InputError: it cannot read an image.
    """

    dims = 3

    def _planes(
        self, images: torch.Tensor, volume: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """[B, D * H, W, C] -> [B, D, H, W, C]; [B, 4] as it is."""
        if self.depth == 1:
            raise InputError(
                f"segmenter {self.name} on an image", "it reads volumes whole", field("dims", 3)
            )
        return images.unflatten(1, (self.depth, -1)), volume

    def _joined(self, planes: torch.Tensor) -> torch.Tensor:
        """[B, D, H, W] -> [B, D * H, W]."""
        return planes.flatten(1, 2)


class LabelNetwork(Network):
    """A frozen classifier. classes: the names of its answers, in the order of its logits; from the
    card.
    """

    task = "label"

    def __init__(
        self,
        checkpoint: Checkpoint,
        module: nn.Module,
        *,
        multiple: int,
        device: str,
        precision: str,
    ) -> None:
        super().__init__(checkpoint, module, multiple=multiple, device=device, precision=precision)
        self.classes = checkpoint.classes

    def logits(self, images: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        """Logits float32 [B, classes] of images [B, H, W, C] in [0, 1], differentiable in them;
        volume [B, 4] as_row().

        Raises InputError for images of other channels or sizes than it reads, as Network does.
        """
        logits = self._out(images, volume)
        if logits.shape[1] != len(self.classes):
            raise InputError(
                f"the classes of {self.name}",
                f"its card names {len(self.classes)}, it answers with {logits.shape[1]}",
                "a checkpoint whose card and weights belong together",
            )
        return logits

    def answer(self, images: np.ndarray, volumes: Sequence[VolumeStatistics]) -> np.ndarray:
        """Probability of each class, float32 [B, classes], of decoded images [B, H, W, C]."""
        x, rows = _tensors(images, volumes)
        parts = []
        with torch.no_grad():
            for some, theirs in zip(
                x.split(_IMAGES_AT_ONCE), rows.split(_IMAGES_AT_ONCE), strict=True
            ):
                parts.append(torch.softmax(self.logits(some, theirs), 1).cpu())
        return torch.cat(parts).numpy()

    def see(self, images: np.ndarray, volumes: Sequence[VolumeStatistics]) -> np.ndarray:
        """What scores are taken of: `answer`."""
        return self.answer(images, volumes)

    def describe(self, image: np.ndarray, volume: VolumeStatistics) -> str:
        """The answer on one image [H, W, C] in words: "glioma 0.93"."""
        (answer,) = self.answer(image[None], [volume])
        return f"{self.classes[int(answer.argmax())]} {answer.max():.2f}"

    def planes(self, depth: int) -> LabelNetwork:
        """Itself; raises InputError for volumes, which have no one label."""
        if depth > 1:
            raise InputError(
                f"the network {self.name} on volumes",
                "it reads the label of an image",
                f"{field('dims', 2)}, or a network of masks",
            )
        return self

    def segment(self, images: np.ndarray, volumes: Sequence[VolumeStatistics]) -> np.ndarray:
        """Raises InputError: a label has no outline."""
        raise InputError(
            f"masks by the network {self.name}",
            f"it reads labels: {', '.join(self.classes)}",
            f"a network of masks: {call('list', 'segmenter')}",
        )


def _tensors(
    images: np.ndarray, volumes: Sequence[VolumeStatistics]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Images [B, H, W, C] and their statistics [B, 4], float32."""
    rows = torch.tensor([volume.as_row() for volume in volumes], dtype=torch.float32)
    return torch.from_numpy(np.ascontiguousarray(images, dtype=np.float32)), rows


class Ensemble(nn.Module):
    """Several networks as one: the log-odds of the mean of their probabilities, so that its sigmoid
    is that mean.

    labels: the members are classifiers, and it is the logarithm of the mean of their answers.
    """

    def __init__(self, members: Sequence[nn.Module], labels: bool = False) -> None:
        super().__init__()
        self.members, self.labels = nn.ModuleList(members), labels

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        logits = torch.stack([member(image, volume).float() for member in self.members])
        if self.labels:
            return torch.logsumexp(torch.log_softmax(logits, 2), 0) - math.log(len(self.members))
        # log of the mean of p, less log of the mean of 1 - p; the number of members cancels.
        return torch.logsumexp(logsigmoid(logits), 0) - torch.logsumexp(logsigmoid(-logits), 0)


# By task and dims.
NETWORKS = {("mask", 2): Network, ("mask", 3): VolumeNetwork, ("label", 2): LabelNetwork}


def load_network(
    checkpoint: Checkpoint, *, device: str = "cpu", precision: str = "float32"
) -> Network:
    """The network of a checkpoint; raises InputError where its weights do not fit the segmenter of
    that name.
    """
    if precision not in PRECISIONS:
        raise InputError(
            f"precision {precision}", "no such precision of a segmenter", " or ".join(PRECISIONS)
        )
    if checkpoint.members:
        modules = [
            load_network(member, device=device, precision=precision).module
            for member in checkpoint.members
        ]
        return NETWORKS[checkpoint.task, checkpoint.dims](
            checkpoint,
            Ensemble(modules, checkpoint.task == "label"),
            multiple=checkpoint.multiple,
            device=device,
            precision=precision,
        )
    entry = get("segmenter", checkpoint.name)
    weights = read_weights(checkpoint)
    asked = f"segmenter {checkpoint.name} with the card of {checkpoint.path}"
    plugin, options = entry.load(), checkpoint.card["options"]
    check_memory(on_meta(plugin, len(checkpoint.channels), options), weights, asked)
    module = build(plugin, len(checkpoint.channels), options, asked)
    load_weights(module, checkpoint, weights)
    return NETWORKS[checkpoint.task, checkpoint.dims](
        checkpoint, module, multiple=entry.declared["multiple"], device=device, precision=precision
    )


def channels_last(module: nn.Module, device: str | torch.device) -> nn.Module:
    """The module on a device, its convolution weights stored channels last (about 1.3x faster on a
    CPU; of volumes no faster).
    """
    module = module.to(device)
    if any(p.dim() == 5 for p in module.parameters()):
        return module
    last: nn.Module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return last


def fold(module: nn.Module) -> nn.Module:
    """Fold each BatchNorm that directly follows a convolution in an nn.Sequential into it: a pass
    over memory less.
    """
    for part in module.modules():
        if isinstance(part, nn.Sequential):
            _fold_pairs(part)
    return module


def _fold_pairs(part: nn.Sequential) -> None:
    for i in range(len(part) - 1):
        first, second = part[i], part[i + 1]
        if not isinstance(second, nn.BatchNorm2d):
            continue
        if isinstance(first, nn.Conv2d | nn.ConvTranspose2d):
            transposed = isinstance(first, nn.ConvTranspose2d)
            part[i] = fuse_conv_bn_eval(first, second, transpose=transposed)
            part[i + 1] = nn.Identity()

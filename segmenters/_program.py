"""Networks that are a file of another format: the file's bytes are the weights, and the network is
rebuilt when they are loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmark.plugins import InputError
from benchmark.plugins.segmenters._foreign import merged, padded


class Program(nn.Module):
    """A network of one buffer, `program`: the bytes of its file. Subclasses say how to rebuild and
    how to run it.

    name: of the segmenter; rebuild: from `program`, at each load; run: [B, C, H, W] and [B, 4] ->
    [B, K, H, W].
    """

    name = ""

    def __init__(self, channels: int, multiple: int) -> None:
        super().__init__()
        self.channels, self.multiple = channels, multiple
        self.register_buffer("program", torch.empty(0, dtype=torch.uint8))
        self.register_load_state_dict_post_hook(
            lambda module, _: module.rebuild(module.program.cpu().numpy().tobytes())
        )

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        if (given := state_dict.get(f"{prefix}program")) is not None:
            self.program = torch.empty_like(given)  # a file of any length fits
        super()._load_from_state_dict(state_dict, prefix, *rest)

    @staticmethod
    def imported(file: Path, read: Any) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """The tensors and options that a file is kept as: its bytes."""
        return {"program": torch.frombuffer(bytearray(file.read_bytes()), dtype=torch.uint8)}, {}

    def rebuild(self, data: bytes) -> None:
        raise NotImplementedError

    def run(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        if not len(self.program):
            raise self.refused(
                "it has no program",
                f"python -m benchmark import --segmenter {self.name} --file FILE --dataset DATASET",
            )
        if image.shape[1] != self.channels:
            raise ValueError(f"images of {image.shape[1]} channels, {self.channels} are due")
        height, width = image.shape[2:]
        x = padded(image, self.multiple)
        logits = self.run(x, volume)
        if logits.dim() != 4 or logits.shape[0] != len(x) or logits.shape[2:] != x.shape[2:]:
            raise self.refused(
                f"it makes {list(logits.shape)} of images {list(x.shape)}",
                "a program that gives logits [B, 1, H, W], or [B, K, H, W] with the background"
                " first",
            )
        return merged(logits)[..., :height, :width]

    def refused(self, found: str, todo: str) -> InputError:
        return InputError(f"the program of the segmenter {self.name}", found, todo)

    def check_input(self, fixed: list[int | None]) -> None:
        """Refuse a program at once whose image input [B, C, H, W] has other channels, or a batch of
        more than one; None: any.
        """
        if len(fixed) != 4:
            raise self.refused(
                f"its image input has {len(fixed)} dimensions", "a program of images [B, C, H, W]"
            )
        if fixed[1] not in (None, self.channels):
            raise self.refused(
                f"it reads {fixed[1]} channels, not {self.channels}",
                "--channels with as many names, in its order",
            )
        if fixed[0] not in (None, 1):
            raise self.refused(
                f"it reads batches of {fixed[0]} images only",
                "export it again with a batch of any size",
            )

    def check_size(self, fixed: list[int | None], image: torch.Tensor) -> None:
        """Refuse images that a program of a fixed height and width cannot read."""
        if any(have not in (None, n) for have, n in zip(fixed[2:], image.shape[2:], strict=True)):
            raise self.refused(
                f"its shapes are fixed: it reads {fixed[2]} x {fixed[3]} pixels, not"
                f" {image.shape[2]} x {image.shape[3]}",
                f"images of {fixed[2]} x {fixed[3]}, or export it again with any height and width",
            )

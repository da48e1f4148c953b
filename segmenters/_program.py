"""Networks that are a file of another format: the file's bytes are the weights, and the network is
rebuilt when they are loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmark.plugins import InputError
from benchmark.plugins.segmenters._foreign import merged, padded


class Program(nn.Module):
    """A network of one buffer, `program`: the bytes of its file. Subclasses say how to rebuild and
    how to run it.

    name: of the segmenter; rebuild: from `program`, at each load; run: [B, C, H, W] and perhaps
    [B, 4] -> [B, K, H, W].
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
        """The tensors and options that a file is kept as: its bytes, or of a checkpoint those that
        it keeps already.
        """
        if file.suffix == ".safetensors":
            return read(file), {}
        return {"program": torch.frombuffer(bytearray(file.read_bytes()), dtype=torch.uint8)}, {}

    def rebuild(self, data: bytes) -> None:
        raise NotImplementedError

    def run(self, *inputs: torch.Tensor) -> torch.Tensor:
        raise NotImplementedError

    def takes(self, shapes: Sequence[Sequence[Any]]) -> None:
        """Keep how many inputs the program has, and which sizes of its images are fixed (None:
        any); raises InputError where it cannot read images [B, C, H, W].
        """
        if len(shapes) not in (1, 2):
            found = f"it takes {len(shapes)} inputs"
            raise self.refused(found, "a program of (image) or of (image, volume)")
        self.inputs = len(shapes)
        self.fixed = [n if isinstance(n, int) else None for n in shapes[0]]
        if len(self.fixed) != 4 or self.fixed[0] not in (None, 1):
            found = f"its image input is {self.fixed} (None: any)"
            raise self.refused(found, "a program of images [B, C, H, W], with a batch of any size")
        if self.fixed[1] not in (None, self.channels):
            found = f"it reads {self.fixed[1]} channels, not {self.channels}"
            raise self.refused(found, "--channels with as many names, in its order")

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        if not len(self.program):
            todo = f"python -m benchmark import --segmenter {self.name} --file FILE --dataset NAME"
            raise self.refused("it has no program", todo)
        if image.shape[1] != self.channels:
            raise ValueError(f"images of {image.shape[1]} channels, {self.channels} are due")
        height, width = image.shape[2:]
        x = padded(image, self.multiple)
        due = self.fixed[2] or x.shape[2], self.fixed[3] or x.shape[3]
        if due != x.shape[2:]:
            sides = f"{self.fixed[2]} x {self.fixed[3]}"
            found = (
                f"its shapes are fixed: it reads {sides} pixels, not {x.shape[2]} x {x.shape[3]}"
            )
            raise self.refused(found, f"images of {sides}, or export it again with any size")
        alone = 1 if self.fixed[0] == 1 else len(x)
        batches = zip(*(given.split(alone) for given in (x, volume)[: self.inputs]), strict=True)
        logits = torch.cat([self.run(*batch) for batch in batches])
        if logits.dim() != 4 or logits.shape[0] != len(x) or logits.shape[2:] != x.shape[2:]:
            found = f"it makes {list(logits.shape)} of images {list(x.shape)}"
            todo = "logits [B, 1, H, W], or [B, K, H, W] with the background first"
            raise self.refused(found, todo)
        return merged(logits)[..., :height, :width]

    def refused(self, found: str, todo: str) -> InputError:
        return InputError(f"the program of the segmenter {self.name}", found, todo)

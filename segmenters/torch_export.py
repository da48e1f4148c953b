"""A program of one's own, exported by torch.export: any architecture, without its code."""

from __future__ import annotations

import zipfile
from typing import Any

import torch

from benchmark.plugins import register
from benchmark.plugins.segmenters._program import Program
from benchmark.plugins.segmenters._pt2 import Unsafe, harmless


@register.segmenter("torch-export", multiple=1, trains=False)
class TorchExport(Program):
    """A program of your own, saved by torch.export.save (.pt2), made ready by `python -m benchmark
    import`.

    It takes the image [B, C, H, W] in [0, 1] and gives logits [B, 1, H, W], or [B, K, H, W] with
    the background first; if it takes two inputs, the second is volume [B, 4]: mean, standard
    deviation, percentiles 10 and 99 of the volume. multiple: what its heights and widths must be a
    multiple of; images are padded with black to it. Export in eval mode, with an example of a batch
    of 2, and a batch, height and width of any size: torch.export.export(model.eval(), (image,),
    dynamic_shapes=({0: AUTO, 2: AUTO, 3: AUTO},)) with AUTO = torch.export.Dim.AUTO. Plain
    operators (torch.ops.aten) only: whatever else an archive may hold, pickles too, is refused
    unread.
    """

    name = "torch-export"

    def __init__(self, channels: int, *, multiple: int = 16) -> None:
        super().__init__(channels, multiple)

    def rebuild(self, data: bytes) -> None:
        try:
            program = torch.export.load(harmless(data))
        except Unsafe as error:
            raise self.refused(
                f"it holds {error}",
                "torch.export.save(torch.export.export(...), FILE) of a plain network",
            ) from None
        except (
            zipfile.BadZipFile,
            KeyError,
            ValueError,
            RuntimeError,
            AssertionError,
            AttributeError,
            TypeError,
        ) as error:
            raise self.refused(
                f"torch {torch.__version__} cannot read it:"
                f" {str(error).partition(chr(10))[0] or type(error).__name__}",
                "a file of torch.export.save, by this version of torch",
            ) from error
        inputs = [
            node.meta["val"]
            for node in program.graph.nodes
            if node.name in program.graph_signature.user_inputs
        ]
        if len(inputs) not in (1, 2) or not all(
            isinstance(value, torch.Tensor) for value in inputs
        ):
            raise self.refused(
                f"it takes {len(inputs)} inputs", "a program of (image) or of (image, volume)"
            )
        if (outputs := len(program.graph_signature.user_outputs)) != 1:
            raise self.refused(
                f"it gives {outputs} outputs", "a program with one output, its logits"
            )
        self.inputs = len(inputs)
        self.fixed = [n if isinstance(n, int) else None for n in inputs[0].shape]
        self.check_input(self.fixed)
        network = program.module()
        network.train = lambda mode=True: (
            network
        )  # it is as it was exported, and refuses train() and eval()
        self.network = network.requires_grad_(False)

    def _load_from_state_dict(self, *args: Any) -> None:
        self._modules.pop(
            "network", None
        )  # else its tensors would be looked for in a file that has only the program
        super()._load_from_state_dict(*args)

    def run(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        self.check_size(self.fixed, image)
        if self.fixed[0] == 1:
            return torch.cat(
                [
                    self.network(*pair[: self.inputs])
                    for pair in zip(image.split(1), volume.split(1), strict=True)
                ]
            )
        return self.network(*(image, volume)[: self.inputs])

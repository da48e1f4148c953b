"""A program of one's own, exported by torch.export: any architecture, without its code."""

from __future__ import annotations

import hashlib
import io
import logging
from typing import Any

import torch

from benchmark.plugins import InputError, is_trusted, register
from benchmark.plugins.segmenters._program import Program

MAKER = "torch.export.save(torch.export.export(...), FILE), by this version of torch"


@register.segmenter("torch-export", multiple=1, trains=False)
class TorchExport(Program):
    """A program of your own, saved by torch.export.save (.pt2), made ready by `python -m benchmark
    import --trust`.

    torch.export.load may run code of whoever made a file, so it loads only what `--trust` was said
    of on this machine. The program takes the image [B, C, H, W] in [0, 1] and gives logits [B, 1,
    H, W], or [B, K, H, W] with the background first; if it takes two inputs, the second is volume
    [B, 4]: mean, standard deviation, percentiles 10 and 99 of the volume. multiple: what its
    heights and widths must be a multiple of; images are padded with black to it. Export on the CPU
    in eval mode, with an example of a batch of 2, and a batch, height and width of any size:
    torch.export.export(model.eval(), (image,), dynamic_shapes=({0: AUTO, 2: AUTO, 3: AUTO},)) with
    AUTO = torch.export.Dim.AUTO.
    """

    name = "torch-export"
    runs_code = True  # to load a file is to run it: `import` asks for --trust

    def __init__(self, channels: int, *, multiple: int = 16) -> None:
        super().__init__(channels, multiple)

    def rebuild(self, data: bytes) -> None:
        if not is_trusted(hashlib.sha256(data).hexdigest()):
            raise self.refused(
                "to load it may run code of whoever made it, and nobody has said on this machine"
                " that it is to be trusted",
                "if you know who made it: python -m benchmark import --segmenter torch-export"
                " --file FILE --dataset NAME --trust, with this file or the .pt2",
            )
        try:
            self._rebuild(data)
        except InputError:
            raise
        except Exception as error:  # torch raises whatever it meets in a damaged file
            said = str(error).partition("\n")[0][:200] or type(error).__name__
            found = f"torch {torch.__version__} cannot read it: {said}"
            raise self.refused(found, MAKER) from error

    def _rebuild(self, data: bytes) -> None:
        logging.disable(logging.WARNING)  # of a damaged file torch would log a traceback
        try:
            program = torch.export.load(io.BytesIO(data))
        finally:
            logging.disable(logging.NOTSET)
        shapes = []
        for node in program.graph.nodes:
            if node.name in program.graph_signature.user_inputs:
                shapes.append(node.meta["val"].shape)
        self.takes(shapes)
        if (outputs := len(program.graph_signature.user_outputs)) != 1:
            found = f"it gives {outputs} outputs"
            raise self.refused(found, "a program with one output, its logits")
        network = program.module()
        # It is as it was exported, and refuses train() and eval().
        network.train = lambda mode=True: network
        self.network = network.requires_grad_(False)

    def _load_from_state_dict(self, *args: Any) -> None:
        # Else its tensors would be looked for in a file that has only the program.
        self._modules.pop("network", None)
        super()._load_from_state_dict(*args)

    def run(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.network(*inputs)

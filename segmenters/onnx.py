"""A network as an ONNX file: it reads decoded images, and cannot stand in the loss."""

from __future__ import annotations

from typing import Literal

import numpy as np
import onnxruntime
import torch

from benchmark.plugins import register
from benchmark.plugins.segmenters._program import Program


@register.segmenter(
    "onnx",
    multiple=1,
    in_loss=False,
    trains=False,
    requires=("onnxruntime",),
    install="pip install -e '.[networks]'",
)
class Onnx(Program):
    """A network as an ONNX file, for scoring only (--reader): no gradient comes through it. Made
    ready by `import`.

    It takes the image float32 [B, C, H, W] in [0, 1], and if it has two inputs volume [B, 4] (mean,
    standard deviation, percentiles 10 and 99 of the volume), and gives [B, 1, H, W], or [B, K, H,
    W] with the background first. output: whether that is a logit, or a probability, from which the
    logit is taken. multiple: images are padded with black to it. It runs on the CPU.
    """

    name = "onnx"

    def __init__(
        self,
        channels: int,
        *,
        multiple: int = 16,
        output: Literal["logits", "probability"] = "logits",
    ) -> None:
        super().__init__(channels, multiple)
        self.output = output

    def rebuild(self, data: bytes) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        try:
            self.session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
        # onnxruntime has a class of its own for each kind of fault, without a common one
        except Exception as error:
            raise self.refused(
                f"onnxruntime {onnxruntime.__version__} cannot read it:"
                f" {str(error).partition(chr(10))[0][:200]}",
                "one ONNX file with its weights inside (no external data)",
            ) from None
        inputs = self.session.get_inputs()
        if len(inputs) not in (1, 2) or any(given.type != "tensor(float)" for given in inputs):
            raise self.refused(
                f"its inputs are {', '.join(f'{given.name} {given.type}' for given in inputs)}",
                "a network of (image) or of (image, volume), float32",
            )
        if len(outputs := [made.name for made in self.session.get_outputs()]) != 1:
            raise self.refused(
                f"it gives {len(outputs)} outputs: {', '.join(outputs)[:200]}",
                "a network with one output, its logits",
            )
        self.names = [given.name for given in inputs]
        self.fixed = [n if isinstance(n, int) else None for n in inputs[0].shape]
        self.check_input(self.fixed)

    def run(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        if image.requires_grad and torch.is_grad_enabled():
            raise self.refused(
                "no gradient comes through ONNX: it cannot stand in the loss",
                "use it as --reader, or export the network with torch.export and import it as"
                " torch-export",
            )
        self.check_size(self.fixed, image)
        arrays = [t.detach().cpu().numpy().astype(np.float32, copy=False) for t in (image, volume)][
            : len(self.names)
        ]
        batches = (
            [[array[i : i + 1] for array in arrays] for i in range(len(image))]
            if self.fixed[0] == 1
            else [arrays]
        )
        made = np.concatenate(
            [
                self.session.run(None, dict(zip(self.names, batch, strict=True)))[0]
                for batch in batches
            ]
        )
        y = torch.from_numpy(made).to(image.device)
        if self.output == "logits":
            return y
        return torch.logit(y, 1e-6) if y.shape[1] == 1 else torch.log(y.clamp_min(1e-12))

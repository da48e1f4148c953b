"""A network as an ONNX file: it reads decoded images, and cannot stand in the loss."""

from __future__ import annotations

from typing import Literal

import numpy as np
import onnxruntime
import torch

from benchmark.plugins import InputError, register
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
                data, options, providers=["CPUExecutionProvider"], enable_fallback=0
            )
        # onnxruntime has a class of its own for each kind of fault, without a common one
        except Exception as error:
            raise self._unreadable(error) from None
        inputs = self.session.get_inputs()
        for given in inputs:
            if given.type != "tensor(float)":
                found = f"its input {given.name} is a {given.type}"
                raise self.refused(found, "a network of (image) or of (image, volume), float32")
        self.takes([given.shape or [] for given in inputs])
        outputs = [made.name for made in self.session.get_outputs()]
        if len(outputs) != 1:
            found = f"it gives {len(outputs)} outputs: {', '.join(outputs)[:200]}"
            raise self.refused(found, "a network with one output, its logits")
        self.names = [given.name for given in inputs]

    def run(self, *inputs: torch.Tensor) -> torch.Tensor:
        image = inputs[0]
        if image.requires_grad and torch.is_grad_enabled():
            raise self.refused(
                "no gradient comes through ONNX: it cannot stand in the loss",
                "use it as --reader, or export the network with torch.export and import it as"
                " torch-export",
            )
        feed = {}
        for name, given in zip(self.names, inputs, strict=True):
            feed[name] = given.detach().cpu().numpy().astype(np.float32, copy=False)
        try:
            (made,) = self.session.run(None, feed)
            y = torch.from_numpy(made).to(image.device)
        except Exception as error:  # as above
            raise self._unreadable(error) from None
        if self.output == "logits":
            return y
        return torch.logit(y, 1e-6) if y.shape[1] == 1 else torch.log(y.clamp_min(1e-12))

    def _unreadable(self, error: Exception) -> InputError:
        said = str(error).partition("\n")[0][:200]
        found = f"onnxruntime {onnxruntime.__version__} cannot read it: {said}"
        return self.refused(found, "one ONNX file with its weights inside (no external data)")

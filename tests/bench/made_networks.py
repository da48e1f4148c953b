"""Networks of the size that a bench needs, without training: untrained, or a small one widened."""

from __future__ import annotations

from pathlib import Path

import torch

from benchmark.networks.checkpoints import Checkpoint
from benchmark.networks.network import Network
from benchmark.plugins import index
from benchmark.types import Sample


def untrained(sample: Sample, base: int, device: str, precision: str) -> Network:
    """A U-Net, 7.76 M parameters at base 32, whose penalty notices which pixel is which, as that of
    a trained one does.
    """
    torch.manual_seed(0)
    entry = index.get("segmenter", "unet")
    module = entry.load()(len(sample.channels), base=base).eval()
    with torch.no_grad():
        module.head.bias.zero_()
        logits = module(
            torch.from_numpy(sample.image).permute(2, 0, 1)[None],
            torch.tensor([sample.volume.as_row()]),
        )
        module.head.weight *= 3 / logits.std()
        module.head.bias -= 3 * logits.median() / logits.std()
    card = {
        "segmenter": "unet",
        "options": {"base": base},
        "channels": list(sample.channels),
        "dataset": sample.dataset,
    }
    return Network(
        Checkpoint("unet", Path(), "untrained", card),
        module,
        multiple=entry.declared["multiple"],
        device=device,
        precision=precision,
    )


def widened(
    weights: dict[str, torch.Tensor], like: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    """Each channel twice, and half of each weight that leads on from it: the same function with
    four times the work.
    """
    out = {}
    for name, due in like.items():
        value = weights[name].to(due.dtype)
        inputs = (
            0 if name.startswith("up.") else 1
        )  # transposed convolutions have their inputs first
        for side in range(min(2, due.dim())):
            if due.shape[side] == 2 * value.shape[side]:
                value = value.repeat_interleave(2, side) / (
                    2 if side == inputs and due.dim() > 1 else 1
                )
        out[name] = value
    return out

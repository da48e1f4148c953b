"""The SINCO penalty: one minus the soft Dice of a segmenter on the rendering, against the true
mask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from benchmark.plugins import Sample, register

Penalty = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


@register.regularizer("dice")
class Dice:
    """1 - soft Dice of the network's probability on the unclipped rendering (SINCO, Gao et al.
    2023, arXiv 2210.14974).
    """

    def __init__(self, *, epsilon: float = 1e-6) -> None:
        self.epsilon = epsilon

    def make(self, samples: Sequence[Sample], network: Any) -> Penalty:
        """f(images [k, H, W, C], numbers of their samples [k]) -> (penalty [k], gradient of each
        one's own penalty [k, H, W, C]).
        """
        masks = torch.from_numpy(np.stack([sample.mask for sample in samples]).astype(np.float32))
        volume = torch.tensor([sample.volume.as_row() for sample in samples])

        def penalty(images: torch.Tensor, which: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            with torch.enable_grad():
                x, which = images.detach().requires_grad_(), which.to(masks.device)
                probability = torch.sigmoid(network.logits(x, volume[which].to(x.device)))
                loss = 1.0 - soft_dice(probability, masks[which].to(x.device), self.epsilon)
                (gradient,) = torch.autograd.grad(loss.sum(), x)
            return loss.detach(), gradient

        return penalty


def soft_dice(probability: torch.Tensor, mask: torch.Tensor, epsilon: float) -> torch.Tensor:
    """(2 sum pm + e) / (sum p + sum m + e) of each image: [K, H, W], [K, H, W] -> [K]."""
    p, m = probability.flatten(1), mask.flatten(1)
    return (2.0 * (p * m).sum(1) + epsilon) / (p.sum(1) + m.sum(1) + epsilon)

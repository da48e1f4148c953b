"""The penalty of a classifier in the loss: how far its answer on the rendering is from that on the
original.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from benchmark.plugins import Sample, register

Penalty = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


@register.regularizer("kl", task="label")
class KL:
    """KL divergence, in nats, of the network's answer on the unclipped rendering from its answer on
    the original.

    KL(p || q) = sum over classes of p (log p - log q), with p = softmax(logits of the original) and
    q = softmax(logits of the rendering). The true label is not in it: what the network said of the
    original, right or wrong, is what it is to say of the file. At least 0, without an upper bound.
    """

    def make(self, samples: Sequence[Sample], network: Any) -> Penalty:
        """f(images [k, H, W, C], numbers of their samples [k]) -> (penalty [k], gradient of each
        one's own penalty [k, H, W, C]).
        """
        volume = torch.tensor([sample.volume.as_row() for sample in samples])
        with torch.no_grad():
            log_p = torch.log_softmax(
                network.logits(
                    torch.from_numpy(np.stack([sample.image for sample in samples])), volume
                ),
                1,
            )

        def penalty(images: torch.Tensor, which: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            with torch.enable_grad():
                x, which = images.detach().requires_grad_(), which.to(volume.device)
                log_q = torch.log_softmax(network.logits(x, volume[which].to(x.device)), 1)
                loss = kl_divergence(log_p[which.to(log_p.device)].to(log_q), log_q)
                (gradient,) = torch.autograd.grad(loss.sum(), x)
            return loss.detach(), gradient

        return penalty


def kl_divergence(log_p: torch.Tensor, log_q: torch.Tensor) -> torch.Tensor:
    """sum of p (log p - log q) of each image: logarithms of probabilities [K, classes], twice ->
    [K].
    """
    return (log_p.exp() * (log_p - log_q)).sum(1)

"""What optimizers over stacked parameters share: [K, ...] tensors of K fits that must not touch each other."""

from __future__ import annotations

import torch


def member(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """[K] -> [K, 1, ...], to broadcast over `like` [K, ...]."""
    return values.view(-1, *[1] * (like.dim() - 1))


def finite(gradients: dict[str, torch.Tensor]) -> torch.Tensor:
    """Which of the K fits have only finite gradients: [K]."""
    return torch.stack([torch.isfinite(g.flatten(1)).all(1) for g in gradients.values()]).all(0)


class Moments:
    """Adam's running moments of some [K, ...] tensors, with bias correction (Kingma and Ba 2015)."""

    def __init__(self, parameters: dict[str, torch.Tensor], beta1: float, beta2: float, eps: float) -> None:
        self.beta1, self.beta2, self.eps, self.steps = beta1, beta2, eps, 0
        self.m = {name: torch.zeros_like(p) for name, p in parameters.items()}
        self.v = {name: torch.zeros_like(p) for name, p in parameters.items()}

    def updates(self, gradients: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The direction of each tensor, to be scaled by the learning rate."""
        self.steps += 1
        correction1, correction2 = 1 - self.beta1**self.steps, 1 - self.beta2**self.steps
        out = {}
        for name, m in self.m.items():
            g, v = gradients[name], self.v[name]
            m.lerp_(g, 1 - self.beta1)
            v.mul_(self.beta2).addcmul_(g, g, value=1 - self.beta2)
            out[name] = (m / correction1) / ((v / correction2).sqrt_() + self.eps)
        return out

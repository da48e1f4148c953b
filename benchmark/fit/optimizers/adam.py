"""Adam over stacked parameters, each fit on its own."""

from __future__ import annotations

import torch

from benchmark.plugins import register


@register.optimizer("adam")
class Adam:
    """Adam with bias correction (Kingma and Ba 2015), element by element over [K, ...] tensors."""

    def __init__(self, parameters: dict[str, torch.Tensor], *, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> None:
        self.parameters = parameters
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        self.m = {name: torch.zeros_like(p) for name, p in parameters.items()}
        self.v = {name: torch.zeros_like(p) for name, p in parameters.items()}
        first = next(iter(parameters.values()))
        self.alive = torch.ones(len(first), dtype=torch.bool, device=first.device)
        self.steps = 0

    @torch.no_grad()
    def step(self, gradients: dict[str, torch.Tensor], lr: torch.Tensor) -> None:
        """Update the parameters in place; a fit whose gradient is not finite is frozen where it stands."""
        self.steps += 1
        self.alive &= finite(gradients)
        correction1, correction2 = 1 - self.beta1**self.steps, 1 - self.beta2**self.steps
        for name, p in self.parameters.items():
            alive = member(self.alive, p)
            g = torch.where(alive, gradients[name], 0.0)
            self.m[name].lerp_(g, 1 - self.beta1)
            self.v[name].mul_(self.beta2).addcmul_(g, g, value=1 - self.beta2)
            update = (self.m[name] / correction1) / ((self.v[name] / correction2).sqrt_() + self.eps)
            p -= torch.where(alive, member(lr, p) * update, 0.0)


def member(values: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """[K] -> [K, 1, ...], to broadcast over `like` [K, ...]."""
    return values.view(-1, *[1] * (like.dim() - 1))


def finite(gradients: dict[str, torch.Tensor]) -> torch.Tensor:
    """Which of the K fits have only finite gradients: [K]."""
    return torch.stack([torch.isfinite(g.flatten(1)).all(1) for g in gradients.values()]).all(0)

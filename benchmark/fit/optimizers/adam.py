"""Adam over stacked parameters, each fit on its own."""

from __future__ import annotations

import torch

from benchmark.fit.optimizers._stacked import Moments, finite, member
from benchmark.plugins import register


@register.optimizer("adam")
class Adam:
    """Adam with bias correction (Kingma and Ba 2015), element by element over [K, ...] tensors."""

    def __init__(self, parameters: dict[str, torch.Tensor], *, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> None:
        self.parameters = parameters
        self.moments = Moments(parameters, beta1, beta2, eps)
        first = next(iter(parameters.values()))
        self.alive = torch.ones(len(first), dtype=torch.bool, device=first.device)

    @torch.no_grad()
    def step(self, gradients: dict[str, torch.Tensor], lr: torch.Tensor) -> None:
        """Update the parameters in place; a fit whose gradient is not finite is frozen where it stands."""
        self.alive &= finite(gradients)
        safe = {name: torch.where(member(self.alive, g), g, 0.0) for name, g in gradients.items()}
        rate = lr * self.alive
        for name, update in self.moments.updates(safe).items():
            self.parameters[name] -= member(rate, update) * update

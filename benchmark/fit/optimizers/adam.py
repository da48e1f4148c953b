"""Adam over stacked parameters, each fit on its own."""

from __future__ import annotations

import torch

from benchmark.fit.optimizers._stacked import Moments, Stacked
from benchmark.plugins import register


@register.optimizer("adam")
class Adam(Stacked):
    """Adam with bias correction (Kingma and Ba 2015), element by element over [K, ...] tensors."""

    def __init__(
        self,
        parameters: dict[str, torch.Tensor],
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
    ) -> None:
        super().__init__(parameters)
        self.moments = Moments(self.change, beta1, beta2, eps)

    @torch.no_grad()
    def step(self, gradients: dict[str, torch.Tensor], lr: torch.Tensor) -> None:
        """Update the parameters in place; a fit whose gradient is not finite is frozen where it
        stands.
        """
        g = self.join(gradients)
        torch.mul(self.moments.update(g), (lr * self.alive).unsqueeze(1), out=self.change)
        self.move()

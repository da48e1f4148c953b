"""What optimizers over stacked parameters share: [K, ...] tensors of K fits that must not touch
each other.
"""

from __future__ import annotations

import torch


class Stacked:
    """Base of optimizers: all parameters of K fits as one [K, P], so that a step is a few
    operations, not a few a tensor.
    """

    def __init__(self, parameters: dict[str, torch.Tensor]) -> None:
        self.parameters = parameters
        first = next(iter(parameters.values()))
        self.alive = torch.ones(len(first), dtype=torch.bool, device=first.device)
        self.sizes = [p[0].numel() for p in parameters.values()]
        self.change = torch.zeros(
            len(first), sum(self.sizes), dtype=first.dtype, device=first.device
        )
        parts = zip(self.change.split(self.sizes, 1), parameters.values(), strict=True)
        self.changes = [
            part.view_as(p) for part, p in parts
        ]  # what each parameter is moved by, in the memory of `change`

    def join(self, gradients: dict[str, torch.Tensor]) -> torch.Tensor:
        """The gradients as one [K, P]. A fit whose squared norm is not finite is frozen from now
        on, and its row is 0.
        """
        flat = torch.cat([gradients[name].flatten(1) for name in self.parameters], 1)
        self.alive &= flat.square().sum(1).isfinite()
        return flat.masked_fill_(~self.alive.unsqueeze(1), 0.0)

    def move(self) -> None:
        """Parameters minus `change`, in place."""
        torch._foreach_sub_(list(self.parameters.values()), self.changes)


class Moments:
    """Adam's running moments of values [K, P], with bias correction (Kingma and Ba 2015)."""

    def __init__(self, like: torch.Tensor, beta1: float, beta2: float, eps: float) -> None:
        self.beta1, self.beta2, self.eps, self.steps = beta1, beta2, eps, 0
        self.m, self.v = torch.zeros_like(like), torch.zeros_like(like)

    def update(self, g: torch.Tensor) -> torch.Tensor:
        """The direction [K, P], to be scaled by the learning rate."""
        self.steps += 1
        self.m.lerp_(g, 1 - self.beta1)
        self.v.mul_(self.beta2).addcmul_(g, g, value=1 - self.beta2)
        scale = (self.v / (1 - self.beta2**self.steps)).sqrt_().add_(self.eps)
        return (self.m / (1 - self.beta1**self.steps)).div_(scale)

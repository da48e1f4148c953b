"""The penalty's gradient, fresh on some steps and held between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch

Penalty = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
# A held gradient errs by what the penalty's gradient has changed since, on every step that it is
# held for. `auto` holds it for as many steps, 1, 2, 4 or 8, as keep the sum of these errors below
# this share of the fidelity's gradient.
TOLERANCE = 0.4
LONGEST = 8


class HeldPenalty:
    """lambda x d penalty / d image of K fits: `gradient` [K, N, C], refreshed where it is due.

    every: a number of steps, or `auto`: each fit's own number, from how much its penalty's gradient
    changed at its last refresh. Fits are refreshed at multiples of their numbers, so that those of
    one number stand in one batch of the network.
    """

    def __init__(
        self,
        penalty: Penalty,
        lam: torch.Tensor,
        shape: tuple[int, int, int],
        every: int | Literal["auto"],
    ) -> None:
        self.penalty, self.lam, self.shape, self.adaptive = penalty, lam, shape, every == "auto"
        self.every = torch.full((len(lam),), 1 if every == "auto" else int(every))
        self.gradient = torch.zeros(
            len(lam), shape[0] * shape[1], shape[2], dtype=lam.dtype, device=lam.device
        )
        self.evaluations = np.zeros(len(lam), int)

    def due(self, step: int) -> torch.Tensor:
        """Numbers of the fits whose gradient is to be computed afresh at this step (from 0)."""
        return torch.nonzero((self.lam > 0).cpu() & (step % self.every == 0))[:, 0]

    def refresh(self, image: torch.Tensor, due: torch.Tensor, fidelity: torch.Tensor) -> None:
        """Compute the gradient of some fits at their images [K, N, C]; `fidelity`: the fidelity's
        own gradient there.
        """
        _, slope = self.penalty(image[due].float().unflatten(1, self.shape[:2]), due)
        fresh = self.lam[due].view(-1, 1, 1) * slope.flatten(1, 2).to(self.lam.dtype)
        if self.adaptive:
            moved = (fresh - self.gradient[due]).flatten(1).norm(dim=1)
            whole = fidelity[due].flatten(1).norm(dim=1)
            self.every[due] = longest_hold(moved / whole)
        self.gradient[due] = fresh
        self.evaluations[due.numpy()] += 1

    def value(self, image: torch.Tensor) -> torch.Tensor:
        """The penalty [K] at images [K, N, C]; 0 for fits without one."""
        out = torch.zeros_like(self.lam)
        those = torch.nonzero(self.lam > 0)[:, 0]
        if len(those):
            value, _ = self.penalty(image[those].float().unflatten(1, self.shape[:2]), those)
            out[those] = value.to(out.dtype)
        return out


def longest_hold(change: torch.Tensor, tolerance: float = TOLERANCE) -> torch.Tensor:
    """The largest of 1, 2, 4, 8 whose product with `change` [k] stays below `tolerance`; 1 where
    that is not finite.
    """
    ratio = torch.nan_to_num(tolerance / change.clamp_min(1e-12), nan=1.0).clamp(1.0, LONGEST)
    return torch.exp2(ratio.log2().floor()).long().cpu()

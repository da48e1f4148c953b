"""SOAP over stacked parameters: Adam in the eigenbasis of Shampoo's factors, all fits and all layers of a shape in one call."""

from __future__ import annotations

import torch

from benchmark.fit.optimizers._stacked import Moments, finite, member
from benchmark.plugins import register

RIDGE = 1e-4  # see _regular


@register.optimizer("soap")
class Soap:
    """SOAP (Vyas et al. 2024, arXiv 2409.11321): Adam in the eigenbasis of Shampoo's factors, kept by one QR step at a time.

    A layer's bias is a further column of its weight matrix. Matrices of one shape, of all layers and all K fits, form one
    batch. Parameters that are not matrices, or wider than `max_dim`, are left to Adam with the same betas.
    """

    def __init__(self, parameters: dict[str, torch.Tensor], *, beta1: float = 0.9, beta2: float = 0.95, beta_factor: float = 0.95,
                 every: int = 1, eps: float = 1e-8, max_dim: int = 512) -> None:
        self.parameters = parameters
        first = next(iter(parameters.values()))
        self.alive = torch.ones(len(first), dtype=torch.bool, device=first.device)
        shapes: dict[tuple[int, int], list[tuple[str, str | None]]] = {}
        taken: set[str] = set()
        for name, p in parameters.items():
            if p.dim() == 3 and max(p.shape[1:]) < max_dim:
                bias = name.removesuffix("weight") + "bias"
                pair = (name, bias if name.endswith("weight") and bias in parameters else None)
                taken.update(part for part in pair if part)
                shapes.setdefault((p.shape[1], p.shape[2] + (pair[1] is not None)), []).append(pair)
        self.groups = [_Group(parameters, pairs, beta1, beta2, beta_factor, every, eps) for pairs in shapes.values()]
        self.rest = Moments({name: p for name, p in parameters.items() if name not in taken}, beta1, beta2, eps)

    @torch.no_grad()
    def step(self, gradients: dict[str, torch.Tensor], lr: torch.Tensor) -> None:
        """Update the parameters in place; a fit whose gradient is not finite is frozen before any factorisation."""
        self.alive &= finite(gradients)
        safe = {name: torch.where(member(self.alive, g), g, 0.0) for name, g in gradients.items()}
        rate = lr * self.alive
        for group in self.groups:
            group.step(safe, rate)
        for name, update in self.rest.updates(safe).items():
            self.parameters[name] -= member(rate, update) * update


class _Group:
    """All matrices of one shape [m, n]: of L layers and K fits, as one batch [L * K, m, n]."""

    def __init__(self, parameters: dict[str, torch.Tensor], pairs: list[tuple[str, str | None]], beta1: float, beta2: float,
                 beta_factor: float, every: int, eps: float) -> None:
        self.parameters, self.pairs = parameters, pairs
        self.beta1, self.beta2, self.beta_factor, self.every, self.eps = beta1, beta2, beta_factor, every, eps
        self.steps = 0
        like = self._gather({name: torch.zeros_like(p) for name, p in parameters.items()})
        self.m, self.v = like, torch.zeros_like(like)
        self.left = torch.zeros(len(like), like.shape[1], like.shape[1], dtype=like.dtype, device=like.device)
        self.right = torch.zeros(len(like), like.shape[2], like.shape[2], dtype=like.dtype, device=like.device)

    def _gather(self, values: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.cat([values[w] if b is None else torch.cat([values[w], values[b].unsqueeze(-1)], -1) for w, b in self.pairs])

    def step(self, gradients: dict[str, torch.Tensor], lr: torch.Tensor) -> None:
        g = self._gather(gradients)
        self.left.lerp_(g @ g.mT, 1 - self.beta_factor)
        self.right.lerp_(g.mT @ g, 1 - self.beta_factor)
        self.steps += 1
        if self.steps == 1:  # the first step only finds the basis, as in the authors' code
            self.q_left, self.q_right = _eigenbasis(self.left), _eigenbasis(self.right)
            return
        self.m.lerp_(g, 1 - self.beta1)
        rotated = self.q_left.mT @ g @ self.q_right
        self.v.mul_(self.beta2).addcmul_(rotated, rotated, value=1 - self.beta2)
        t = self.steps - 1
        m = (self.q_left.mT @ self.m @ self.q_right) / (1 - self.beta1**t)
        update = m / ((self.v / (1 - self.beta2**t)).sqrt_() + self.eps)
        self._apply(self.q_left @ update @ self.q_right.mT, lr)
        if self.steps % self.every == 0:
            self.q_left, order = _refresh(self.left, self.q_left)
            self.v = self.v.gather(1, order.unsqueeze(2).expand_as(self.v))
            self.q_right, order = _refresh(self.right, self.q_right)
            self.v = self.v.gather(2, order.unsqueeze(1).expand_as(self.v))

    def _apply(self, update: torch.Tensor, lr: torch.Tensor) -> None:
        for (weight, bias), part in zip(self.pairs, update.chunk(len(self.pairs)), strict=True):
            w = self.parameters[weight]
            step = member(lr, part) * part
            w -= step[..., : w.shape[-1]]
            if bias is not None:
                self.parameters[bias] -= step[..., -1]


def _regular(factor: torch.Tensor) -> torch.Tensor:
    """The factor at trace 1, plus a small diagonal of distinct values.

    Early factors have a low rank. Without the diagonal, the basis of their null space is rounding noise, in which Adam is
    not invariant: K fits at once and one by one then differ from the first steps on.
    """
    n = factor.shape[1]
    scale = factor.diagonal(dim1=1, dim2=2).sum(1).clamp_min(1e-30).view(-1, 1, 1)
    ramp = torch.linspace(RIDGE, 0.1 * RIDGE, n, dtype=factor.dtype, device=factor.device)
    return factor / scale + torch.diag(ramp)


def _eigenbasis(factor: torch.Tensor) -> torch.Tensor:
    """Eigenvectors [B, n, n] of a batch of symmetric matrices, largest eigenvalue first."""
    return torch.linalg.eigh(_regular(factor))[1].flip(2)


def _refresh(factor: torch.Tensor, q: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """One step of orthogonal iteration, columns sorted by their estimated eigenvalue; the order is returned too."""
    image = _regular(factor) @ q
    order = (q * image).sum(1).argsort(dim=1, descending=True)
    image = image.gather(2, order.unsqueeze(1).expand_as(image))
    return torch.linalg.qr(image)[0], order

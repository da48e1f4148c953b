"""SOAP over stacked parameters: Adam in the eigenbasis of Shampoo's factors, all fits and all
layers of a shape in one call.
"""

from __future__ import annotations

import numpy as np
import torch

from benchmark.fit.optimizers._stacked import Moments, Stacked
from benchmark.plugins import register

RIDGE = 1e-4  # see _ramp
# the widest matrix for the compiled step: above it OpenBLAS starts threads, and a step took 3.8 s
# on busy cores
FUSED_DIM = 72


@register.optimizer("soap")
class Soap(Stacked):
    """SOAP (Vyas et al. 2024, arXiv 2409.11321): Adam in the eigenbasis of Shampoo's factors, kept
    by one QR step at a time.

    A layer's bias is a further column of its weight matrix. Matrices of one shape, of all layers
    and all K fits, form one batch. Parameters that are not matrices, or wider than `max_dim`, are
    left to Adam with the same betas.
    """

    fused = False  # set to True, small matrices on a CPU are stepped by compiled code

    def __init__(
        self,
        parameters: dict[str, torch.Tensor],
        *,
        beta1: float = 0.9,
        beta2: float = 0.95,
        beta_factor: float = 0.95,
        every: int = 1,
        eps: float = 1e-8,
        max_dim: int = 512,
    ) -> None:
        shapes: dict[tuple[int, int], list[tuple[str, str | None]]] = {}
        taken: set[str] = set()
        for name, p in parameters.items():
            if p.dim() == 3 and max(p.shape[1:]) < max_dim:
                bias = name.removesuffix("weight") + "bias"
                pair = (name, bias if name.endswith("weight") and bias in parameters else None)
                taken.update(part for part in pair if part)
                shapes.setdefault((p.shape[1], p.shape[2] + (pair[1] is not None)), []).append(pair)
        super().__init__(
            {
                name: parameters[name]
                for name in sorted(parameters, key=lambda name: name not in taken)
            }
        )
        columns = torch.arange(sum(self.sizes), device=self.change.device).split(self.sizes)
        where = {
            name: at.view(p.shape[1:])
            for (name, p), at in zip(self.parameters.items(), columns, strict=True)
        }
        layers = [
            torch.stack(
                [
                    where[w] if b is None else torch.cat([where[w], where[b].unsqueeze(1)], 1)
                    for w, b in pairs
                ]
            )
            for pairs in shapes.values()
        ]
        self.groups = [
            _Group(at, self.change, beta1, beta2, beta_factor, every, eps) for at in layers
        ]
        self.matrices = sum(
            at.numel() for at in layers
        )  # columns before this one belong to matrices, the rest to Adam
        self.rest = Moments(self.change[:, self.matrices :], beta1, beta2, eps)

    @torch.no_grad()
    def step(self, gradients: dict[str, torch.Tensor], lr: torch.Tensor) -> None:
        """Update the parameters in place; a fit whose gradient is not finite is frozen before any
        factorisation.
        """
        g = self.join(gradients)
        rate = lr * self.alive
        fused = self.fused and g.device.type == "cpu" and g.dtype in (torch.float32, torch.float64)
        for group in self.groups:
            group.steps += 1
            if group.steps == 1:
                group.start(g)
            elif fused and max(group.where.shape[1:]) <= FUSED_DIM:
                group.fused_step(g, rate, self.change)
            else:
                group.step(g, rate, self.change)
        if self.matrices < g.shape[1]:
            torch.mul(
                self.rest.update(g[:, self.matrices :]),
                rate.unsqueeze(1),
                out=self.change[:, self.matrices :],
            )
        self.move()


class _Group:
    """All matrices of one shape [m, n]: of K fits and L layers, as one batch [K * L, m, n], found
    `where` [L, m, n] in [K, P].
    """

    def __init__(
        self,
        where: torch.Tensor,
        like: torch.Tensor,
        beta1: float,
        beta2: float,
        beta_factor: float,
        every: int,
        eps: float,
    ) -> None:
        self.where, self.steps = where, 0
        self.arrays: list[
            np.ndarray
        ] = []  # the state as fused_step sees it, until `step` replaces tensors
        self.beta1, self.beta2, self.beta_factor, self.every, self.eps = (
            beta1,
            beta2,
            beta_factor,
            every,
            eps,
        )
        batch, (_, m, n) = len(like) * len(where), where.shape
        self.m, self.v, self.left, self.right = (
            like.new_zeros(batch, *shape) for shape in ((m, n), (m, n), (m, m), (n, n))
        )

    def _factors(self, g: torch.Tensor) -> torch.Tensor:
        """The factors of gradients [K, P]; returns them as matrices [K * L, m, n]."""
        g = g.index_select(1, self.where.flatten()).view(self.m.shape)
        self.left.lerp_(g @ g.mT, 1 - self.beta_factor)
        self.right.lerp_(g.mT @ g, 1 - self.beta_factor)
        return g

    def start(self, g: torch.Tensor) -> None:
        """The first step, which only finds the basis, as in the authors' code."""
        self._factors(g)
        self.q_left, self.q_right = _eigenbasis(self.left), _eigenbasis(self.right)

    def step(self, g: torch.Tensor, lr: torch.Tensor, out: torch.Tensor) -> None:
        """A further step: lr [K] times the update is written to its places in out [K, P]."""
        self.arrays = []
        g = self._factors(g)
        self.m.lerp_(g, 1 - self.beta1)
        rotated = self.q_left.mT @ g @ self.q_right
        self.v.mul_(self.beta2).addcmul_(rotated, rotated, value=1 - self.beta2)
        t = self.steps - 1
        m = (self.q_left.mT @ self.m @ self.q_right) / (1 - self.beta1**t)
        update = m / ((self.v / (1 - self.beta2**t)).sqrt_() + self.eps)
        change = (self.q_left @ update @ self.q_right.mT).view(len(out), -1)
        out.index_copy_(1, self.where.flatten(), lr.unsqueeze(1) * change)
        if self.steps % self.every == 0:
            self.q_left, order = _refresh(self.left, self.q_left)
            self.v = self.v.gather(1, order.unsqueeze(2).expand_as(self.v))
            self.q_right, order = _refresh(self.right, self.q_right)
            self.v = self.v.gather(2, order.unsqueeze(1).expand_as(self.v))

    def fused_step(self, g: torch.Tensor, lr: torch.Tensor, out: torch.Tensor) -> None:
        """As `step`, in one compiled call."""
        from benchmark.fit.optimizers._soap_step import step  # numba is loaded where it is used

        if not self.arrays:
            self.q_left, self.q_right, self.v = (
                self.q_left.contiguous(),
                self.q_right.contiguous(),
                self.v.contiguous(),
            )
            state = (
                self.where,
                self.left,
                self.right,
                self.q_left,
                self.q_right,
                self.m,
                self.v,
                *(_ramp(side.shape[1], side) for side in (self.left, self.right)),
            )
            self.arrays = [tensor.numpy() for tensor in state]  # the same memory
        t = self.steps - 1
        constants = (
            1 - self.beta_factor,
            1 - self.beta1,
            1 - self.beta2,
            1 - self.beta1**t,
            1 - self.beta2**t,
            self.eps,
        )
        step(
            g.numpy(),
            lr.numpy(),
            out.numpy(),
            *self.arrays,
            np.array(constants, self.arrays[1].dtype),
            self.steps % self.every == 0,
        )


def _ramp(n: int, like: torch.Tensor) -> torch.Tensor:
    """A small diagonal [n] of distinct values.

    Early factors have a low rank. Without the diagonal, the basis of their null space is rounding
    noise, in which Adam is not invariant: K fits at once and one by one then differ from the first
    steps on.
    """
    return torch.linspace(RIDGE, 0.1 * RIDGE, n, dtype=like.dtype, device=like.device)


def _regular(factor: torch.Tensor) -> torch.Tensor:
    """The factor at trace 1, plus _ramp on its diagonal."""
    scale = factor.diagonal(dim1=1, dim2=2).sum(1).clamp_min(1e-30).view(-1, 1, 1)
    return factor / scale + torch.diag(_ramp(factor.shape[1], factor))


def _eigenbasis(factor: torch.Tensor) -> torch.Tensor:
    """Eigenvectors [B, n, n] of a batch of symmetric matrices, largest eigenvalue first."""
    return torch.linalg.eigh(_regular(factor))[1].flip(2)


def _refresh(factor: torch.Tensor, q: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """One step of orthogonal iteration, columns sorted by their estimated eigenvalue; the order is
    returned too.
    """
    image = _regular(factor) @ q
    order = (q * image).sum(1).argsort(dim=1, descending=True)
    image = image.gather(2, order.unsqueeze(1).expand_as(image))
    return torch.linalg.qr(image)[0], order

"""The contract of an optimizer, which moves K fits at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch


class Optimizer(Protocol):
    """Over stacked parameters: each tensor is [K, ...] and each of the K fits stands on its own.

    Constructed as `(parameters: dict[str, Tensor [K, ...]], *, hyper-parameters)`. No global norm,
    nothing shared. A member whose gradient or parameters are not finite is frozen before any
    factorisation, and `alive [K]` says so.

    The engine sets an attribute `fused`, at any time: whether the step may use compiled code. An
    optimizer without such code ignores it; one with it must take the same steps either way, but for
    rounding.
    """

    alive: torch.Tensor

    def step(self, gradients: dict[str, torch.Tensor], lr: torch.Tensor) -> None:
        """Update the parameters in place.

        gradients: by name, each [K, ...] like its parameter; they stay as they are. lr: [K], the
        rate of each fit at this step; the schedule is the engine's. Nothing is raised for a fit
        that went wrong: it is frozen.
        """
        ...

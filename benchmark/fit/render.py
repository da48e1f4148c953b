"""K coordinate networks at once: parameters stacked along a leading axis, `render` and its vector-Jacobian product."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from benchmark.errors import InputError
from benchmark.plan import NULL_SCALE, Choice
from benchmark.plugins import index


def build(inr: Choice, out_dim: int, seed: int, in_dim: int = 2) -> nn.Module:
    """The backbone as its plug-in makes it from `seed`; the caller's random state is left as it was.

    Raises InputError where the plug-in cannot run here, or not with these arguments.
    """
    entry = index.get("inr", inr.name)
    args: dict[str, Any] = dict(inr.args)
    if "seed" in entry.defaults:
        args["seed"] = seed
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            return entry.load()(in_dim, out_dim, **args)
        except InputError:
            raise
        except Exception as error:  # a plug-in may raise anything
            words = ", ".join(f"{name}={value}" for name, value in args.items())
            raise InputError(f"the backbone {inr.name} with {words}", f"it cannot be made: {type(error).__name__}: {error}",
                             f"other values, or python -m benchmark check inr {inr.name}") from error


class Renderer:
    """K fits of one backbone: `parameters` (dict of [K, ...]), `render() -> [K, N, C]`, `vjp(g [K, N, C]) -> dict of [K, ...]`.

    coords [N, 2]. `nulls [K]`: which members start from weights scaled by 1 + 1e-7. Plug-ins that torch.func.vmap
    cannot stack are evaluated one after another.
    """

    def __init__(self, inr: Choice, coords: torch.Tensor, out_dim: int, seeds: Sequence[int], nulls: Sequence[bool]) -> None:
        modules = [build(inr, out_dim, seed).to(coords.device) for seed in seeds]
        if coords.dtype == torch.float64:
            modules = [module.double() for module in modules]
        self.coords, self.template = coords, modules[0]
        stacked, self.buffers = stack_module_state(modules)
        scale = torch.tensor([NULL_SCALE if null else 1.0 for null in nulls], dtype=coords.dtype, device=coords.device)
        self.parameters = {name: (p.detach() * scale.view(-1, *[1] * (p.dim() - 1))).requires_grad_() for name, p in stacked.items()}
        self._render: Callable[..., torch.Tensor] = (
            vmap(self._call) if index.get("inr", inr.name).declared["stackable"] else self._one_by_one)
        self._image: torch.Tensor | None = None

    def _call(self, parameters: dict[str, torch.Tensor], buffers: dict[str, torch.Tensor]) -> torch.Tensor:
        return functional_call(self.template, (parameters, buffers), (self.coords,))

    def _one_by_one(self, parameters: dict[str, torch.Tensor], buffers: dict[str, torch.Tensor]) -> torch.Tensor:
        count = len(next(iter(parameters.values())))
        return torch.stack([self._call({n: p[k] for n, p in parameters.items()}, {n: b[k] for n, b in buffers.items()})
                            for k in range(count)])

    def render(self) -> torch.Tensor:
        """Images [K, N, C] of the current parameters; the graph is kept for one `vjp`."""
        self._image = self._render(self.parameters, self.buffers)
        return self._image.detach().float() if self._image.dtype != torch.float64 else self._image.detach()

    def vjp(self, gradient: torch.Tensor) -> dict[str, torch.Tensor]:
        """Gradients of sum(image * gradient) with respect to the parameters of the last `render`."""
        assert self._image is not None, "render() comes before vjp()"
        gradients = torch.autograd.grad(self._image, list(self.parameters.values()), gradient.to(self._image.dtype))
        self._image = None
        return dict(zip(self.parameters, gradients, strict=True))

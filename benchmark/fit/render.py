"""K coordinate networks at once: parameters stacked along a leading axis, `render`, its
vector-Jacobian product, and `step`.

Two classes of one interface: `Renderer` for any backbone in PyTorch, and benchmark/fit/fused.py's
for those that describe themselves to the compiled kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap

from benchmark.errors import InputError, call, field
from benchmark.plugins import index
from benchmark.plugins.choice import Choice
from benchmark.types import NULL_SCALE


def build(inr: Choice, out_dim: int, seed: int, in_dim: int = 2) -> nn.Module:
    """The backbone as its plug-in makes it from `seed`; the caller's random state is left as it
    was.

    Raises InputError where the plug-in cannot run here, or not with these arguments.
    """
    entry = index.get("inr", inr.name)
    args: dict[str, Any] = dict(inr.args)
    if "seed" in entry.defaults:
        args["seed"] = seed
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        try:
            module: nn.Module = entry.load()(in_dim, out_dim, **args)
        except InputError:
            raise
        except Exception as error:  # a plug-in may raise anything
            words = ", ".join(f"{name}={value}" for name, value in args.items())
            raise InputError(
                f"the backbone {inr.name} with {words}",
                f"it cannot be made: {type(error).__name__}: {error}",
                f"other values, or {call('check', 'inr', inr.name)}",
            ) from error
    return module


def start_from(module: nn.Module, init: Mapping[str, np.ndarray]) -> None:
    """Give a backbone a learned initial state; raises InputError where its parameters have other
    names or shapes.
    """
    own = dict(module.named_parameters())
    here = {name: tuple(parameter.shape) for name, parameter in own.items()}
    learned = {name: array.shape for name, array in init.items()}
    if here != learned:
        raise InputError(
            f"a learned initial state for {type(module).__name__}",
            "its parameters have other names or shapes",
            f"{call('learn')}, with the {field('sets')} of this run",
        )
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(torch.tensor(init[name]))


class Rendering(Protocol):
    """K fits of one backbone at N points with C channels. `parameters`: name -> [K, ...], to be
    changed in place between steps.
    """

    parameters: dict[str, torch.Tensor]

    def render(self) -> torch.Tensor:
        """Images [K, N, C] of the current parameters."""

    def vjp(self, gradient: torch.Tensor) -> dict[str, torch.Tensor]:
        """Gradients of sum(image * gradient) with respect to the parameters of the last `render`;
        gradient [K, N, C].
        """

    def step(
        self, target: torch.Tensor, factor: float, extra: torch.Tensor | None
    ) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Gradients of factor / 2 * |image - target|^2 + sum(image * extra), and the squared errors
        [K]; `render` may come before.
        """


def stack(
    modules: Sequence[nn.Module], nulls: Sequence[bool]
) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Parameters and buffers [K, ...] of K modules; those of null twins are scaled by 1 + 1e-7."""
    stacked, buffers = stack_module_state(list(modules))
    first = next(iter(stacked.values()))
    scale = torch.tensor(
        [NULL_SCALE if null else 1.0 for null in nulls], dtype=first.dtype, device=first.device
    )
    parameters = {}
    for name, parameter in stacked.items():
        ones = [1] * (parameter.dim() - 1)
        parameters[name] = parameter.detach() * scale.view(-1, *ones)
    return parameters, buffers


class Renderer:
    """Any backbone, in PyTorch. coords [N, 2 or 3]; plug-ins that torch.func.vmap cannot stack are
    evaluated one after another.
    """

    def __init__(
        self,
        modules: Sequence[nn.Module],
        nulls: Sequence[bool],
        coords: torch.Tensor,
        *,
        stackable: bool = True,
    ) -> None:
        self.coords, self.template = coords, modules[0]
        parameters, self.buffers = stack(modules, nulls)
        self.parameters = {name: p.requires_grad_() for name, p in parameters.items()}
        self._render: Callable[..., torch.Tensor] = self._one_by_one
        if stackable:
            self._render = vmap(self._call)
        self._image: torch.Tensor | None = None

    def _call(
        self, parameters: dict[str, torch.Tensor], buffers: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        image: torch.Tensor = functional_call(self.template, (parameters, buffers), (self.coords,))
        return image

    def _one_by_one(
        self, parameters: dict[str, torch.Tensor], buffers: dict[str, torch.Tensor]
    ) -> torch.Tensor:
        count = len(next(iter(parameters.values())))
        images = []
        for k in range(count):
            own_parameters = {name: p[k] for name, p in parameters.items()}
            own_buffers = {name: b[k] for name, b in buffers.items()}
            images.append(self._call(own_parameters, own_buffers))
        return torch.stack(images)

    def render(self) -> torch.Tensor:
        """Images [K, N, C] of the current parameters; the graph is kept for one `vjp` or `step`."""
        self._image = self._render(self.parameters, self.buffers)
        return _at_least_single(self._image.detach())

    def vjp(self, gradient: torch.Tensor) -> dict[str, torch.Tensor]:
        """Gradients of sum(image * gradient) with respect to the parameters of the last
        `render`.
        """
        assert self._image is not None, "render() comes before vjp()"
        gradients = torch.autograd.grad(
            self._image, list(self.parameters.values()), gradient.to(self._image.dtype)
        )
        self._image = None
        return dict(zip(self.parameters, gradients, strict=True))

    def step(
        self, target: torch.Tensor, factor: float, extra: torch.Tensor | None
    ) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
        """Gradients of factor / 2 * |image - target|^2 + sum(image * extra), and the squared errors
        [K].
        """
        if self._image is None:
            self.render()
        assert self._image is not None
        image = self._image.detach()
        # Else [N, 2] against [N, 1] would be fitted by broadcasting.
        if image.shape != target.shape:
            raise ValueError(
                f"the backbone gives {tuple(image.shape[1:])} values where"
                f" {tuple(target.shape[1:])} are due"
            )
        error = _at_least_single(image) - target
        gradient = factor * error
        return self.vjp(gradient if extra is None else gradient + extra), error.square().sum((1, 2))


def _at_least_single(image: torch.Tensor) -> torch.Tensor:
    """An image in float64 as it is, in any other type as float32."""
    return image if image.dtype == torch.float64 else image.float()

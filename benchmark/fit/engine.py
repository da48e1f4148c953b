"""The step loop: K fits at once, the image as the interface between backbone and penalty.

    image  = render(params)                                   backbone, K images at once
    g      = d fidelity / d image + lambda * d penalty / d image
    params <- optimizer(params, vjp(render, g))

Backbone and segmenter never form one graph. A step whose penalty gradient is absent or held is one
pass through the backbone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmark.clock import Clock
from benchmark.errors import InputError, field
from benchmark.fit.fused import FusedRenderer, describe
from benchmark.fit.graphs import GraphedRenderer
from benchmark.fit.held import HeldPenalty, Penalty
from benchmark.fit.render import Renderer, Rendering, build, start_from
from benchmark.images.grid import grid
from benchmark.plugins import index
from benchmark.plugins.choice import Choice
from benchmark.types import LOST_DB, Recipe, Sample

OnStep = Callable[[int, float], None]  # step, mean PSNR of the batch (unclipped, float weights)


@dataclass(frozen=True)
class Member:
    """One fit of a batch: its sample, the seed of its weights, lambda, whether it is a null twin,
    and a factor of its rate.
    """

    sample: Sample
    seed: int = 0
    lam: float = 0.0
    null: bool = False
    rate: float = 1.0


@dataclass
class Fitted:
    """What a batch of K fits ended with: states (a dict of arrays for each fit), fidelity [K],
    penalty [K], seconds.

    best [K]: the lowest fidelity on the way. spent: seconds by part (inr, network, optimizer).
    evaluations [K]: of the network.
    """

    states: list[dict[str, np.ndarray]]
    fidelity: np.ndarray
    penalty: np.ndarray
    finite: np.ndarray
    best: np.ndarray
    steps: np.ndarray
    evaluations: np.ndarray
    seconds: float
    kernel: str
    spent: dict[str, float]


def lost(fidelity: Any, best: Any) -> Any:
    """Whether a fit ended LOST_DB below the best that it had reached: numbers or arrays [K]."""
    return fidelity > 10 ** (LOST_DB / 10) * best


def learning_rate(recipe: Recipe, step: int) -> float:
    """The rate of a step (from 0): linear warm-up, then constant or cosine to 0."""
    if step < recipe.warmup:
        return recipe.lr * (step + 1) / recipe.warmup
    if recipe.schedule == "constant":
        return recipe.lr
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return recipe.lr * 0.5 * (1.0 + math.cos(math.pi * done))


def check_kernel(kernel: str, inr: str, device: str, dtype: torch.dtype = torch.float32) -> None:
    """Raise InputError where a kernel that was asked for by name cannot serve a backbone there."""
    entry = index.get("inr", inr)
    if kernel == "graphs" and (device != "cuda" or not entry.declared["stackable"]):
        found = f"{inr} cannot be stacked" if device == "cuda" else f"the device is {device}"
        raise InputError(
            field("kernel", "graphs"),
            f"CUDA graphs are for stacked backbones on an NVIDIA GPU, and {found}",
            field("kernel", "auto"),
        )
    if kernel == "fused" and (
        device != "cpu" or dtype != torch.float32 or not hasattr(entry.load(), "fused")
    ):
        raise InputError(
            field("kernel", "fused"),
            f"{inr} has no method fused(coords), or the device is no CPU",
            field("kernel", "auto"),
        )


def renderer_for(
    inr: Choice,
    members: Sequence[Member],
    coords: torch.Tensor,
    channels: int,
    kernel: str,
    init: Mapping[str, np.ndarray] | None = None,
) -> tuple[Rendering, str]:
    """The K backbones of some fits, and the kernel that serves them: `auto` is fused where the
    backbone describes itself.

    Raises InputError where another one is asked for and cannot be had.
    """
    check_kernel(kernel, inr.name, coords.device.type, coords.dtype)
    modules = []
    for member in members:
        module = build(inr, channels, member.seed, coords.shape[1])
        module = module.to(coords.device, coords.dtype)
        if init is not None:
            start_from(module, init)
        modules.append(module)
    nulls = [member.null for member in members]
    # On CUDA, `auto` is the plain Renderer until somebody has measured graphs there.
    if kernel == "graphs":
        return GraphedRenderer(modules, nulls, coords), "graphs"
    if kernel != "torch" and describe(modules[0], coords) is not None:
        return FusedRenderer(modules, nulls, coords, channels), "fused"
    if kernel == "fused":
        raise InputError(
            field("kernel", "fused"),
            f"{inr.name}'s fused(coords) says that these arguments have no compiled form",
            field("kernel", "auto"),
        )
    stackable = index.get("inr", inr.name).declared["stackable"]
    return Renderer(modules, nulls, coords, stackable=stackable), "torch"


def fit(
    inr: Choice,
    members: Sequence[Member],
    recipe: Recipe,
    *,
    fidelity: str = "mean",
    penalty: Penalty | None = None,
    device: str = "cpu",
    dtype: torch.dtype = torch.float32,
    kernel: str = "auto",
    on_step: OnStep | None = None,
    init: Mapping[str, np.ndarray] | None = None,
) -> Fitted:
    """Fit K images at once, each on its own; all images share one shape [H, W, C] and depth.

    `penalty` maps images [k, H, W, C] and the numbers of their fits to (penalty [k], its gradient
    [k, H, W, C]) and is needed where a lambda is above 0. A fit that stops being finite is frozen
    and reported in `finite`; it changes no other. `init`: parameters by name that all fits start
    from instead of their own draw; null twins still scale them.
    """
    clock = Clock()
    lam = torch.tensor([m.lam for m in members], device=device, dtype=dtype)
    if penalty is None and bool((lam > 0).any()):
        raise ValueError("lambda > 0 needs a penalty")
    coords = _coordinates(inr, members[0].sample, recipe).to(device, dtype)
    images = torch.from_numpy(np.stack([m.sample.image for m in members])).to(device, dtype)
    renderer, kernel = renderer_for(inr, members, coords, images.shape[3], kernel, init)
    optimizer = index.get("optimizer", recipe.optimizer).load()(
        renderer.parameters, **dict(recipe.optimizer_args)
    )
    optimizer.fused = kernel == "fused"
    batch = _Batch(
        members=members,
        recipe=recipe,
        target=images.flatten(1, 2),
        rates=torch.tensor([m.rate for m in members], device=device, dtype=dtype),
        scale=1.0 / images[0].numel() if fidelity == "mean" else 1.0,
        renderer=renderer,
        optimizer=optimizer,
        held=_held(penalty, lam, images.shape, recipe),
        clock=clock,
    )
    clock.lap("start")
    best, steps = batch.run(on_step)
    return batch.end(best, steps, kernel)


def _coordinates(inr: Choice, sample: Sample, recipe: Recipe) -> torch.Tensor:
    """Where the pixels of a sample lie, [N, 2 or 3], in the range that the backbone declares."""
    height, width, _ = sample.image.shape
    low_high = index.get("inr", inr.name).declared["coordinates"]
    points = grid(height // sample.depth, width, low_high, recipe.grid, sample.depth)
    return torch.from_numpy(points)


def _held(
    penalty: Penalty | None, lam: torch.Tensor, shape: torch.Size, recipe: Recipe
) -> HeldPenalty | None:
    """The penalty's gradient of images of a shape [K, H, W, C]; None where there is no penalty."""
    if penalty is None:
        return None
    _, height, width, channels = shape
    return HeldPenalty(penalty, lam, (height, width, channels), recipe.penalty_every)


@dataclass(frozen=True, eq=False)
class _Batch:
    """K fits on their way. target [K, N, C]; rates [K]: factors of the learning rate; scale: of a
    squared error in the fidelity.
    """

    members: Sequence[Member]
    recipe: Recipe
    target: torch.Tensor
    rates: torch.Tensor
    scale: float
    renderer: Rendering
    optimizer: Any
    held: HeldPenalty | None
    clock: Clock

    def run(self, on_step: OnStep | None) -> tuple[torch.Tensor, np.ndarray]:
        """All steps; returns the lowest squared errors [K] on the way, and the steps [K] made."""
        recipe, target, clock, held = self.recipe, self.target, self.clock, self.held
        values = target[0].numel()
        best = torch.full_like(self.rates, math.inf)
        stop = Stop(recipe, len(self.members), values)
        for step in range(recipe.steps):
            if held is not None:
                self._refresh(held, step)
            extra = None if held is None else held.gradient
            gradients, squares = self.renderer.step(target, 2.0 * self.scale, extra)
            clock.lap("inr")
            best = torch.fmin(best, squares.to(best))
            running = stop.running(squares)
            if not running.any():
                break
            rate = learning_rate(recipe, step) * self.rates * running.to(self.rates)
            self.optimizer.step(gradients, rate)
            clock.lap("optimizer")
            if on_step is not None:
                psnr_db = math.nan
                if step % 10 == 9:
                    psnr_db = float(-10.0 * torch.log10(squares / values).nanmean())
                on_step(step, psnr_db)
        return best, stop.steps

    def _refresh(self, held: HeldPenalty, step: int) -> None:
        """Compute the penalty's gradient afresh for the fits that are due."""
        due = held.due(step)
        if not len(due):
            return
        image = self.renderer.render()
        self.clock.lap("inr")
        held.refresh(image, due, (2.0 * self.scale) * (image - self.target))
        self.clock.lap("network")

    def end(self, best: torch.Tensor, steps: np.ndarray, kernel: str) -> Fitted:
        """What the fits ended with."""
        count = len(self.members)
        image = self.renderer.render()
        penalty = torch.zeros_like(self.rates) if self.held is None else self.held.value(image)
        squares = (image - self.target).square().flatten(1)
        states: list[dict[str, np.ndarray]] = [{} for _ in range(count)]
        for name, parameter in self.renderer.parameters.items():
            for k, state in enumerate(states):
                state[name] = parameter[k].detach().cpu().numpy().copy()
        alive = self.optimizer.alive.cpu().numpy()
        return Fitted(
            states=states,
            fidelity=(self.scale * squares.sum(1)).cpu().numpy(),
            penalty=penalty.cpu().numpy(),
            finite=alive & torch.isfinite(squares).all(1).cpu().numpy(),
            best=(self.scale * best).cpu().numpy(),
            steps=steps,
            evaluations=np.zeros(count, int) if self.held is None else self.held.evaluations,
            seconds=self.clock.total(),
            kernel=kernel,
            spent=self.clock.spent,
        )


class Stop:
    """Which fits go on: until each reaches `stop_at_db`, or has gained less than 0.01 dB in its
    last `patience` steps.
    """

    def __init__(self, recipe: Recipe, k: int, values: int) -> None:
        self.target, self.patience, self.values = recipe.stop_at_db, recipe.patience, values
        self.steps = np.zeros(k, int)
        self.on = torch.ones(k, dtype=torch.bool)
        self.record = torch.full((k,), -math.inf, dtype=torch.float64)
        self.since = torch.zeros(k, dtype=torch.long)

    def running(self, squares: torch.Tensor) -> torch.Tensor:
        """[K], given the squared errors [K] of the weights before this step; a fit that has stopped
        stays as it is.
        """
        if self.target is not None or self.patience is not None:
            psnr = -10.0 * torch.log10(squares.double().cpu() / self.values)
            gained = psnr > self.record + 0.01
            self.record = torch.where(gained, psnr, self.record)
            self.since = torch.where(gained, 0, self.since + 1)
            if self.target is not None:
                self.on &= ~(psnr >= self.target)
            if self.patience is not None:
                self.on &= self.since < self.patience
        self.steps += self.on.numpy()
        return self.on

"""The step loop: K fits at once, the image as the interface between backbone and penalty.

    image  = render(params)                                   backbone, K images at once
    g      = d fidelity / d image + lambda * d penalty / d image
    params <- optimizer(params, vjp(render, g))

Backbone and segmenter never form one graph.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from benchmark.fit.render import Renderer
from benchmark.images.grid import grid
from benchmark.plan import Choice
from benchmark.plugins import index
from benchmark.recipes import Recipe
from benchmark.types import Sample

Penalty = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
OnStep = Callable[[int, float], None]  # step, mean PSNR of the batch (unclipped, float weights)


@dataclass(frozen=True)
class Member:
    """One fit of a batch: its sample, the seed of its weights, lambda, and whether it is a null twin."""

    sample: Sample
    seed: int = 0
    lam: float = 0.0
    null: bool = False


@dataclass
class Fitted:
    """What a batch of K fits ended with: states (a dict of arrays for each fit), fidelity [K], penalty [K], seconds."""

    states: list[dict[str, np.ndarray]]
    fidelity: np.ndarray
    penalty: np.ndarray
    finite: np.ndarray
    seconds: float


def learning_rate(recipe: Recipe, step: int) -> float:
    """The rate of a step (from 0): linear warm-up, then constant or cosine to 0."""
    if step < recipe.warmup:
        return recipe.lr * (step + 1) / recipe.warmup
    if recipe.schedule == "constant":
        return recipe.lr
    done = (step - recipe.warmup) / max(1, recipe.steps - recipe.warmup)
    return recipe.lr * 0.5 * (1.0 + math.cos(math.pi * done))


def fit(inr: Choice, members: Sequence[Member], recipe: Recipe, *, fidelity: str = "mean", penalty: Penalty | None = None,
        device: str = "cpu", dtype: torch.dtype = torch.float32, on_step: OnStep | None = None) -> Fitted:
    """Fit K images at once, each on its own; all images share one shape [H, W, C].

    `penalty` maps images [K, H, W, C] to (penalty [K], its gradient [K, H, W, C]) and is needed where a lambda is above 0.
    A fit that stops being finite is frozen and reported in `finite`; it changes no other.
    """
    start = time.perf_counter()
    shape = members[0].sample.image.shape
    height, width, channels = shape
    low_high = index.get("inr", inr.name).declared["coordinates"]
    coords = torch.from_numpy(grid(height, width, low_high, recipe.grid)).to(device, dtype)
    target = torch.from_numpy(np.stack([m.sample.image for m in members])).to(device, dtype).flatten(1, 2)
    lam = torch.tensor([m.lam for m in members], device=device, dtype=dtype)
    if penalty is None and bool((lam > 0).any()):
        raise ValueError("lambda > 0 needs a penalty")
    renderer = Renderer(inr, coords, channels, [m.seed for m in members], [m.null for m in members])
    optimizer = index.get("optimizer", recipe.optimizer).load()(renderer.parameters, **dict(recipe.optimizer_args))
    scale = 1.0 / target[0].numel() if fidelity == "mean" else 1.0
    held = torch.zeros_like(target)
    for step in range(recipe.steps):
        image = renderer.render()
        if image.shape != target.shape:  # else [N, 2] against [N, 1] would be fitted by broadcasting
            raise ValueError(f"the backbone gives {tuple(image.shape[1:])} values where {tuple(target.shape[1:])} are due")
        error = image - target
        gradient = (2.0 * scale) * error
        if penalty is not None:
            if step % recipe.penalty_every == 0:
                _, slope = penalty(image.float().unflatten(1, (height, width)))
                held = lam.view(-1, 1, 1) * slope.flatten(1, 2).to(dtype)
            gradient = gradient + held
        optimizer.step(renderer.vjp(gradient), torch.full_like(lam, learning_rate(recipe, step)))
        if on_step is not None:
            on_step(step, float(-10.0 * torch.log10(error.square().mean((1, 2))).nanmean()) if step % 10 == 9 else math.nan)
    image = renderer.render()
    losses = torch.zeros_like(lam) if penalty is None else penalty(image.float().unflatten(1, (height, width)))[0].to(dtype)
    squares = (image - target).square().flatten(1)
    states = [{name: p[k].detach().cpu().numpy() for name, p in renderer.parameters.items()} for k in range(len(members))]
    finite = optimizer.alive.cpu().numpy() & torch.isfinite(squares).all(1).cpu().numpy()
    return Fitted(states, (squares.mean(1) if fidelity == "mean" else squares.sum(1)).cpu().numpy(), losses.cpu().numpy(),
                  finite, time.perf_counter() - start)

"""Reptile: an initial state from which a few steps fit images of a kind (Nichol, Achiam, Schulman
2018, arXiv 1803.02999).

Each round fits a batch of training images from the current state for a few steps, and moves the
state towards the mean of where the fits ended. Their `phi <- phi + epsilon mean(phi_i - phi)`, with
epsilon falling linearly to 0.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark.errors import InputError, call
from benchmark.fit.engine import Fitted, Member, fit, lost
from benchmark.fit.kernels import worth_compiling
from benchmark.fit.memory import images_at_once
from benchmark.fit.render import build
from benchmark.networks.weights import save_atomically
from benchmark.plan.recipes import preset, recipe_for
from benchmark.plugins import index
from benchmark.plugins.choice import Choice
from benchmark.search.tune import training_images
from benchmark.types import Recipe, Sample

SEED = 0  # of the backbone's own draw, where learning starts
# epsilon of the first round, as in the paper's experiments on images; 0.5 learned 1 dB less in as
# many rounds
STEP_SIZE = 1.0
# Of the backbone's own rate: a gentler one leaves fits near where they started, so that their mean
# means something. SIREN 4x16, 16 LGG images: 30 rounds of 50 steps at 7.5e-3 taught nothing, 48 of
# 20 at 3.75e-3 gained 2.4 dB on others after 50 steps at 7.5e-3.
RATE = 0.5


def recipe_of(inr: Choice, steps: int) -> Recipe:
    """The backbone's own optimizer at RATE times its rate, and the schedule of `standard` cut to so
    many steps.
    """
    recipe = recipe_for(index.get("inr", inr.name), preset("standard"), dict(inr.args), steps=steps)
    return replace(recipe, lr=RATE * recipe.lr)


def images_to_learn(dataset: Any, limit: int) -> tuple[list[Sample], list[str]]:
    """One image with a lesion of each of `limit` training patients, all of the first's shape, and
    notes on what was left out.
    """
    found, notes = training_images(dataset, limit)
    shape = found[0].image.shape
    same = [sample for sample in found if sample.image.shape == shape]
    left = len(found) - len(same)
    if left:
        notes.append(f"left out: {left} images of another shape than {shape}")
    return same, notes


def learn(
    inr: Choice,
    samples: Sequence[Sample],
    *,
    rounds: int,
    steps: int,
    device: str = "cpu",
    say: Callable[[str], None] | None = None,
) -> dict[str, np.ndarray]:
    """The learned state: float32 parameters by name. Images take their turns, as many a round as
    are fitted at once.

    Raises InputError where every fit of a round goes wrong.
    """
    shape, recipe = samples[0].image.shape, recipe_of(inr, steps)
    own = build(inr, shape[2], SEED).named_parameters()
    state = {name: p.detach().cpu().numpy().astype(np.float64) for name, p in own}
    count = min(len(samples), images_at_once(shape, inr, device))
    parameters = sum(map(np.size, state.values()))
    work = float(rounds * count * steps * shape[0] * shape[1] * parameters)
    kernel = "auto" if worth_compiling(work) else "torch"
    for turn in range(rounds):
        members = []
        for i in range(count):
            members.append(Member(samples[(turn * count + i) % len(samples)], SEED))
        fitted = fit(
            inr,
            members,
            recipe,
            device=device,
            kernel=kernel,
            init=_float32(state),
        )
        # As for the fits of a run, but worse than a flat image is no fault after so few steps.
        well = np.flatnonzero(fitted.finite & ~lost(fitted.fidelity, fitted.best))
        if not len(well):
            raise InputError(
                f"learning an initial state of {inr.name}",
                f"every fit of round {turn + 1} went wrong",
                f"{call('tune', inr=inr.name)}: it finds a rate at which they do not",
            )
        _move(state, fitted, well, STEP_SIZE * (1 - turn / rounds))
        if say is not None:
            psnr_db = float(np.mean(-10 * np.log10(fitted.fidelity[well])))
            said = f"round {turn + 1} of {rounds}: {psnr_db:.2f} dB after {steps} steps"
            if len(well) < count:
                said += f"; {count - len(well)} of {count} fits went wrong and are left out"
            say(said)
    return _float32(state)


def _move(state: dict[str, np.ndarray], fitted: Fitted, well: np.ndarray, epsilon: float) -> None:
    """phi <- phi + epsilon mean(phi_i - phi), in place, of the fits that went well."""
    for name, array in state.items():
        ends = [fitted.states[k][name] for k in well]
        mean = np.mean(ends, axis=0, dtype=np.float64)
        state[name] = array + epsilon * (mean - array)


def save(
    path: Path,
    state: dict[str, np.ndarray],
    inr: Choice,
    samples: Sequence[Sample],
    *,
    rounds: int,
    steps: int,
) -> dict[str, Any]:
    """Write the state with its card; returns the card. The same state and card make the same
    bytes.
    """
    recipe = recipe_of(inr, steps)
    card = {
        "inr": inr.name,
        "args": dict(inr.args),
        "source": inr.source,
        "dataset": samples[0].dataset,
        "channels": list(samples[0].channels),
        "shape": list(samples[0].image.shape),
        "images": [sample.id for sample in samples],
        "patients": sorted({sample.patient for sample in samples}),
        "rounds": rounds,
        "steps": steps,
        "step_size": STEP_SIZE,
        "optimizer": recipe.optimizer,
        "lr": recipe.lr,
        "seed": SEED,
    }
    save_atomically(
        path,
        {name: torch.from_numpy(array) for name, array in state.items()},
        {"card": json.dumps(card)},
    )
    return card


def _float32(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    out = {}
    for name, array in state.items():
        out[name] = array.astype(np.float32)
    return out

"""Presets: how a fit is run. A preset only sets defaults; every option wins over it, and a cell
stores what came out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from benchmark.errors import InputError, did_you_mean, field
from benchmark.plan.cells import Cell
from benchmark.plugins import index
from benchmark.plugins.rates import UNTUNED_LR, untuned, untuned_note
from benchmark.types import GridKind, Recipe


@dataclass(frozen=True)
class Preset:
    """A named set of defaults; optimizer and lr None: what the backbone declares. penalty_every:
    see fit/held.py.
    """

    doc: str
    steps: int
    schedule: Literal["constant", "cosine"]
    warmup: int
    optimizer: str | None = None
    lr: float | None = None
    grid: GridKind = "centers"
    inr_args: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    bits: int | None = None
    penalty_every: int | Literal["auto"] = "auto"


PRESETS = {
    "quick": Preset(
        "200 steps of the backbone's own optimizer: the default for the embedded data set on a CPU",
        steps=200,
        schedule="cosine",
        warmup=40,
    ),
    "standard": Preset(
        "400 steps of the backbone's own optimizer: fast, full quality",
        steps=400,
        schedule="cosine",
        warmup=40,
    ),
    "adam-10k": Preset(
        "Adam 2e-4, constant, 10,000 steps: what the literature's fits do",
        steps=10_000,
        schedule="constant",
        warmup=0,
        optimizer="adam",
        lr=2e-4,
        penalty_every=1,
    ),
    # github.com/mdujardin3007/OVO_project: siren-pytorch 2->64->64->64->1, Adam 1e-4, 50,000 steps,
    # linspace(-1, 1).
    "reproduction": Preset(
        "the student reproduction of SINCO: siren-pytorch 64x3, Adam 1e-4, 50,000 steps",
        steps=50_000,
        schedule="constant",
        warmup=0,
        optimizer="adam",
        lr=1e-4,
        grid="corners",
        bits=16,
        penalty_every=1,
        inr_args={"siren": {"hidden_features": 64, "hidden_layers": 2, "omega_hidden": 1.0}},
    ),
}


def preset(name: str) -> Preset:
    if name not in PRESETS:
        raise InputError(field("preset", name), "no such preset", did_you_mean(name, PRESETS))
    return PRESETS[name]


def recipe_for(
    inr: index.Entry,
    base: Preset,
    args: Mapping[str, Any] | None = None,
    *,
    optimizer: str | None = None,
    lr: float | None = None,
    steps: int | None = None,
    **changes: Any,
) -> Recipe:
    """The expanded recipe of a backbone with these arguments: options over preset over what the
    backbone declares.
    """
    chosen = optimizer or base.optimizer or inr.declared["optimizer"]
    if lr is None:
        lr = base.lr
    if lr is None:
        # A backbone's rate belongs to its own optimizer; another one starts from what
        # tests/bench/bench_fit.py runs.
        lr = (
            _declared_lr(inr, args or {})
            if chosen == inr.declared["optimizer"]
            else {"soap": 3e-3}.get(chosen, 2e-3)
        )
    steps = base.steps if steps is None else steps
    recipe = Recipe(
        chosen,
        lr,
        steps,
        base.schedule,
        min(base.warmup, steps // 10),
        base.penalty_every,
        grid=base.grid,
    )
    return replace(recipe, **changes)


def lr_tuned(inr: index.Entry, args: Mapping[str, Any], recipe: Recipe) -> bool:
    """Whether somebody chose a fit's rate: who wrote the backbone, a preset, or who gave --lr.

    args: the backbone's arguments. False where the engine's own rate was taken.
    """
    if not untuned(inr):
        return True
    return recipe.lr != recipe_for(inr, PRESETS["standard"], args, optimizer=recipe.optimizer).lr


def untuned_notes(cells: Sequence[Cell]) -> list[str]:
    """A note on each backbone of a job whose rate nobody chose."""
    first = {cell.inr.name: cell for cell in reversed(cells)}
    notes: list[str] = []
    for name, cell in sorted(first.items()):
        if not lr_tuned(index.get("inr", name), dict(cell.inr.args), cell.recipe):
            notes.append(untuned_note(name))
    return notes


def _declared_lr(inr: index.Entry, args: Mapping[str, Any]) -> float:
    """With `lr_layers`, the declared rate is that of one layer and falls as layers^-1.3.

    A step moves each sine layer's angles and the moves add up. SIREN at 128x128 under SOAP: at 4, 5
    and 10 sine layers fits fail from 2e-2, 1.5e-2 and 6e-3, which fall as layers^-1.3 (`python -m
    benchmark tune`); at lambda 1e-3 and 5 layers 7.4e-3 already costs 4 dB of what 6e-3 keeps. The
    declared rate stays below that, at a third of where plain fits fail.
    """
    layers, rate = inr.declared["lr_layers"], inr.declared["lr"] or UNTUNED_LR
    return float(f"{rate / (1 + {**inr.defaults, **args}[layers]) ** 1.3:.2g}") if layers else rate

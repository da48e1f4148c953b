"""A store whose fits stand there once a recipe, for tests of what is said of two recipes."""

from __future__ import annotations

import io
import runpy
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Console

from benchmark.plan.recipes import PRESETS, recipe_for
from benchmark.plugins import index
from benchmark.report import print_tables
from benchmark.report.agreement import agreements
from benchmark.store.store import Row, Score
from benchmark.store.view import Scored

synthetic = runpy.run_path(str(Path(__file__).with_name("synthetic.py")))
make_store, UNET = synthetic["make_store"], synthetic["UNET"]


def expanded(preset, **changes):
    recipe = recipe_for(
        index.get("inr", "siren"), PRESETS[preset], {"hidden_features": 16}, **changes
    )
    args = tuple(sorted(index.get("optimizer", recipe.optimizer).defaults.items()))
    return asdict(replace(recipe, optimizer_args=args, optimizer_source="new"))


def two_recipes(
    folder,
    recipes=None,
    shift=lambda recipe, fit, metric: 0.0,
    change=lambda recipe, facts: {},
    keep=lambda recipe, fit: True,
    **store,
):
    """A store without noise whose fits stand there once a recipe, A at 2 s a fit and B at 60;
    shift(recipe, fit, metric) is added.

    A fit is its facts and its image's `number`. Null twins are 0.3 of a unit (A) and 0.4 (B) away,
    up and down by turns; a unit is 1 dB, or 0.1 of Dice.
    """
    recipes = recipes or {"A": expanded("standard"), "B": expanded("adam-10k")}
    made = make_store(folder, noise=0.0, codecs=None, keep_images=False, **store)
    rows, scores = made.rows(), list(made.each_score(None))
    made.remove([row.key for row in rows])
    for number, (name, recipe) in enumerate(recipes.items()):
        of = {}
        for row in rows:
            facts = row.facts | {
                "recipe": recipe,
                "fit_seconds": (2.0, 60.0)[number],
                "kernel": "fused",
                "device": "cpu",
            }
            facts |= {"twin": row.facts["twin"] and f"{name}-{row.facts['twin']}"} | change(
                name, row.facts
            )
            of[row.key] = Row(
                f"{name}-{row.key}", row.status, row.reason, row.sample_hash, facts, row.data
            )
        kept = {key: row for key, row in of.items() if keep(name, row.facts)}
        moved = []
        for key, metric, value, reader, reader_hash, scored_as in scores:
            if key in kept:
                fit = kept[key].facts | {
                    "number": int(kept[key].facts["sample_id"].rpartition("_")[2])
                }
                metric_name = metric if reader_hash in ("", UNET) else f"{metric}_eval"
                away = (0.3, 0.4)[number] * (-1) ** (fit["number"] + fit["seed"]) * fit["null"]
                value += away * (0.1 if metric == "dice" else 1.0) + shift(name, fit, metric_name)
                moved.append(Score(f"{name}-{key}", metric, value, reader, reader_hash, scored_as))
        made.add(kept.values(), moved)
    return made


def only(store):
    (found,) = agreements(Scored(store, everything=True))
    return found


def by(of, which, lam=0.0):
    """shift: `which` metrics of recipe A's fits at `lam` (None: at all) by a number, or by what a
    function of the fit says.
    """

    def shift(recipe, fit, metric):
        value = which.get(metric, 0.0) if recipe == of and lam in (None, fit["lambda"]) else 0.0
        return value(fit) if callable(value) else value

    return shift


def printed(store, width=None):
    file = io.StringIO()
    print_tables(
        Scored(store, everything=True),
        Console(file=file, width=width, force_terminal=width is not None, color_system=None),
    )
    return file.getvalue()

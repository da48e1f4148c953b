"""Numbers for recipes whose settings are too long for a name, and the legend that spells them out.

Numbers, not letters: `A` and `B` are the two sides of an agreement.
"""

from __future__ import annotations

from benchmark.report.words import Fixed, fixed_part, told_apart
from benchmark.stats.compare import compare
from benchmark.store.view import Scored, is_fit, is_plain, once

LONGEST = 32  # characters that settings may take in a name


@once
def recipe_numbers(scored: Scored) -> dict[Fixed, int]:
    """Recipe -> its number, for all recipes of a backbone where the settings of one are long."""
    numbers: dict[Fixed, int] = {}
    for recipes in _spelled(scored).values():
        if max(map(len, recipes.values())) > LONGEST:
            for recipe in recipes:
                numbers[recipe] = len(numbers) + 1
    return numbers


def recipe_legend(scored: Scored) -> list[str]:
    """A line for each number: what tells that recipe from the others of its backbone."""
    numbers = recipe_numbers(scored)
    lines = []
    for inr, recipes in _spelled(scored).items():
        for recipe, spelled in recipes.items():
            if recipe in numbers:
                lines.append(f"recipe {numbers[recipe]}: {inr}, {spelled}")
    return lines


@once
def _spelled(scored: Scored) -> dict[str, dict[Fixed, str]]:
    """Backbone -> its recipes, each with all settings in which they differ; sorted."""
    found: dict[str, set[Fixed]] = {}
    for row in scored.rows:
        if is_fit(row) and is_plain(row):
            settings = dict(scored.settings(row, penalty=False))
            found.setdefault(row.facts["inr"], set()).add(fixed_part(settings))
    for comparison in compare(scored):  # whose plain fits may all have failed
        group = comparison.group
        found.setdefault(group.inr, set()).add(fixed_part(dict(group.settings)))
    spelled = {}
    for inr, recipes in sorted(found.items()):
        ordered = sorted(recipes)
        texts = told_apart([""] * len(ordered), [dict(recipe) for recipe in ordered])
        own = {}
        for recipe, text in zip(ordered, texts, strict=True):
            own[recipe] = text.removeprefix(", ")
        spelled[inr] = own
    return spelled

"""Do two recipes agree? Their quality at equal bytes, and whether both conclude the same about
SINCO.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

from benchmark.report.agreement_numbers import (
    METRICS,
    Conclusion,
    Quality,
    conclusion_of,
    quality_of,
)
from benchmark.report.recipes import FittedRecipe, Seeds, Setting, recipes_of, same_seeds
from benchmark.report.words import LABELS, lambda_text, plain, plural
from benchmark.stats.compare import metrics_of
from benchmark.store.view import Scored, once

# What two recipes may differ in, and is said.
SOURCES = {
    "inr_source": "the backbone's source",
    "fit_version": "the version of the step loop",
    "precision": "the precision of the network in the loss",
}


@dataclass(frozen=True, eq=False)
class Agreement:
    """Two recipes in one setting; the second is the reference: the one of more steps, or of the
    fresher penalty.
    """

    setting: Setting
    labels: tuple[str, str]
    sizes: dict[tuple[str, int], None]  # arguments of the backbone as JSON, bits a weight
    qualities: list[Quality]
    conclusions: list[Conclusion]
    notes: list[str]
    metrics: tuple[str, ...]  # of METRICS


@once
def agreements(scored: Scored) -> list[Agreement]:
    """Each pair of recipes that a store holds for the same images, backbone, size, bits, network in
    the loss and lambda.
    """
    if _recipes_stored(scored) < 2:
        return []
    found = []
    for setting, recipes in recipes_of(scored).items():
        for second, first in combinations(recipes, 2):
            if first.same(second):
                continue
            agreement = _agreement(scored, setting, first, second)
            if agreement.qualities:
                found.append(agreement)
    return found


def _recipes_stored(scored: Scored) -> int:
    """How many different recipes, counted fast: rows share their facts (store/view.py)."""
    objects = {}
    for row in scored.rows:
        recipe, init = row.facts.get("recipe"), row.facts.get("init")
        if recipe:
            objects[id(recipe), init] = recipe
    texts = {(init, json.dumps(recipe, sort_keys=True)) for (_, init), recipe in objects.items()}
    return len(texts)


def _agreement(
    scored: Scored, setting: Setting, first: FittedRecipe, second: FittedRecipe
) -> Agreement:
    metrics = tuple(metric for metric in METRICS if metric in metrics_of(scored))
    found = Agreement(setting, (first.label, second.label), {}, [], [], [], metrics)
    for lam in sorted(first.fits.keys() & second.fits.keys()):
        a, b = sides = first.fits[lam], second.fits[lam]
        of, seeds = same_seeds(scored, a, b)
        if not of or a is b:  # recipes that differ by their penalty only share their plain fits
            continue
        images = list(of.values())
        for who in of:
            found.sizes[who[2:]] = None
        found.qualities.append(quality_of(scored, setting.loss, lam, sides, images, seeds))
        for metric in metrics if lam else ():
            said = conclusion_of(scored, setting.loss, lam, metric, sides, images, seeds)
            if said.images:
                found.conclusions.append(said)
        if set(a.readers) != set(b.readers):
            found.notes.append(_reader_note(lam, metrics))
    found.notes.extend(_seed_notes(found.qualities))
    found.notes.extend(_source_notes(first.settings, second.settings))
    return found


def _reader_note(lam: float, metrics: Sequence[str]) -> str:
    read = " and ".join(LABELS[metric] for metric in metrics if metric.endswith("_eval"))
    return (
        f"lambda {lambda_text(lam)}: not the same networks read both recipes' files; the"
        f" table's {read} is of those that did, each recipe's own verdicts are of all of"
        " its own"
    )


def _source_notes(first: dict[str, str], second: dict[str, str]) -> list[str]:
    """What else the two differ in; settings are JSON texts."""
    notes = []
    for name, words in SOURCES.items():
        if name in first and name in second and first[name] != second[name]:
            notes.append(f"{words} differs: {first[name]} and {second[name]}".replace('"', ""))
    return notes


def _seed_notes(qualities: Sequence[Quality]) -> list[str]:
    """Which fits the seeds leave out, in one sentence for all lambdas of which it is the same."""
    lams: dict[Seeds, list[str]] = {}
    for quality in qualities:
        lams.setdefault(quality.seeds, []).append(lambda_text(quality.lam))
    notes = []
    for seeds, which in lams.items():
        said = _unpaired(seeds) if not seeds.paired else _left_out(seeds)
        if said:
            notes.append(f"lambda {', '.join(which)}: {said}")
    return notes


def _unpaired(seeds: Seeds) -> str:
    a, b = (", ".join(map(str, alone)) for alone in seeds.alone)
    return (
        f"the seeds differ (A {a}; B {b}), so all fits are compared, and what the seeds themselves"
        " do is in A - B but not in its band"
    )


def _left_out(seeds: Seeds) -> str:
    """Which fits have no partner in the other recipe; "" where all have one."""
    each = []
    for side, alone, fits in zip("AB", seeds.alone, seeds.left_out, strict=True):
        if fits:
            each.append(f"{plural(len(alone), 'seed')} of {side} ({plural(fits, 'fit')})")
    if not each:
        return ""
    images = f", with them {plural(seeds.images, 'image')} altogether" if seeds.images else ""
    return (
        f"{plural(len(seeds.paired), 'seed')} paired; left out, as only one recipe has them:"
        f" {' and '.join(each)}{images}"
    )


def as_json(agreement: Agreement) -> dict[str, Any]:
    """Plain values, with None where a number is not finite."""
    found = asdict(agreement)
    del found["metrics"], found["sizes"]
    found["sizes"] = []
    for args, bits in agreement.sizes:
        found["sizes"].append({"inr_args": json.loads(args), "bits": bits})
    values: dict[str, Any] = plain(found)
    return values

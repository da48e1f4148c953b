"""The recipes of a store: which of its fits are of one recipe, what it is called, which seeds two
of them share. For agreement.py.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from typing import Any

from benchmark.errors import InputError
from benchmark.plan.recipes import PRESETS, recipe_for
from benchmark.plugins import index
from benchmark.report.words import lambda_text, told_apart
from benchmark.stats.compare import Comparison, Image, compare
from benchmark.store.store import Row
from benchmark.store.view import Scored, is_fit, is_plain
from benchmark.types import Recipe

_UNSET = json.loads(
    json.dumps({f.name: f.default for f in fields(Recipe) if f.default is not MISSING})
)  # of rows older than a field


@dataclass(frozen=True)
class Setting:
    """What two recipes must share to be compared; the backbone's size and bits too, image by image:
    see `_who`.
    """

    dataset: str
    inr: str
    fidelity: str
    regularizer: str | None
    segmenter: str | None
    loss: str | None  # hash of the network in the loss


@dataclass(frozen=True, eq=False)
class Fits:
    """One recipe at one lambda: images with the keys of their fits and null twins, and how many
    fits are in no mean.
    """

    images: dict[tuple[Any, ...], Image]
    lost: int
    readers: tuple[str, ...]  # behind dice_eval


@dataclass(frozen=True)
class Seeds:
    """Which seeds two recipes are compared over, and what only one of them has on the images of
    both.
    """

    paired: tuple[
        int, ...
    ]  # on one image or more; none: no image has a seed of both, and all fits are compared
    alone: tuple[
        tuple[int, ...], tuple[int, ...]
    ]  # seeds of each recipe that the other lacks on one image or more
    left_out: tuple[int, int]  # fits of each
    images: int  # left out, as all of their seeds are


@dataclass(eq=False)
class Way:
    """One recipe of a setting and its fits at every lambda; `recipe` lacks penalty_every where all
    of them are plain.
    """

    recipe: dict[str, Any]
    settings: dict[str, str]
    fits: dict[float, Fits] = field(default_factory=dict)
    label: str = ""

    def same(self, other: Way) -> bool:
        return all(
            self.recipe[name] == other.recipe[name]
            for name in self.recipe.keys() & other.recipe.keys()
        )


def ways_of(scored: Scored) -> dict[Setting, list[Way]]:
    """Every way to fit with its label, setting by setting; those of most steps and of the freshest
    penalty first.
    """
    found: dict[Setting, list[Way]] = {}
    plain = _plain(scored)
    used = _with_penalty(scored, plain, found)
    for identity, fits in plain.items():  # recipes whose plain fits alone are stored
        dataset, inr, fidelity, settings = identity
        known = [
            setting
            for setting in found
            if (setting.dataset, setting.inr, setting.fidelity) == identity[:3]
        ]
        for setting in known or [
            Setting(dataset, inr, fidelity, None, None, scored.losses[0] if scored.losses else None)
        ]:
            if fits.images and (setting, identity) not in used:
                first = next(iter(fits.images.values())).pairs[0][0]
                recipe = {
                    name: value
                    for name, value in _recipe(scored.by_key[first].facts).items()
                    if name != "penalty_every"
                }
                found.setdefault(setting, []).append(Way(recipe, dict(settings), {0.0: fits}))
    for setting, ways in found.items():
        ways.sort(
            key=lambda way: (
                -way.recipe.get("steps", 0),
                str(way.recipe.get("penalty_every")),
                str(way.recipe["init"] or ""),
                json.dumps(way.recipe),
            )
        )
        labels = told_apart(
            [_label(setting.inr, way) for way in ways], [way.settings for way in ways]
        )
        for way, label in zip(ways, labels, strict=True):
            way.label = label
    return found


def same_seeds(
    scored: Scored, a: Fits, b: Fits
) -> tuple[dict[tuple[Any, ...], tuple[Image, Image]], Seeds]:
    """The images of both recipes with the fits of the seeds of both, seed by seed in one order; all
    fits where no seed is shared.

    A seed sets the initial weights and so moves all recipes alike, SIREN by about 1 dB: unlike
    seeds would be compared, not recipes.
    """
    every = {who: (image, b.images[who]) for who, image in a.images.items() if who in b.images}
    kept: dict[tuple[Any, ...], tuple[Image, Image]] = {}
    paired: set[int] = set()
    alone: tuple[set[int], set[int]] = set(), set()
    left_out = [0, 0]
    for who, images in every.items():
        first, second = of = [_by_seed(scored, image) for image in images]
        shared = [
            (seed, keys)
            for seed in sorted(first.keys() & second.keys())
            for keys in zip(first[seed], second[seed], strict=False)
        ]
        paired |= {seed for seed, _ in shared}
        if shared:
            kept[who] = (
                replace(images[0], pairs=[keys[0] for _, keys in shared]),
                replace(images[1], pairs=[keys[1] for _, keys in shared]),
            )
        for side in (0, 1):
            rest = Counter({seed: len(found) for seed, found in of[side].items()}) - Counter(
                seed for seed, _ in shared
            )
            alone[side].update(rest)
            left_out[side] += rest.total()
    only = (tuple(sorted(alone[0])), tuple(sorted(alone[1])))
    if not kept:
        return every, Seeds((), only, (0, 0), 0)
    return kept, Seeds(
        tuple(sorted(paired)), only, (left_out[0], left_out[1]), len(every) - len(kept)
    )


def _by_seed(scored: Scored, image: Image) -> dict[int, list[tuple[str, str]]]:
    """`pairs` of an image by seed; several of one seed where a store holds fits of several versions
    of the code.
    """
    found: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for pair in image.pairs:
        found[scored.by_key[pair[0]].facts["seed"]].append(pair)
    return found


def _with_penalty(
    scored: Scored, plain: Mapping[tuple[Any, ...], Fits], found: dict[Setting, list[Way]]
) -> set[tuple[Any, ...]]:
    """Put the recipes of all comparisons, with their plain fits, into `found`; returns which plain
    fits that took in.
    """
    ways: dict[tuple[Any, ...], Way] = {}
    used = set()
    for comparison in compare(scored):
        pairs = [pair for image in comparison.images for pair in image.pairs]
        if pairs:
            row, twin = (scored.by_key[key] for key in pairs[0])
            group, facts = comparison.group, row.facts
            setting = Setting(
                group.dataset,
                group.inr,
                str(facts.get("fidelity")),
                facts.get("regularizer"),
                group.segmenter,
                group.segmenter_hash,
            )
            if (setting, group.settings) not in ways:
                ways[setting, group.settings] = Way(_recipe(facts), dict(group.settings))
                found.setdefault(setting, []).append(ways[setting, group.settings])
            identity = _plain_identity(scored, twin)
            ways[setting, group.settings].fits |= {
                0.0: plain[identity],
                group.lam: _sinco(scored, comparison),
            }
            used.add((setting, identity))
    return used


def _plain_identity(scored: Scored, row: Row) -> tuple[Any, ...]:
    return (
        row.facts["dataset"],
        row.facts["inr"],
        str(row.facts.get("fidelity")),
        scored.settings(row, penalty=False),
    )


def _plain(scored: Scored) -> dict[tuple[Any, ...], Fits]:
    """All plain fits by what they share; in `Image.pairs` each is its own twin."""
    nulls: dict[str, list[str]] = defaultdict(list)
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in scored.rows:
        if is_plain(row):
            groups[_plain_identity(scored, row)].append(row)
        elif is_fit(row) and row.facts.get("null") and row.status == "ok":
            nulls[row.facts.get("twin") or ""].append(row.key)
    found = {}
    for identity, rows in groups.items():
        well = [row for row in rows if row.status == "ok"]
        images: dict[tuple[Any, ...], Image] = {}
        for row in well:
            image = images.setdefault(
                _who(scored, row.key),
                Image(row.facts["sample_id"], row.sample_hash, row.facts["patient"]),
            )
            image.pairs.append((row.key, row.key))
            image.nulls += [
                (null, row.key) for null in nulls[row.key] if scored.even(null, row.key)
            ]
        found[identity] = Fits(
            images, len(rows) - len(well), tuple(scored.others(None, (row.key for row in well)))
        )
    return found


def _sinco(scored: Scored, comparison: Comparison) -> Fits:
    images = {_who(scored, image.pairs[0][0]): image for image in comparison.images if image.pairs}
    return Fits(images, comparison.failed + comparison.unpaired, comparison.readers)


def _who(scored: Scored, key: str) -> tuple[Any, ...]:
    """An image, and the size and bits at which the backbone was fitted to it: recipes are compared
    where all of it agrees.
    """
    row = scored.by_key[key]
    return (
        row.facts["sample_id"],
        row.sample_hash,
        json.dumps(row.facts.get("inr_args"), sort_keys=True),
        row.facts.get("bits"),
    )


def _recipe(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A stored recipe and where its fits start, without the optimizer's source: its versions are
    compared under one name.
    """
    recipe = {
        name: value
        for name, value in {**_UNSET, **facts["recipe"]}.items()
        if name != "optimizer_source"
    }
    return recipe | {"init": facts.get("init")}


def _label(inr: str, way: Way) -> str:
    """The preset that the recipe is of this backbone, with penalty_every where only that differs,
    else what it comes to.
    """
    recipe, who = way.recipe, next(iter(way.fits[0.0].images))
    init = " (learned init)" if recipe["init"] else ""
    for name, base in PRESETS.items():
        try:
            made = recipe_for(index.get("inr", inr), base, json.loads(who[2]) or {})
            args = sorted(index.get("optimizer", made.optimizer).defaults.items())
        except InputError:  # a plug-in that is not here
            break
        expanded = json.loads(json.dumps(asdict(made) | {"optimizer_args": args}))
        if all(
            recipe.get(key) == value
            for key, value in expanded.items()
            if key not in ("penalty_every", "optimizer_source")
        ):
            every = recipe.get("penalty_every", made.penalty_every)
            return (
                f"{name}{init}"
                if every == made.penalty_every
                else f"{name}{init}, penalty_every {every}"
            )
    rate = f" {lambda_text(recipe['lr'])}" if "lr" in recipe else ""
    return f"{recipe.get('optimizer')}{rate} x {recipe.get('steps')}{init}"

"""The recipes of a store: which of its fits are of one recipe, what it is called, which seeds two
of them share. For agreement.py.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
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

Who = tuple[Any, ...]  # sample id, sample hash, arguments of the backbone as JSON, bits
Identity = tuple[Any, ...]  # data set, backbone, fidelity, settings: what plain fits share


def _unset() -> dict[str, Any]:
    """The defaults of a recipe as JSON has them, for rows that are older than a field."""
    defaults = {f.name: f.default for f in fields(Recipe) if f.default is not MISSING}
    found: dict[str, Any] = json.loads(json.dumps(defaults))
    return found


_UNSET = _unset()


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

    images: dict[Who, Image]
    lost: int
    readers: tuple[str, ...]  # behind dice_eval


@dataclass(frozen=True)
class Seeds:
    """Which seeds two recipes are compared over, and what only one of them has on the images of
    both.

    paired: on one image or more; none where no image has a seed of both, and all fits are compared.
    alone: seeds of each recipe that the other lacks on one image or more.
    """

    paired: tuple[int, ...]
    alone: tuple[tuple[int, ...], tuple[int, ...]]
    left_out: tuple[int, int]  # fits of each
    images: int  # left out, as all of their seeds are


@dataclass(eq=False)
class FittedRecipe:
    """One recipe of a setting and its fits at every lambda; `recipe` lacks penalty_every where all
    of them are plain.
    """

    recipe: dict[str, Any]
    settings: dict[str, str]
    fits: dict[float, Fits] = field(default_factory=dict)
    label: str = ""

    def same(self, other: FittedRecipe) -> bool:
        """Whether two are one recipe, as far as both state it."""
        both = self.recipe.keys() & other.recipe.keys()
        return all(self.recipe[name] == other.recipe[name] for name in both)


def recipes_of(scored: Scored) -> dict[Setting, list[FittedRecipe]]:
    """Every recipe with its label, setting by setting; those of most steps and of the freshest
    penalty first.
    """
    found: dict[Setting, list[FittedRecipe]] = {}
    plain = _plain(scored)
    used = _with_penalty(scored, plain, found)
    _without_penalty(scored, plain, found, used)
    for setting, recipes in found.items():
        recipes.sort(key=_order)
        names = [_label(setting.inr, one) for one in recipes]
        labels = told_apart(names, [one.settings for one in recipes])
        for one, label in zip(recipes, labels, strict=True):
            one.label = label
    return found


def _order(one: FittedRecipe) -> tuple[Any, ...]:
    recipe = one.recipe
    every, init = str(recipe.get("penalty_every")), str(recipe["init"] or "")
    return -recipe.get("steps", 0), every, init, json.dumps(recipe)


def same_seeds(scored: Scored, a: Fits, b: Fits) -> tuple[dict[Who, tuple[Image, Image]], Seeds]:
    """The images of both recipes with the fits of the seeds of both, seed by seed in one order; all
    fits where no seed is shared.

    A seed sets the initial weights and so moves all recipes alike, SIREN by about 1 dB: unlike
    seeds would be compared, not recipes.
    """
    every: dict[Who, tuple[Image, Image]] = {}
    kept: dict[Who, tuple[Image, Image]] = {}
    paired: set[int] = set()
    alone: tuple[set[int], set[int]] = set(), set()
    left_out = [0, 0]
    for who, image in a.images.items():
        if who not in b.images:
            continue
        images = every[who] = image, b.images[who]
        both = _by_seed(scored, images[0]), _by_seed(scored, images[1])
        pairs: tuple[list[tuple[str, str]], list[tuple[str, str]]] = [], []
        for seed, first, second in _shared(*both):
            paired.add(seed)
            pairs[0].append(first)
            pairs[1].append(second)
        if pairs[0]:
            kept[who] = replace(images[0], pairs=pairs[0]), replace(images[1], pairs=pairs[1])
        for side in (0, 1):
            for seed, fits in both[side].items():
                rest = len(fits) - len(both[1 - side].get(seed, ()))
                if rest > 0:
                    alone[side].add(seed)
                    left_out[side] += rest
    only = (tuple(sorted(alone[0])), tuple(sorted(alone[1])))
    if not kept:
        return every, Seeds((), only, (0, 0), 0)
    lost = len(every) - len(kept)
    return kept, Seeds(tuple(sorted(paired)), only, (left_out[0], left_out[1]), lost)


def _shared(
    first: dict[int, list[tuple[str, str]]], second: dict[int, list[tuple[str, str]]]
) -> Iterator[tuple[int, tuple[str, str], tuple[str, str]]]:
    """(seed, pair of the first, pair of the second) of the seeds that both have."""
    for seed in sorted(first.keys() & second.keys()):
        for a, b in zip(first[seed], second[seed], strict=False):
            yield seed, a, b


def _by_seed(scored: Scored, image: Image) -> dict[int, list[tuple[str, str]]]:
    """`pairs` of an image by seed; several of one seed where a store holds fits of several versions
    of the code.
    """
    found: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for pair in image.pairs:
        found[scored.by_key[pair[0]].facts["seed"]].append(pair)
    return found


def _with_penalty(
    scored: Scored, plain: Mapping[Identity, Fits], found: dict[Setting, list[FittedRecipe]]
) -> set[tuple[Setting, Identity]]:
    """Put the recipes of all comparisons, with their plain fits, into `found`; returns which plain
    fits that took in.
    """
    recipes: dict[tuple[Setting, Any], FittedRecipe] = {}
    used = set()
    for comparison in compare(scored):
        pairs = [pair for image in comparison.images for pair in image.pairs]
        if not pairs:
            continue
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
        if (setting, group.settings) not in recipes:
            recipe = FittedRecipe(_recipe(facts), dict(group.settings))
            recipes[setting, group.settings] = recipe
            found.setdefault(setting, []).append(recipe)
        identity = _plain_identity(scored, twin)
        fits = recipes[setting, group.settings].fits
        fits[0.0] = plain[identity]
        fits[group.lam] = _sinco(scored, comparison)
        used.add((setting, identity))
    return used


def _without_penalty(
    scored: Scored,
    plain: Mapping[Identity, Fits],
    found: dict[Setting, list[FittedRecipe]],
    used: set[tuple[Setting, Identity]],
) -> None:
    """Put the recipes of which plain fits alone are stored into `found`."""
    for identity, fits in plain.items():
        dataset, inr, fidelity, settings = identity
        known = []
        for setting in found:
            if (setting.dataset, setting.inr, setting.fidelity) == (dataset, inr, fidelity):
                known.append(setting)
        loss = scored.losses[0] if scored.losses else None
        for setting in known or [Setting(dataset, inr, fidelity, None, None, loss)]:
            if not fits.images or (setting, identity) in used:
                continue
            first = next(iter(fits.images.values())).pairs[0][0]
            recipe = _recipe(scored.by_key[first].facts)
            recipe.pop("penalty_every", None)
            one = FittedRecipe(recipe, dict(settings), {0.0: fits})
            found.setdefault(setting, []).append(one)


def _plain_identity(scored: Scored, row: Row) -> Identity:
    return (
        row.facts["dataset"],
        row.facts["inr"],
        str(row.facts.get("fidelity")),
        scored.settings(row, penalty=False),
    )


def _plain(scored: Scored) -> dict[Identity, Fits]:
    """All plain fits by what they share; in `Image.pairs` each is its own twin."""
    nulls: dict[str, list[str]] = defaultdict(list)
    groups: dict[Identity, list[Row]] = defaultdict(list)
    for row in scored.rows:
        if is_plain(row):
            groups[_plain_identity(scored, row)].append(row)
        elif is_fit(row) and row.facts.get("null") and row.status == "ok":
            nulls[row.facts.get("twin") or ""].append(row.key)
    found = {}
    for identity, rows in groups.items():
        well = [row for row in rows if row.status == "ok"]
        images: dict[Who, Image] = {}
        for row in well:
            own = Image(row.facts["sample_id"], row.sample_hash, row.facts["patient"])
            image = images.setdefault(_who(scored, row.key), own)
            image.pairs.append((row.key, row.key))
            for null in nulls[row.key]:
                if scored.even(null, row.key):
                    image.nulls.append((null, row.key))
        readers = tuple(scored.others(None, (row.key for row in well)))
        found[identity] = Fits(images, len(rows) - len(well), readers)
    return found


def _sinco(scored: Scored, comparison: Comparison) -> Fits:
    images = {}
    for image in comparison.images:
        if image.pairs:
            images[_who(scored, image.pairs[0][0])] = image
    return Fits(images, comparison.failed + comparison.unpaired, comparison.readers)


def _who(scored: Scored, key: str) -> Who:
    """An image, and the size and bits at which the backbone was fitted to it: recipes are compared
    where all of it agrees.
    """
    row = scored.by_key[key]
    args = json.dumps(row.facts.get("inr_args"), sort_keys=True)
    return row.facts["sample_id"], row.sample_hash, args, row.facts.get("bits")


def _recipe(facts: Mapping[str, Any]) -> dict[str, Any]:
    """A stored recipe and where its fits start, without the optimizer's source: its versions are
    compared under one name.
    """
    recipe = {**_UNSET, **facts["recipe"]}
    recipe.pop("optimizer_source", None)
    return recipe | {"init": facts.get("init")}


def _label(inr: str, one: FittedRecipe) -> str:
    """The preset that the recipe is of this backbone, with penalty_every where only that differs,
    else what it comes to.
    """
    recipe, who = one.recipe, next(iter(one.fits[0.0].images))
    init = " (learned init)" if recipe["init"] else ""
    for name, base in PRESETS.items():
        try:
            made = recipe_for(index.get("inr", inr), base, json.loads(who[2]) or {})
            args = sorted(index.get("optimizer", made.optimizer).defaults.items())
        except InputError:  # a plug-in that is not here
            break
        expanded = json.loads(json.dumps(asdict(made) | {"optimizer_args": args}))
        del expanded["penalty_every"], expanded["optimizer_source"]
        if all(recipe.get(key) == value for key, value in expanded.items()):
            every = recipe.get("penalty_every", made.penalty_every)
            differs = "" if every == made.penalty_every else f", penalty_every {every}"
            return f"{name}{init}{differs}"
    rate = f" {lambda_text(recipe['lr'])}" if "lr" in recipe else ""
    return f"{recipe.get('optimizer')}{rate} x {recipe.get('steps')}{init}"

"""Do two recipes agree? Their quality at equal bytes, and whether both conclude the same about
SINCO.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from benchmark.report.recipes import FittedRecipe, Fits, Seeds, Setting, recipes_of, same_seeds
from benchmark.report.words import LABELS, lambda_text, plain, plural
from benchmark.stats.compare import (
    FEWEST_NULLS,
    Image,
    gain,
    metrics_of,
    patient_interval,
    t_quantile,
    verdict,
)
from benchmark.store.view import Scored, once

METRICS = (
    "psnr_db",
    "dice",
    "dice_eval",
    "kl",
    "kl_eval",
)  # as far as the store's readers give them
PSNR_LIMIT_DB = -0.1  # equal quality: the mean PSNR is not further below the reference's
BPP_TOLERANCE = 0.01  # "the same bytes", of the bpp
SOURCES = {
    "inr_source": "the backbone's source",
    "fit_version": "the version of the step loop",
    "precision": "the precision of the network in the loss",
}  # what two recipes may differ in, and is said


@dataclass(frozen=True)
class Delta:
    """A metric's mean of each recipe over patients, the difference with its 95 % interval, and the
    null band of it (nan: none).
    """

    means: tuple[float, float]
    difference: float
    low: float
    high: float
    band: float


NO_DELTA = Delta((math.nan, math.nan), math.nan, math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Cost:
    """The files of one recipe on the images and seeds of both: how many, their mean rate, and what
    a fit took.
    """

    fits: int
    lost: int  # failed, diverged or without a twin, on any image: in no mean
    bpp: float
    seconds: float
    kernels: str


@dataclass(frozen=True)
class Quality:
    """One lambda: how far the first recipe's files are from the reference's, and what both cost."""

    lam: float
    images: int
    patients: int
    deltas: dict[str, Delta]
    costs: tuple[Cost, Cost]
    seeds: Seeds

    @property
    def same_bytes(self) -> bool:
        first, second = (cost.bpp for cost in self.costs)
        return abs(first - second) <= BPP_TOLERANCE * second


@dataclass(frozen=True)
class Disagreement:
    """One image on which the recipes name different winners. how: opposite, tie (one of them ties)
    or unknown (no band).
    """

    sample_id: str
    how: str
    verdicts: tuple[str, str]
    differences: tuple[float, float]
    bands: tuple[float | None, float | None]


@dataclass(frozen=True)
class Conclusion:
    """One lambda and metric: on how many images both recipes have the same verdict on SINCO -
    plain, and both totals.
    """

    lam: float
    metric: str
    images: int
    same: int
    disagreements: list[Disagreement]
    totals: tuple[
        tuple[float, float, float], tuple[float, float, float]
    ]  # mean, low, high over patients

    def count(self, how: str) -> int:
        return sum(one.how == how for one in self.disagreements)

    def total(self, side: int) -> str:
        """win or loss where the interval over patients leaves out 0, else open; unknown of a single
        patient.
        """
        low, high = sorted(gain(self.metric, bound) for bound in self.totals[side][1:])
        return (
            "unknown" if math.isnan(low) else "win" if low > 0 else "loss" if high < 0 else "open"
        )

    @property
    def same_total(self) -> bool:
        return self.total(0) == self.total(1) != "unknown"


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
    found = {
        (id(row.facts.get("recipe")), row.facts.get("init")): row.facts.get("recipe")
        for row in scored.rows
    }  # rows share theirs
    if (
        len(
            {
                (init, json.dumps(recipe, sort_keys=True))
                for (_, init), recipe in found.items()
                if recipe
            }
        )
        < 2
    ):
        return []
    pairs = [
        _agreement(scored, setting, first, second)
        for setting, recipes in recipes_of(scored).items()
        for second, first in combinations(recipes, 2)
        if not first.same(second)
    ]
    return [pair for pair in pairs if pair.qualities]


def _agreement(
    scored: Scored, setting: Setting, first: FittedRecipe, second: FittedRecipe
) -> Agreement:
    metrics = tuple(metric for metric in METRICS if metric in metrics_of(scored))
    found = Agreement(setting, (first.label, second.label), {}, [], [], [], metrics)
    for lam in sorted(first.fits.keys() & second.fits.keys()):
        a, b = first.fits[lam], second.fits[lam]
        of, seeds = same_seeds(scored, a, b)
        if not of or a is b:  # recipes that differ by their penalty only share their plain fits
            continue
        images = list(of.values())
        found.sizes.update(dict.fromkeys(who[2:] for who in of))
        found.qualities.append(_quality(scored, setting.loss, lam, (a, b), images, seeds))
        if lam:
            made = [
                _conclusion(scored, setting.loss, lam, metric, (a, b), images, seeds)
                for metric in metrics
            ]
            found.conclusions.extend(one for one in made if one.images)
        if set(a.readers) != set(b.readers):
            read = " and ".join(LABELS[metric] for metric in metrics if metric.endswith("_eval"))
            found.notes.append(
                f"lambda {lambda_text(lam)}: not the same networks read both recipes' files; the"
                f" table's {read} is of those that did, each recipe's own verdicts are of all of"
                " its own"
            )
    found.notes.extend(_seed_notes(found.qualities))
    for name, words in SOURCES.items():
        if (
            name in first.settings
            and name in second.settings
            and first.settings[name] != second.settings[name]
        ):
            found.notes.append(
                f"{words} differs: {first.settings[name]} and {second.settings[name]}".replace(
                    '"', ""
                )
            )
    return found


def _seed_notes(qualities: Sequence[Quality]) -> list[str]:
    """Which fits the seeds leave out, in one sentence for all lambdas of which it is the same."""
    lams: dict[Seeds, list[str]] = {}
    for quality in qualities:
        lams.setdefault(quality.seeds, []).append(lambda_text(quality.lam))
    notes = []
    for seeds, which in lams.items():
        each = [
            f"{plural(len(alone), 'seed')} of {side} ({plural(fits, 'fit')})"
            for side, alone, fits in zip("AB", seeds.alone, seeds.left_out, strict=True)
            if fits
        ]
        if not seeds.paired:
            a, b = (", ".join(map(str, alone)) for alone in seeds.alone)
            notes.append(
                f"lambda {', '.join(which)}: the seeds differ (A {a}; B {b}), so all fits are"
                " compared, and what the seeds themselves do is in A - B but not in its band"
            )
        elif each:
            images = (
                f", with them {plural(seeds.images, 'image')} altogether" if seeds.images else ""
            )
            notes.append(
                f"lambda {', '.join(which)}: {plural(len(seeds.paired), 'seed')} paired; left out,"
                f" as only one recipe has them: {' and '.join(each)}{images}"
            )
    return notes


def _quality(
    scored: Scored,
    loss: str | None,
    lam: float,
    sides: tuple[Fits, Fits],
    images: Sequence[tuple[Image, Image]],
    seeds: Seeds,
) -> Quality:
    others = [
        reader for reader in sides[0].readers if reader in sides[1].readers and reader != loss
    ]
    deltas = {
        metric: _delta(scored, metric, loss, others, images, bool(seeds.paired))
        for metric in METRICS
    }
    costs = [_cost(scored, [pair[i] for pair in images], sides[i].lost) for i in (0, 1)]
    return Quality(
        lam,
        len(images),
        len({image.patient for image, _ in images}),
        {metric: delta for metric, delta in deltas.items() if delta},
        (costs[0], costs[1]),
        seeds,
    )


def _cost(scored: Scored, images: Sequence[Image], lost: int) -> Cost:
    facts = [[scored.by_key[key].facts for key, _ in image.pairs] for image in images]

    def mean(name: str) -> float:
        return float(
            np.mean(
                [
                    np.mean([math.nan if one.get(name) is None else one[name] for one in seeds])
                    for seeds in facts
                ]
            )
        )

    kernels = {
        f"{one.get('kernel', '-')} {one.get('device', '')}".strip()
        for seeds in facts
        for one in seeds
    }
    return Cost(
        sum(map(len, facts)), lost, mean("bpp"), mean("fit_seconds"), "+".join(sorted(kernels))
    )


def _measured(values: Sequence[Sequence[float]], paired: bool) -> list[np.ndarray]:
    """Both recipes' values of one image, fit by fit, without those not measured and, where
    `paired`, the other recipe's of that seed.
    """
    sides = [np.array(side) for side in values]
    well = [np.isfinite(side) for side in sides]
    return [
        side[well[0] & well[1] if paired else own] for side, own in zip(sides, well, strict=True)
    ]


def _delta(
    scored: Scored,
    metric: str,
    loss: str | None,
    others: Sequence[str],
    images: Sequence[tuple[Image, Image]],
    paired: bool,
) -> Delta | None:
    """The recipes' difference in `metric` over the images on which both have it; None where there
    are none.
    """

    def value(key: str) -> float:
        return scored.value(key, metric, loss, others)

    fits = [
        _measured([[value(key) for key, _ in image.pairs] for image in pair], paired)
        for pair in images
    ]
    kept = [i for i, pair in enumerate(fits) if len(pair[0]) and len(pair[1])]
    if not kept:
        return None
    patients = [images[i][0].patient for i in kept]
    per_image = np.array([[seeds.mean() for seeds in fits[i]] for i in kept])
    counts = Counter(patients)
    weights = np.array(
        [1 / (len(counts) * counts[patient]) for patient in patients]
    )  # of an image in the mean over patients
    chance = []
    for side in (0, 1):
        nulls = np.array(
            [value(null) - value(twin) for i in kept for null, twin in images[i][side].nulls]
        )  # of all seeds
        chance.append(
            (
                nulls[np.isfinite(nulls)],
                float(np.sum(weights**2 / [len(fits[i][side]) for i in kept])),
            )
        )
    means = tuple(patient_interval(side, patients)[0] for side in per_image.T)
    return Delta(
        (means[0], means[1]),
        *patient_interval(per_image[:, 0] - per_image[:, 1], patients),
        difference_band(*chance),
    )


def difference_band(*sides: tuple[np.ndarray, float]) -> float:
    """Half the width of the 95 % band of what chance alone makes of two recipes' difference of
    means.

    sides: for each recipe its null differences and a factor f: 1 / seeds for one image, and for a
    mean of images with the weights w the sum of w^2 / seeds. A null difference is that of two fits,
    so n of them give the variance of one fit s^2 = mean(x^2) / 2 with n degrees of freedom, and

        band = t(0.975, df) * sqrt(s1^2 f1 + s2^2 f2),    df by Welch and Satterthwaite

    nan below 3 null differences of either. Plain fits' chaos stands for that of all lambdas, as in
    `stats.null_band`. What a seed does is no chance here: paired, what it does to both cancels;
    unlike seeds put all of it on top. So the band speaks of the seeds that were run, not of others.
    """
    if min(len(nulls) for nulls, _ in sides) < FEWEST_NULLS:
        return math.nan
    variances = [float(np.mean(np.square(nulls))) / 2 * factor for nulls, factor in sides]
    if not any(variances):
        return 0.0
    df = sum(variances) ** 2 / sum(
        v**2 / len(nulls) for v, (nulls, _) in zip(variances, sides, strict=True)
    )
    return t_quantile(int(df + 1e-9)) * math.sqrt(sum(variances))  # rounded down: never too narrow


def _conclusion(
    scored: Scored,
    loss: str | None,
    lam: float,
    metric: str,
    sides: tuple[Fits, Fits],
    images: Sequence[tuple[Image, Image]],
    seeds: Seeds,
) -> Conclusion:
    """What both recipes say of SINCO - plain in one metric, over the images and seeds of both."""
    patients, differences, disagreements = [], [], []
    for pair in images:
        gaps = _measured(
            [
                [
                    scored.value(key, metric, loss, side.readers)
                    - scored.value(twin, metric, loss, side.readers)
                    for key, twin in image.pairs
                ]
                for image, side in zip(pair, sides, strict=True)
            ],
            bool(seeds.paired),
        )
        if not all(map(len, gaps)):
            continue
        (a, b), bands = (
            map(float, map(np.mean, gaps)),
            (_band(pair[0], metric, len(gaps[0])), _band(pair[1], metric, len(gaps[1]))),
        )
        said = verdict(gain(metric, a), bands[0]), verdict(gain(metric, b), bands[1])
        patients.append(pair[0].patient)
        differences.append((a, b))
        if said[0] != said[1] or "unknown" in said:
            how = "unknown" if "unknown" in said else "tie" if "tie" in said else "opposite"
            disagreements.append(Disagreement(pair[0].sample_id, how, said, (a, b), bands))
    disagreements.sort(
        key=lambda one: (
            one.how != "opposite",
            one.how,
            -abs(one.differences[0] - one.differences[1]),
        )
    )
    totals = [patient_interval([both[side] for both in differences], patients) for side in (0, 1)]
    return Conclusion(
        lam,
        metric,
        len(patients),
        len(patients) - len(disagreements),
        disagreements,
        (totals[0], totals[1]),
    )


def _band(image: Image, metric: str, seeds: int) -> float | None:
    """The band of an image's verdict over fewer seeds than it has: it goes with 1 / sqrt(seeds),
    see `stats.null_band`.
    """
    found = image.differences[metric]
    return None if found.band is None else found.band * math.sqrt(found.seeds / seeds)


def as_json(agreement: Agreement) -> dict[str, Any]:
    """Plain values, with None where a number is not finite."""
    sizes = [{"inr_args": json.loads(args), "bits": bits} for args, bits in agreement.sizes]
    found: dict[str, Any] = plain(
        {
            name: value
            for name, value in asdict(agreement).items()
            if name not in ("sizes", "metrics")
        }
        | {"sizes": sizes}
    )
    return found

"""Do two recipes agree? Their quality at equal bytes, and whether both conclude the same about SINCO."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from benchmark.report.ways import Fits, Setting, Way, ways_of
from benchmark.report.words import lambda_text, plain
from benchmark.scored import Scored, once
from benchmark.stats import FEWEST_NULLS, Image, patient_interval, t_quantile

METRICS = ("psnr_db", "dice", "dice_eval")
PSNR_LIMIT_DB = -0.1  # equal quality: the mean PSNR is not further below the reference's
BPP_TOLERANCE = 0.01  # "the same bytes", of the bpp
SOURCES = {"inr_source": "the backbone's source", "fit_version": "the version of the step loop",
           "precision": "the precision of the network in the loss"}  # what two recipes may differ in, and is said


@dataclass(frozen=True)
class Delta:
    """A metric's mean of each recipe over patients, the difference with its 95 % interval, and the null band of it (nan: none)."""

    means: tuple[float, float]
    difference: float
    low: float
    high: float
    band: float


NO_DELTA = Delta((math.nan, math.nan), math.nan, math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Cost:
    """The files of one recipe on the images of both: how many, their mean rate, and what a fit took."""

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

    @property
    def same_bytes(self) -> bool:
        first, second = (cost.bpp for cost in self.costs)
        return abs(first - second) <= BPP_TOLERANCE * second


@dataclass(frozen=True)
class Disagreement:
    """One image on which the recipes name different winners. how: opposite, tie (one of them ties) or unknown (no band)."""

    sample_id: str
    how: str
    verdicts: tuple[str, str]
    differences: tuple[float, float]
    bands: tuple[float | None, float | None]


@dataclass(frozen=True)
class Conclusion:
    """One lambda and metric: on how many images both recipes have the same verdict on SINCO - plain, and both totals."""

    lam: float
    metric: str
    images: int
    same: int
    disagreements: list[Disagreement]
    totals: tuple[tuple[float, float, float], tuple[float, float, float]]  # mean, low, high over patients

    def count(self, how: str) -> int:
        return sum(one.how == how for one in self.disagreements)

    def total(self, side: int) -> str:
        """win or loss where the interval over patients leaves out 0, else open; unknown of a single patient."""
        _, low, high = self.totals[side]
        return "unknown" if math.isnan(low) else "win" if low > 0 else "loss" if high < 0 else "open"

    @property
    def same_total(self) -> bool:
        return self.total(0) == self.total(1) != "unknown"


@dataclass(frozen=True, eq=False)
class Agreement:
    """Two recipes in one setting; the second is the reference: the one of more steps, or of the fresher penalty."""

    setting: Setting
    labels: tuple[str, str]
    sizes: dict[tuple[str, int], None]  # arguments of the backbone as JSON, bits a weight
    qualities: list[Quality]
    conclusions: list[Conclusion]
    notes: list[str]


@once
def agreements(scored: Scored) -> list[Agreement]:
    """Each pair of recipes that a store holds for the same images, backbone, size, bits, network in the loss and lambda."""
    found = {(id(row.facts.get("recipe")), row.facts.get("init")): row.facts.get("recipe") for row in scored.rows}  # rows share theirs
    if len({(init, json.dumps(recipe, sort_keys=True)) for (_, init), recipe in found.items() if recipe}) < 2:
        return []
    pairs = [_agreement(scored, setting, first, second) for setting, ways in ways_of(scored).items()
             for second, first in combinations(ways, 2) if not first.same(second)]
    return [pair for pair in pairs if pair.qualities]


def _agreement(scored: Scored, setting: Setting, first: Way, second: Way) -> Agreement:
    found = Agreement(setting, (first.label, second.label), {}, [], [], [])
    for lam in sorted(first.fits.keys() & second.fits.keys()):
        a, b = first.fits[lam], second.fits[lam]
        images = [(a.images[who], b.images[who]) for who in a.images if who in b.images]
        if not images or a is b:  # recipes that differ by their penalty only share their plain fits
            continue
        found.sizes.update(dict.fromkeys(who[2:] for who in a.images if who in b.images))
        found.qualities.append(_quality(scored, setting.loss, lam, (a, b), images))
        if lam:
            found.conclusions.extend(one for metric in METRICS if (one := _conclusion(lam, metric, images)).images)
        if set(a.readers) != set(b.readers):
            found.notes.append(f"lambda {lambda_text(lam)}: not the same networks read both recipes' files; the table's Dice (eval) is of "
                               "those that did, each recipe's own verdicts are of all of its own")
    for name, words in SOURCES.items():
        if name in first.settings and name in second.settings and first.settings[name] != second.settings[name]:
            found.notes.append(f"{words} differs: {first.settings[name]} and {second.settings[name]}".replace('"', ""))
    return found


def _quality(scored: Scored, loss: str | None, lam: float, sides: tuple[Fits, Fits], images: Sequence[tuple[Image, Image]]) -> Quality:
    others = [reader for reader in sides[0].readers if reader in sides[1].readers and reader != loss]
    deltas = {metric: _delta(scored, metric, loss, others, images) for metric in METRICS}
    costs = [_cost(scored, [pair[i] for pair in images], sides[i].lost) for i in (0, 1)]
    return Quality(lam, len(images), len({image.patient for image, _ in images}),
                   {metric: delta for metric, delta in deltas.items() if delta}, (costs[0], costs[1]))


def _cost(scored: Scored, images: Sequence[Image], lost: int) -> Cost:
    facts = [[scored.by_key[key].facts for key, _ in image.pairs] for image in images]

    def mean(name: str) -> float:
        return float(np.mean([np.mean([math.nan if one.get(name) is None else one[name] for one in seeds]) for seeds in facts]))

    kernels = {f"{one.get('kernel', '-')} {one.get('device', '')}".strip() for seeds in facts for one in seeds}
    return Cost(sum(map(len, facts)), lost, mean("bpp"), mean("fit_seconds"), "+".join(sorted(kernels)))


def _delta(scored: Scored, metric: str, loss: str | None, others: Sequence[str], images: Sequence[tuple[Image, Image]]) -> Delta | None:
    """The recipes' difference in `metric` over the images on which both have it; None where there are none."""
    def read(keys: Sequence[tuple[str, ...]]) -> np.ndarray:
        values = np.array([[scored.value(key, metric, loss, others) for key in pair] for pair in keys]).reshape(len(keys), -1)
        return values[np.isfinite(values).all(1)]

    fits = [[read([(key,) for key, _ in image.pairs]) for image in pair] for pair in images]
    kept = [i for i, pair in enumerate(fits) if len(pair[0]) and len(pair[1])]
    if not kept:
        return None
    patients = [images[i][0].patient for i in kept]
    per_image = np.array([[seeds.mean() for seeds in fits[i]] for i in kept])
    counts = Counter(patients)
    weights = np.array([1 / (len(counts) * counts[patient]) for patient in patients])  # of an image in the mean over patients
    chance = []
    for side in (0, 1):
        nulls = [read(images[i][side].nulls) for i in kept if images[i][side].nulls]
        chance.append((np.concatenate([np.subtract(*pair.T) for pair in nulls]) if nulls else np.empty(0),
                       float(np.sum(weights**2 / [len(fits[i][side]) for i in kept]))))
    means = tuple(patient_interval(side, patients)[0] for side in per_image.T)
    return Delta((means[0], means[1]), *patient_interval(per_image[:, 0] - per_image[:, 1], patients), difference_band(*chance))


def difference_band(*sides: tuple[np.ndarray, float]) -> float:
    """Half the width of the 95 % band of what chance alone makes of two recipes' difference of means.

    sides: for each recipe its null differences and a factor f: 1 / seeds for one image, and for a mean of images with the
    weights w the sum of w^2 / seeds. A null difference is that of two fits, so n of them give the variance of one fit
    s^2 = mean(x^2) / 2 with n degrees of freedom, and

        band = t(0.975, df) * sqrt(s1^2 f1 + s2^2 f2),    df by Welch and Satterthwaite

    nan below 3 null differences of either. Plain fits' chaos stands for that of all lambdas, as in `stats.null_band`.
    """
    if min(len(nulls) for nulls, _ in sides) < FEWEST_NULLS:
        return math.nan
    variances = [float(np.mean(np.square(nulls))) / 2 * factor for nulls, factor in sides]
    if not any(variances):
        return 0.0
    df = sum(variances) ** 2 / sum(v**2 / len(nulls) for v, (nulls, _) in zip(variances, sides, strict=True))
    return t_quantile(int(df + 1e-9)) * math.sqrt(sum(variances))  # rounded down: never too narrow


def _conclusion(lam: float, metric: str, images: Sequence[tuple[Image, Image]]) -> Conclusion:
    """What both recipes say of SINCO - plain in one metric, over the images of both."""
    found = [(pair, (pair[0].differences[metric], pair[1].differences[metric])) for pair in images
             if all(metric in image.differences for image in pair)]
    disagreements = []
    for pair, (a, b) in found:
        if a.verdict != b.verdict or a.verdict == "unknown":
            how = "unknown" if "unknown" in (a.verdict, b.verdict) else "tie" if "tie" in (a.verdict, b.verdict) else "opposite"
            disagreements.append(Disagreement(pair[0].sample_id, how, (a.verdict, b.verdict), (a.difference, b.difference),
                                              (a.band, b.band)))
    disagreements.sort(key=lambda one: (one.how != "opposite", one.how, -abs(one.differences[0] - one.differences[1])))
    patients = [pair[0].patient for pair, _ in found]
    totals = [patient_interval([differences[side].difference for _, differences in found], patients) for side in (0, 1)]
    return Conclusion(lam, metric, len(found), len(found) - len(disagreements), disagreements, (totals[0], totals[1]))


def as_json(agreement: Agreement) -> dict[str, Any]:
    """Plain values, with None where a number is not finite."""
    sizes = [{"inr_args": json.loads(args), "bits": bits} for args, bits in agreement.sizes]
    found: dict[str, Any] = plain({name: value for name, value in asdict(agreement).items() if name != "sizes"} | {"sizes": sizes})
    return found

"""The numbers behind the agreement of two recipes: how far apart their files are, what chance alone
makes of it, and what each says of SINCO.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmark.report.recipes import Fits, Seeds
from benchmark.stats.compare import (
    FEWEST_NULLS,
    Image,
    gain,
    patient_interval,
    t_quantile,
    verdict,
)
from benchmark.store.view import Scored

# As far as the store's readers give them.
METRICS = ("psnr_db", "dice", "dice_eval", "kl", "kl_eval")
BPP_TOLERANCE = 0.01  # "the same bytes", of the bpp
Total = tuple[float, float, float]  # mean, low, high over patients
Pair = tuple[Image, Image]  # one image of both recipes


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
        first, second = self.costs
        return abs(first.bpp - second.bpp) <= BPP_TOLERANCE * second.bpp


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
    totals: tuple[Total, Total]

    def count(self, how: str) -> int:
        return sum(one.how == how for one in self.disagreements)

    def total(self, side: int) -> str:
        """win or loss where the interval over patients leaves out 0, else open; unknown of a single
        patient.
        """
        low, high = sorted(gain(self.metric, bound) for bound in self.totals[side][1:])
        if math.isnan(low):
            return "unknown"
        if low > 0:
            return "win"
        return "loss" if high < 0 else "open"

    @property
    def same_total(self) -> bool:
        return self.total(0) == self.total(1) != "unknown"


def quality_of(
    scored: Scored,
    loss: str | None,
    lam: float,
    sides: tuple[Fits, Fits],
    images: Sequence[Pair],
    seeds: Seeds,
) -> Quality:
    """How far two recipes' files are from each other at one lambda. loss: hash of the network in
    the loss.
    """
    others = []
    for reader in sides[0].readers:
        if reader in sides[1].readers and reader != loss:
            others.append(reader)
    deltas = {}
    for metric in METRICS:
        delta = _delta(scored, metric, loss, others, images, bool(seeds.paired))
        if delta is not None:
            deltas[metric] = delta
    costs = _cost(scored, images, 0, sides[0].lost), _cost(scored, images, 1, sides[1].lost)
    patients = {image.patient for image, _ in images}
    return Quality(lam, len(images), len(patients), deltas, costs, seeds)


def _cost(scored: Scored, images: Sequence[Pair], side: int, lost: int) -> Cost:
    """Means over images of the means over their seeds, of one recipe."""
    bpp, seconds, kernels, fits = [], [], set(), 0
    for pair in images:
        facts = [scored.by_key[key].facts for key, _ in pair[side].pairs]
        fits += len(facts)
        bpp.append(_mean_fact(facts, "bpp"))
        seconds.append(_mean_fact(facts, "fit_seconds"))
        for one in facts:
            kernels.add(f"{one.get('kernel', '-')} {one.get('device', '')}".strip())
    return Cost(fits, lost, float(np.mean(bpp)), float(np.mean(seconds)), "+".join(sorted(kernels)))


def _mean_fact(facts: Iterable[dict[str, Any]], name: str) -> float:
    """The mean of a fact; nan where a cell has none."""
    values = []
    for one in facts:
        value = one.get(name)
        values.append(math.nan if value is None else value)
    return float(np.mean(values))


def _measured(
    first: Sequence[float], second: Sequence[float], paired: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Both recipes' values of one image, fit by fit, without those not measured and, where
    `paired`, the other recipe's of that seed.
    """
    a, b = np.array(first), np.array(second)
    well_a, well_b = np.isfinite(a), np.isfinite(b)
    if paired:
        well_a = well_b = well_a & well_b
    return a[well_a], b[well_b]


def _delta(
    scored: Scored,
    metric: str,
    loss: str | None,
    others: Sequence[str],
    images: Sequence[Pair],
    paired: bool,
) -> Delta | None:
    """The recipes' difference in `metric` over the images on which both have it; None where there
    are none.
    """

    def value(key: str) -> float:
        return scored.value(key, metric, loss, others)

    def values(image: Image) -> list[float]:
        return [value(key) for key, _ in image.pairs]

    kept: list[Pair] = []
    patients: list[str] = []
    fits: list[tuple[np.ndarray, np.ndarray]] = []
    for pair in images:
        measured = _measured(values(pair[0]), values(pair[1]), paired)
        if len(measured[0]) and len(measured[1]):
            kept.append(pair)
            patients.append(pair[0].patient)
            fits.append(measured)
    if not kept:
        return None
    counts = Counter(patients)
    # Of an image in the mean over patients.
    weights = np.array([1 / (len(counts) * counts[patient]) for patient in patients])
    means, per_image, chance = [], [], []
    for side in (0, 1):
        seeds = np.array([len(both[side]) for both in fits])
        per_image.append(np.array([both[side].mean() for both in fits]))
        means.append(patient_interval(per_image[side].tolist(), patients)[0])
        nulls = []  # of all seeds
        for pair in kept:
            for null, twin in pair[side].nulls:
                nulls.append(value(null) - value(twin))
        measured_nulls = np.array(nulls)
        measured_nulls = measured_nulls[np.isfinite(measured_nulls)]
        factor = float(np.sum(weights**2 / seeds))
        chance.append((measured_nulls, factor))
    difference = patient_interval((per_image[0] - per_image[1]).tolist(), patients)
    return Delta((means[0], means[1]), *difference, difference_band(*chance))


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
    variances, degrees = [], 0.0
    for nulls, factor in sides:
        if len(nulls) < FEWEST_NULLS:
            return math.nan
        variance = float(np.mean(np.square(nulls))) / 2 * factor
        variances.append(variance)
        degrees += variance**2 / len(nulls)
    total = sum(variances)
    if not total:
        return 0.0
    # Rounded down: never too narrow.
    return t_quantile(int(total**2 / degrees + 1e-9)) * math.sqrt(total)


def conclusion_of(
    scored: Scored,
    loss: str | None,
    lam: float,
    metric: str,
    sides: tuple[Fits, Fits],
    images: Sequence[Pair],
    seeds: Seeds,
) -> Conclusion:
    """What both recipes say of SINCO - plain in one metric, over the images and seeds of both."""
    patients: list[str] = []
    differences: tuple[list[float], list[float]] = [], []
    disagreements = []
    for pair in images:
        first = _gaps(scored, metric, loss, pair[0], sides[0])
        second = _gaps(scored, metric, loss, pair[1], sides[1])
        gaps = _measured(first, second, bool(seeds.paired))
        if not (len(gaps[0]) and len(gaps[1])):
            continue
        a, b = float(np.mean(gaps[0])), float(np.mean(gaps[1]))
        bands = _band(pair[0], metric, len(gaps[0])), _band(pair[1], metric, len(gaps[1]))
        said = verdict(gain(metric, a), bands[0]), verdict(gain(metric, b), bands[1])
        patients.append(pair[0].patient)
        differences[0].append(a)
        differences[1].append(b)
        if said[0] != said[1] or "unknown" in said:
            found = Disagreement(pair[0].sample_id, _how(said), said, (a, b), bands)
            disagreements.append(found)
    disagreements.sort(key=_telling)
    totals = patient_interval(differences[0], patients), patient_interval(differences[1], patients)
    same = len(patients) - len(disagreements)
    return Conclusion(lam, metric, len(patients), same, disagreements, totals)


def _gaps(scored: Scored, metric: str, loss: str | None, image: Image, side: Fits) -> list[float]:
    """SINCO - plain of each fit of one image."""
    gaps = []
    for key, twin in image.pairs:
        sinco = scored.value(key, metric, loss, side.readers)
        gaps.append(sinco - scored.value(twin, metric, loss, side.readers))
    return gaps


def _how(said: tuple[str, str]) -> str:
    if "unknown" in said:
        return "unknown"
    return "tie" if "tie" in said else "opposite"


def _telling(one: Disagreement) -> tuple[bool, str, float]:
    """Opposite verdicts first, then those that are furthest apart."""
    return one.how != "opposite", one.how, -abs(one.differences[0] - one.differences[1])


def _band(image: Image, metric: str, seeds: int) -> float | None:
    """The band of an image's verdict over fewer seeds than it has: it goes with 1 / sqrt(seeds),
    see `stats.null_band`.
    """
    found = image.differences[metric]
    return None if found.band is None else found.band * math.sqrt(found.seeds / seeds)

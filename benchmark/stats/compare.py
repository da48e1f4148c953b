"""Who wins: paired differences, null bands, intervals, ties. Views of a store; no fits, no pandas,
no torch.

A pair is a SINCO fit and its lambda = 0 twin: same image, seed, rate and recipe. Fits are chaotic,
so a shared seed pairs little: a null twin (weights scaled by 1 + 1e-7 at the start) differs from
the plain twin by tenths of a dB. Those null differences are what a paired difference is judged by
(`null_band`). A failed cell is counted, never left out in silence.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from benchmark.stats.bands import (
    FEWEST_NULLS,
    null_band,
    patient_interval,
    rms,
    t_quantile,
    verdict,
)
from benchmark.store.store import Row
from benchmark.store.view import Scored, is_fit, is_sinco, once

__all__ = [
    "FEWEST_NULLS",
    "METRICS",
    "LOWER",
    "Comparison",
    "Difference",
    "Group",
    "Image",
    "Summary",
    "compare",
    "failures",
    "gain",
    "metrics_of",
    "null_band",
    "patient_interval",
    "read_by",
    "rms",
    "t_quantile",
    "verdict",
]

# What is compared. Higher is better, but for those in LOWER.
METRICS = ("psnr_db", "ssim", "dice", "dice_eval", "label_kept", "label_kept_eval", "kl", "kl_eval")
LOWER = ("kl", "kl_eval")
# To sort by where no band is.
SENSIBLE = {
    "psnr_db": 1.0,
    "ssim": 0.02,
    "dice": 0.1,
    "dice_eval": 0.1,
    "label_kept": 0.1,
    "label_kept_eval": 0.1,
    "kl": 0.1,
    "kl_eval": 0.1,
}


@once
def metrics_of(scored: Scored) -> tuple[str, ...]:
    """Those of METRICS that a store's readers can give: without a classifier none of labels, and
    the other way round.
    """
    if not scored.label_readers:
        return METRICS[:4]
    of_readers = [metric for metric in METRICS[2:] if _is_given(scored, metric)]
    return (*METRICS[:2], *of_readers)


def _is_given(scored: Scored, metric: str) -> bool:
    """Whether a reader of the store gives a metric: one in a loss, or for `_eval` one that was in
    none or not in all of them.
    """
    known = {*scored.readers, *scored.losses}
    readers = set(scored.readers_of(metric.removesuffix("_eval"), known))
    losses = set(scored.losses)
    if not metric.endswith("_eval"):
        return not readers.isdisjoint(losses)
    if len(losses) > 1:  # whoever is in one loss was not in another
        return bool(readers)
    return bool(readers - losses)


def gain(metric: str, difference: float) -> float:
    """A difference in a metric, above 0 where it is for the better."""
    return -difference if metric in LOWER else difference


@dataclass(frozen=True)
class Group:
    """What a comparison holds fixed."""

    dataset: str
    inr: str
    segmenter: str
    segmenter_hash: str
    lam: float
    settings: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, scored: Scored, row: Row) -> Group:
        facts = row.facts
        return cls(
            facts["dataset"],
            facts["inr"],
            facts["segmenter"],
            facts["segmenter_hash"],
            facts["lambda"],
            scored.settings(row, penalty=True),
        )


@dataclass(frozen=True)
class Difference:
    """One image and one metric: means over the seeds whose SINCO fit and twin both have it."""

    metric: str
    plain: float
    sinco: float
    difference: float
    seeds: int
    band: float | None
    verdict: str  # win, tie, loss or unknown

    @property
    def gain(self) -> float:
        """The difference, above 0 where SINCO is better."""
        return gain(self.metric, self.difference)

    @property
    def severity(self) -> float:
        """The gain in bands, for sorting: -1 is a loss that just leaves the band."""
        yardstick = SENSIBLE[self.metric] if self.band is None else self.band
        if yardstick == 0:
            return math.copysign(math.inf, self.gain) if self.gain else 0.0
        return self.gain / yardstick


@dataclass
class Image:
    """One image of a comparison: its pairs of keys (SINCO, twin), null pairs (null twin, twin), and
    what went wrong.
    """

    sample_id: str
    sample_hash: str
    patient: str
    pairs: list[tuple[str, str]] = field(default_factory=list)
    nulls: list[tuple[str, str]] = field(default_factory=list)
    failed: int = 0  # SINCO fits that failed or diverged
    unpaired: int = 0  # SINCO fits that are well but whose twin is not
    differences: dict[str, Difference] = field(default_factory=dict)

    @property
    def severity(self) -> float:
        """The worst of its differences, in bands; an image that failed altogether comes first."""
        return min((d.severity for d in self.differences.values()), default=-math.inf)


@dataclass(frozen=True)
class Summary:
    """One metric over all images of a comparison. `floor`: rms of single null differences, nan
    where there are none.
    """

    metric: str
    images: int
    patients: int
    wins: int
    ties: int
    losses: int
    unknown: int
    mean: float
    low: float
    high: float
    floor: float
    nulls: int
    # The null band of `mean`, of equally chaotic images; nan below 3 null differences.
    mean_band: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """SINCO against its plain twins, one backbone, segmenter and lambda; images where SINCO is
    worse first.
    """

    group: Group
    readers: tuple[str, ...]  # hashes of the readers behind dice_eval
    images: list[Image]
    summaries: dict[str, Summary]

    @property
    def failed(self) -> int:
        return sum(image.failed for image in self.images)

    @property
    def unpaired(self) -> int:
        return sum(image.unpaired for image in self.images)

    @property
    def seeds(self) -> int:
        return max((len(image.pairs) for image in self.images), default=0)


@once
def compare(scored: Scored) -> list[Comparison]:
    """Every comparison that the store holds, by data set, backbone, segmenter and lambda."""
    members: dict[Group, list[Row]] = defaultdict(list)
    nulls: dict[str, list[str]] = defaultdict(list)
    for row in scored.rows:
        if is_sinco(row):
            members[Group.of(scored, row)].append(row)
        elif is_fit(row) and row.facts.get("null") and row.status == "ok":
            nulls[row.facts.get("twin") or ""].append(row.key)
    out = []
    for group in sorted(members, key=_order):
        out.append(_comparison(scored, group, members[group], nulls))
    return out


def _order(group: Group) -> tuple[Any, ...]:
    """Where a comparison stands among others: one that differs in lambda alone is beside it."""
    who = (group.dataset, group.inr, group.segmenter, group.segmenter_hash)
    return (*who, group.settings, group.lam)


def _comparison(
    scored: Scored, group: Group, rows: list[Row], nulls: Mapping[str, list[str]]
) -> Comparison:
    images = _images_of(scored, rows, nulls)
    others = scored.others(group.segmenter_hash, (row.key for row in rows))
    summaries = {}
    for metric in METRICS:
        summary = _compare_metric(scored, group, images, metric, others)
        if summary.images:
            summaries[metric] = summary
    ordered = sorted(images, key=lambda image: (image.severity, image.sample_id))
    return Comparison(group, tuple(others), ordered, summaries)


def _images_of(scored: Scored, rows: Sequence[Row], nulls: Mapping[str, list[str]]) -> list[Image]:
    """The images of some SINCO fits, with the pairs that can be compared and what went wrong."""
    images: dict[tuple[str, str], Image] = {}
    for row in rows:
        who = row.facts["sample_id"], row.sample_hash
        image = images.setdefault(who, Image(*who, row.facts["patient"]))
        twin = row.facts.get("twin") or ""
        twin_is_well = twin in scored.by_key and scored.by_key[twin].status == "ok"
        if twin_is_well:  # also where the SINCO fit failed: its twins still tell the noise floor
            for null in nulls.get(twin, []):
                if scored.even(null, twin):
                    image.nulls.append((null, twin))
        if row.status != "ok":
            image.failed += 1
        elif not twin_is_well or not scored.even(row.key, twin):
            image.unpaired += 1
        else:
            image.pairs.append((row.key, twin))
    return list(images.values())


def _compare_metric(
    scored: Scored, group: Group, images: list[Image], metric: str, others: list[str]
) -> Summary:
    """Write each image's difference in `metric` into it and return their summary."""

    def both(keys: list[tuple[str, str]]) -> np.ndarray:
        """Values [n, 2] of the pairs that both have the metric."""
        read = []
        for pair in keys:
            for key in pair:
                read.append(scored.value(key, metric, group.segmenter_hash, others))
        values = np.array(read).reshape(-1, 2)
        finite: np.ndarray = values[np.isfinite(values).all(1)]
        return finite

    own = [np.subtract(*both(image.nulls).T) for image in images]
    pooled = np.concatenate(own)
    compared: list[Image] = []
    for image, null in zip(images, own, strict=True):
        pairs = both(image.pairs)
        if len(pairs):
            image.differences[metric] = _difference(metric, pairs, pooled, null)
            compared.append(image)
    return _summary(metric, compared, pooled)


def _difference(metric: str, pairs: np.ndarray, pooled: np.ndarray, null: np.ndarray) -> Difference:
    """Of one image: values (SINCO, plain) [seeds, 2], all null differences, and its own."""
    sinco, plain = pairs.mean(0)
    difference = float(np.mean(pairs[:, 0] - pairs[:, 1]))
    band = null_band(pooled, null, len(pairs))
    return Difference(
        metric=metric,
        plain=float(plain),
        sinco=float(sinco),
        difference=difference,
        seeds=len(pairs),
        band=band,
        verdict=verdict(gain(metric, difference), band),
    )


def _summary(metric: str, images: Sequence[Image], pooled: np.ndarray) -> Summary:
    """Of the images that have a difference in a metric, given all null differences."""
    differences: list[float] = []
    names: list[str] = []
    verdicts: Counter[str] = Counter()
    for image in images:
        found = image.differences[metric]
        differences.append(found.difference)
        names.append(image.patient)
        verdicts[found.verdict] += 1
    patients = Counter(names)
    mean, low, high = patient_interval(differences, names)
    floor = rms(pooled) if len(pooled) else math.nan
    mean_band = math.nan
    if len(pooled) >= FEWEST_NULLS:
        # The mean over patients weighs an image with 1 / (patients * its patient's images), and
        # chaos is independent.
        weights = []
        for image in images:
            seeds = image.differences[metric].seeds
            weights.append(1 / (len(patients) * patients[image.patient] * math.sqrt(seeds)))
        mean_band = t_quantile(len(pooled)) * floor * math.hypot(*weights)
    return Summary(
        metric=metric,
        images=len(images),
        patients=len(patients),
        wins=verdicts["win"],
        ties=verdicts["tie"],
        losses=verdicts["loss"],
        unknown=verdicts["unknown"],
        mean=mean,
        low=low,
        high=high,
        floor=floor,
        nulls=len(pooled),
        mean_band=mean_band,
    )


def read_by(scored: Scored, comparison: Comparison, reader: str) -> tuple[Summary, list[Image]]:
    """Dice of a comparison's fits as one reader sees them: the summary, and the images with that
    difference alone.
    """
    images = [replace(image, differences={}) for image in comparison.images]
    group = replace(comparison.group, segmenter_hash=reader)
    return _compare_metric(scored, group, images, "dice", []), images


def failures(scored: Scored) -> list[Row]:
    """Cells that failed or diverged; each says why."""
    return [row for row in scored.rows if row.status != "ok"]

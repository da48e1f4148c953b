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

import numpy as np
from scipy.special import stdtrit

from benchmark.store.store import Row
from benchmark.store.view import Scored, is_fit, is_sinco, once

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
FEWEST_NULLS = 3


def t_quantile(df: int) -> float:
    """The 0.975 quantile of Student's t: half of a two-sided 95 % interval, in standard errors."""
    return float(stdtrit(df, 0.975))


def rms(values: np.ndarray) -> float:
    """sqrt(mean(x^2)): the spread of differences whose mean is zero by construction."""
    return float(np.sqrt(np.mean(np.square(values))))


def null_band(pooled: np.ndarray, own: np.ndarray, seeds: int) -> float | None:
    """How far the mean of `seeds` paired differences of one image moves by chance: half the width
    of a 95 % band.

    pooled: all null differences (null twin - plain twin) of the comparison; own: those of this
    image. n = len(pooled):

        band = t(0.975, n) * max(rms(pooled), rms(own) where own has at least 3) / sqrt(seeds)

    and None where n < 3. Null differences have mean zero by construction, so n of them leave n
    degrees of freedom; a SINCO fit and its twin differ by two draws of chaos as two twins do, as
    long as lambda leaves chaos as it is.

    Sound? In a simulation where lambda does nothing, verdicts other than tie come out at 4-5 %
    where all images are equally chaotic. Where chaos differs about 8-fold between images, one seed
    gives 7 %, but 40 % on the most chaotic image; three to five seeds give 2-3 %, and about 10 %
    there, thanks to the image's own nulls. So one seed screens, several decide, and among many
    images a few verdicts are chance. The band speaks of the seeds and images that were run (the
    interval of the total: of other patients), and not of a lambda so large that it makes fits more
    chaotic.
    """
    if len(pooled) < FEWEST_NULLS:
        return None
    spread = max(rms(pooled), rms(own)) if len(own) >= FEWEST_NULLS else rms(pooled)
    return t_quantile(len(pooled)) * spread / math.sqrt(seeds)


@once
def metrics_of(scored: Scored) -> tuple[str, ...]:
    """Those of METRICS that a store's readers can give: without a classifier none of labels, and
    the other way round.
    """
    if not scored.label_readers:
        return METRICS[:4]

    def given(metric: str) -> bool:
        readers = scored.readers_of(metric.removesuffix("_eval"), {*scored.readers, *scored.losses})
        if metric.endswith("_eval"):
            return any(reader != loss for reader in readers for loss in scored.losses or [None])
        return any(reader in scored.losses for reader in readers)

    return (*METRICS[:2], *filter(given, METRICS[2:]))


def gain(metric: str, difference: float) -> float:
    """A difference in a metric, above 0 where it is for the better."""
    return -difference if metric in LOWER else difference


def verdict(difference: float, band: float | None) -> str:
    """win or loss beyond the band, tie within it, unknown where no band was measured; of a `gain`."""
    if band is None:
        return "unknown"
    return "tie" if abs(difference) <= band else "win" if difference > 0 else "loss"


def patient_interval(
    differences: Sequence[float], patients: Sequence[str]
) -> tuple[float, float, float]:
    """(mean, low, high): the mean of the patients' means and its 95 % t interval; bounds are nan
    below 2 patients.

    Slices of one patient are not independent, so a patient counts once: mean +- t(0.975, P - 1) * s
    / sqrt(P).
    """
    by_patient: dict[str, list[float]] = defaultdict(list)
    for difference, patient in zip(differences, patients, strict=True):
        by_patient[patient].append(difference)
    means = np.array([np.mean(values) for values in by_patient.values()])
    if means.size == 0:
        return math.nan, math.nan, math.nan
    mean = float(means.mean())
    half = (
        t_quantile(means.size - 1) * float(means.std(ddof=1)) / math.sqrt(means.size)
        if means.size > 1
        else math.nan
    )
    return mean, mean - half, mean + half


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
    """One image and one metric: means over the seeds whose SINCO fit and twin both have the metric."""

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
    mean_band: (
        float  # the null band of `mean`, of equally chaotic images; nan below 3 null differences
    )


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
    """Every comparison that the store holds, ordered by data set, backbone, segmenter and lambda."""
    members: dict[Group, list[Row]] = defaultdict(list)
    nulls: dict[str, list[str]] = defaultdict(list)
    for row in scored.rows:
        if is_sinco(row):
            members[Group.of(scored, row)].append(row)
        elif is_fit(row) and row.facts.get("null") and row.status == "ok":
            nulls[row.facts.get("twin") or ""].append(row.key)
    order = sorted(
        members, key=lambda g: (g.dataset, g.inr, g.segmenter, g.segmenter_hash, g.settings, g.lam)
    )
    return [_comparison(scored, group, members[group], nulls) for group in order]


def _comparison(
    scored: Scored, group: Group, rows: list[Row], nulls: Mapping[str, list[str]]
) -> Comparison:
    images: dict[tuple[str, str], Image] = {}
    for row in rows:
        who = row.facts["sample_id"], row.sample_hash
        image = images.setdefault(who, Image(*who, row.facts["patient"]))
        twin = row.facts.get("twin") or ""
        twin_is_well = twin in scored.by_key and scored.by_key[twin].status == "ok"
        if twin_is_well:  # also where the SINCO fit failed: its twins still tell the noise floor
            image.nulls += [(null, twin) for null in nulls.get(twin, []) if scored.even(null, twin)]
        if row.status != "ok":
            image.failed += 1
        elif not twin_is_well or not scored.even(row.key, twin):
            image.unpaired += 1
        else:
            image.pairs.append((row.key, twin))
    others = scored.others(group.segmenter_hash, (row.key for row in rows))
    summaries = {
        metric: _compare_metric(scored, group, list(images.values()), metric, others)
        for metric in METRICS
    }
    ordered = sorted(images.values(), key=lambda image: (image.severity, image.sample_id))
    return Comparison(
        group, tuple(others), ordered, {m: s for m, s in summaries.items() if s.images}
    )


def _compare_metric(
    scored: Scored, group: Group, images: list[Image], metric: str, others: list[str]
) -> Summary:
    """Write each image's difference in `metric` into it and return their summary."""

    def both(keys: list[tuple[str, str]]) -> np.ndarray:
        read = np.array(
            [
                [scored.value(key, metric, group.segmenter_hash, others) for key in pair]
                for pair in keys
            ]
        )
        read = read.reshape(-1, 2)
        return read[np.isfinite(read).all(1)]

    own = [np.subtract(*both(image.nulls).T) for image in images]
    pooled = np.concatenate(own)
    found: list[tuple[Image, Difference]] = []
    for image, null in zip(images, own, strict=True):
        pairs = both(image.pairs)
        if len(pairs):
            sinco, plain = pairs.mean(0)
            difference, band = (
                float(np.mean(pairs[:, 0] - pairs[:, 1])),
                null_band(pooled, null, len(pairs)),
            )
            image.differences[metric] = Difference(
                metric,
                float(plain),
                float(sinco),
                difference,
                len(pairs),
                band,
                verdict(gain(metric, difference), band),
            )
            found.append((image, image.differences[metric]))
    mean, low, high = patient_interval(
        [d.difference for _, d in found], [image.patient for image, _ in found]
    )
    count = [d.verdict for _, d in found].count
    floor = rms(pooled) if len(pooled) else math.nan
    patients = Counter(image.patient for image, _ in found)
    # The mean over patients weighs an image with 1 / (patients * its patient's images), and chaos
    # is independent.
    weights = [
        1 / (len(patients) * patients[image.patient] * math.sqrt(d.seeds)) for image, d in found
    ]
    mean_band = (
        t_quantile(len(pooled)) * floor * math.hypot(*weights)
        if len(pooled) >= FEWEST_NULLS
        else math.nan
    )
    return Summary(
        metric,
        len(found),
        len(patients),
        count("win"),
        count("tie"),
        count("loss"),
        count("unknown"),
        mean,
        low,
        high,
        floor,
        len(pooled),
        mean_band,
    )


def read_by(scored: Scored, comparison: Comparison, reader: str) -> tuple[Summary, list[Image]]:
    """Dice of a comparison's fits as one reader sees them: the summary, and the images with that
    difference alone.
    """
    images = [replace(image, differences={}) for image in comparison.images]
    return (
        _compare_metric(
            scored, replace(comparison.group, segmenter_hash=reader), images, "dice", []
        ),
        images,
    )


def failures(scored: Scored) -> list[Row]:
    """Cells that failed or diverged; each says why."""
    return [row for row in scored.rows if row.status != "ok"]

"""Methods side by side: plain backbones, SINCO at each lambda, classical codecs; ranked by each
metric at one rate.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from benchmark.report.per_image import areas_of, bounds_of, right_of
from benchmark.report.words import backbone, lambda_text, told_apart
from benchmark.stats.compare import gain, metrics_of, patient_interval
from benchmark.store.store import Row
from benchmark.store.view import Scored, is_fit, is_plain

Image = tuple[str, str, str]  # sample id, hash, patient


@dataclass
class Method:
    """One way to make files of images. keys: image -> cells that went well, seeds together."""

    label: str
    keys: dict[Image, list[str]] = field(default_factory=lambda: defaultdict(list))
    failed: int = 0
    values: dict[str, dict[Image, float]] = field(
        default_factory=dict
    )  # metric -> image -> mean over seeds
    seconds: float = math.nan  # fit and encoding, mean a file
    bpp: float = math.nan

    def mean(self, metric: str) -> float:
        """Mean over patients of each patient's images; nan where the method has none."""
        values = self.values.get(metric, {})
        return patient_interval(list(values.values()), [patient for _, _, patient in values])[0]


@dataclass(frozen=True)
class Section:
    """What can be compared with each other: one data set, one rate, one network in the loss."""

    dataset: str
    rate: str
    loss: str | None  # hash of the network that `dice` is of
    readers: list[str]  # hashes of those that `dice_eval` and `kl_eval` are the means of
    methods: list[Method]
    original: dict[str, float]  # metric -> its mean on the original images


@dataclass(frozen=True)
class Place:
    """A method's place by one metric; behind, low and high: its paired difference to the method
    above it.
    """

    method: Method
    mean: float
    images: int
    behind: float  # nan for the first
    low: float
    high: float

    @property
    def tied(self) -> bool | None:
        """Whether the interval includes 0; None where there is no interval."""
        return None if math.isnan(self.low) else self.low <= 0 <= self.high


def rate_text(row: Row) -> str:
    bpp = row.facts.get("bpp_requested")
    return f"{row.facts.get('bits')} bits a weight" if bpp is None else f"{bpp:g} bpp"


def sections(scored: Scored) -> list[Section]:
    """All sections of a store, ordered by data set, rate and network in the loss."""
    rows = [row for row in scored.rows if "lambda" in row.facts and not row.facts.get("null")]
    names = sorted({(row.facts["dataset"], rate_text(row)) for row in rows})
    return [
        _section(
            scored,
            dataset,
            rate,
            loss,
            [
                row
                for row in rows
                if row.facts["dataset"] == dataset
                and rate_text(row) == rate
                and row.facts.get("segmenter_hash") in (None, loss)
            ],
        )
        for dataset, rate in names
        for loss in scored.losses or [None]
    ]


def _section(scored: Scored, dataset: str, rate: str, loss: str | None, rows: list[Row]) -> Section:
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[Row]] = defaultdict(list)
    for row in sorted(
        rows, key=lambda row: (not is_fit(row), row.facts["inr"], row.facts["lambda"], row.key)
    ):
        groups[_identity(scored, row)].append(row)
    readers = scored.others(loss, (row.key for row in rows))
    labels = told_apart([base for base, _ in groups], [dict(asked) for _, asked in groups])
    methods = [
        _method(scored, label, members, loss, readers)
        for label, members in zip(labels, groups.values(), strict=True)
    ]
    original = Method("original")
    original.keys.update(
        {image: [key] for method in methods for image, (key, *_) in method.keys.items()}
    )
    bounds = {
        metric: _by_image(scored, original, name, loss, readers)
        for metric, name in bounds_of(scored).items()
    }
    original.values.update(bounds)
    return Section(
        dataset, rate, loss, readers, methods, {metric: original.mean(metric) for metric in bounds}
    )


def _identity(scored: Scored, row: Row) -> tuple[str, tuple[tuple[str, str], ...]]:
    """A method's name and what may tell it from another of that name; a codec's files are one
    method at a rate.
    """
    facts = row.facts
    if not is_fit(row):
        return facts["codec"], ()
    if is_plain(row):
        plain = scored.settings(row, penalty=False)
        return backbone(facts["inr"], dict(plain)), (
            *plain,
            ("fidelity", str(facts.get("fidelity"))),
        )
    settings = scored.settings(row, penalty=True)
    return (
        (
            f"{backbone(facts['inr'], dict(settings))} + {facts['segmenter']}, lambda"
            f" {lambda_text(facts['lambda'])}"
        ),
        settings,
    )


def _method(
    scored: Scored, label: str, rows: list[Row], loss: str | None, readers: list[str]
) -> Method:
    method = Method(label)
    for row in rows:
        if row.status == "ok":
            method.keys[row.facts["sample_id"], row.sample_hash, row.facts["patient"]].append(
                row.key
            )
        else:
            method.failed += 1
    for metric in (*metrics_of(scored), *areas_of(scored), *right_of(scored)):
        method.values[metric] = _by_image(scored, method, metric, loss, readers)
    well = [row.facts for row in rows if row.status == "ok"]
    method.seconds = _mean(
        (facts.get("fit_seconds") or 0.0) + (facts.get("encode_seconds") or 0.0) for facts in well
    )
    method.bpp = _mean(facts["bpp"] for facts in well if facts.get("bpp") is not None)
    return method


def _by_image(
    scored: Scored, method: Method, metric: str, loss: str | None, readers: list[str]
) -> dict[Image, float]:
    means = {
        image: _mean(scored.value(key, metric, loss, readers) for key in keys)
        for image, keys in method.keys.items()
    }
    return {image: mean for image, mean in means.items() if not math.isnan(mean)}


def _mean(values: Iterable[float]) -> float:
    finite = [value for value in values if not math.isnan(value)]
    return (
        sum(finite) / len(finite) if finite else math.nan
    )  # np.mean takes ten times as long for five seeds


def ranking(section: Section, metric: str) -> list[Place]:
    """Methods by their mean, best first, each with its paired difference to the one above over the
    images of both.

    The interval is `patient_interval`'s; neighbours whose interval includes 0 are ties, whatever
    their order.
    """
    having = [method for method in section.methods if method.values.get(metric)]
    having.sort(key=lambda method: -gain(metric, method.mean(metric)))
    places = []
    for above, method in zip([None, *having], having, strict=False):
        mine = method.values[metric]
        theirs = above.values[metric] if above else {}
        common = [image for image in mine if image in theirs]
        difference = patient_interval(
            [mine[i] - theirs[i] for i in common], [patient for _, _, patient in common]
        )
        places.append(Place(method, method.mean(metric), len(mine), *difference))
    return places

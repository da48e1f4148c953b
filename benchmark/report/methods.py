"""Methods side by side: plain backbones, SINCO at each lambda, classical codecs; ranked by each
metric at one rate.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass, field

from benchmark.report.codecs import codec_of_row
from benchmark.report.numbered import recipe_numbers
from benchmark.report.per_image import areas_of, bounds_of, mean_of, right_of
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
    # metric -> image -> mean over seeds
    values: dict[str, dict[Image, float]] = field(default_factory=dict)
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
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in scored.rows:
        if "lambda" in row.facts and not row.facts.get("null"):
            groups[row.facts["dataset"], rate_text(row)].append(row)
    out = []
    for dataset, rate in sorted(groups):
        for loss in scored.losses or [None]:
            own = []
            for row in groups[dataset, rate]:
                if row.facts.get("segmenter_hash") in (None, loss):
                    own.append(row)
            out.append(_section(scored, dataset, rate, loss, own))
    return out


def _section(scored: Scored, dataset: str, rate: str, loss: str | None, rows: list[Row]) -> Section:
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], list[Row]] = defaultdict(list)
    for row in sorted(rows, key=_order):
        groups[_identity(scored, row)].append(row)
    readers = scored.others(loss, (row.key for row in rows))
    names, settings = [], []
    for name, asked in groups:
        names.append(name)
        settings.append(dict(asked))
    labels = told_apart(names, settings, recipe_numbers(scored))
    methods = []
    original = Method("original")
    for label, members in zip(labels, groups.values(), strict=True):
        method = _method(scored, label, members, loss, readers)
        methods.append(method)
        for image, (key, *_) in method.keys.items():
            original.keys[image] = [key]
    means = {}
    for metric, name in bounds_of(scored).items():
        original.values[metric] = _by_image(scored, original, name, loss, readers)
        means[metric] = original.mean(metric)
    return Section(dataset, rate, loss, readers, methods, means)


def _order(row: Row) -> tuple[bool, str, float, str]:
    """Fits before codecs, by backbone and lambda."""
    return not is_fit(row), row.facts["inr"], row.facts["lambda"], row.key


def _identity(scored: Scored, row: Row) -> tuple[str, tuple[tuple[str, str], ...]]:
    """A method's name and what may tell it from another of that name; a codec's files are one
    method at a rate.
    """
    facts = row.facts
    if not is_fit(row):
        return codec_of_row(scored, row).name, ()
    if is_plain(row):
        plain = scored.settings(row, penalty=False)
        fidelity = ("fidelity", str(facts.get("fidelity")))
        return backbone(facts["inr"], dict(plain)), (*plain, fidelity)
    settings = scored.settings(row, penalty=True)
    name = f"{backbone(facts['inr'], dict(settings))} + {facts['segmenter']}"
    return f"{name}, lambda {lambda_text(facts['lambda'])}", settings


def _method(
    scored: Scored, label: str, rows: list[Row], loss: str | None, readers: list[str]
) -> Method:
    method = Method(label)
    seconds, bpp = [], []
    for row in rows:
        facts = row.facts
        if row.status != "ok":
            method.failed += 1
            continue
        method.keys[facts["sample_id"], row.sample_hash, facts["patient"]].append(row.key)
        seconds.append((facts.get("fit_seconds") or 0.0) + (facts.get("encode_seconds") or 0.0))
        if facts.get("bpp") is not None:
            bpp.append(facts["bpp"])
    for metric in (*metrics_of(scored), *areas_of(scored), *right_of(scored)):
        method.values[metric] = _by_image(scored, method, metric, loss, readers)
    method.seconds, method.bpp = mean_of(seconds), mean_of(bpp)
    return method


def _by_image(
    scored: Scored, method: Method, metric: str, loss: str | None, readers: list[str]
) -> dict[Image, float]:
    """The means over seeds of the images that have a value."""
    means = {}
    for image, keys in method.keys.items():
        mean = mean_of(scored.value(key, metric, loss, readers) for key in keys)
        if not math.isnan(mean):
            means[image] = mean
    return means


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
        differences, patients = [], []
        for image, value in mine.items():
            if image in theirs:
                differences.append(value - theirs[image])
                patients.append(image[2])
        difference = patient_interval(differences, patients)
        places.append(Place(method, method.mean(metric), len(mine), *difference))
    return places

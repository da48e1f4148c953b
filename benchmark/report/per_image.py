"""Image by image: plain, SINCO and the peers side by side, their differences and what the null band
says of them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from benchmark.report.codecs import codec_of_row
from benchmark.stats.compare import Comparison, Difference, Group, Image, metrics_of
from benchmark.store.view import Scored, once


@dataclass(frozen=True)
class Line:
    """One image of one comparison.

    values: method (plain, sinco, a codec's name, original) -> metric -> mean over the seeds that
    have it, nan for none.
    """

    comparison: Comparison
    image: Image
    values: dict[str, dict[str, float]]


def peers(scored: Scored, sample_hash: str, group: Group) -> dict[str, list[str]]:
    """Codec -> keys of its files of an image, at the rate of a comparison and beside its plain
    fits.

    The optimizer's source may differ: a codec's file does not depend on it, and a run that was
    scored later may have a newer one.
    """
    out: dict[str, list[str]] = {}
    due = _without_source(group.settings)
    for row in scored.files.get(sample_hash, []):
        own = _without_source(scored.settings(row, penalty=False))
        if row.facts["inr"] == group.inr and own <= due:
            out.setdefault(codec_of_row(scored, row).name, []).append(row.key)
    return dict(sorted(out.items()))


@cache
def _without_source(settings: tuple[tuple[str, str], ...]) -> frozenset[tuple[str, str]]:
    found = dict(settings)
    recipe = json.loads(found.get("recipe", "{}"))
    recipe.pop("optimizer_source", None)
    return frozenset((found | {"recipe": json.dumps(recipe, sort_keys=True)}).items())


@once
def lines(scored: Scored, comparison: Comparison) -> list[Line]:
    """The comparison's images in its order (worst first) with the means of every method."""
    return [_line(scored, comparison, image) for image in comparison.images]


def _line(scored: Scored, comparison: Comparison, image: Image) -> Line:
    sinco = [key for key, _ in image.pairs]
    plain = [key for _, key in image.pairs]
    values = {
        "plain": _means(scored, comparison, plain),
        "sinco": _means(scored, comparison, sinco),
    }
    for codec, keys in peers(scored, image.sample_hash, comparison.group).items():
        values[codec] = _means(scored, comparison, keys)
    loss, others = comparison.group.segmenter_hash, comparison.readers
    original = {}
    for metric, name in bounds_of(scored).items():
        original[metric] = mean_of(scored.value(key, name, loss, others) for key in plain + sinco)
    return Line(comparison, image, values | {"original": original})


def _means(scored: Scored, comparison: Comparison, keys: Sequence[str]) -> dict[str, float]:
    """The mean of every metric over cells, and of their bpp."""
    loss, others = comparison.group.segmenter_hash, comparison.readers
    out = {}
    for metric in (*metrics_of(scored), *areas_of(scored), *right_of(scored)):
        out[metric] = mean_of(scored.value(key, metric, loss, others) for key in keys)
    out["bpp"] = mean_of(scored.by_key[key].facts.get("bpp", math.nan) for key in keys)
    return out


def mean_of(values: Iterable[float]) -> float:
    """The mean of what is not nan; nan where nothing is left."""
    finite = [value for value in values if not math.isnan(value)]
    # np.mean takes ten times as long for five seeds.
    return sum(finite) / len(finite) if finite else math.nan


def areas_of(scored: Scored) -> list[str]:
    """The falsely marked area on slices without lesion, as far as networks of masks read."""
    return _instead(scored, "dice", "fp_area_px")


@once
def right_of(scored: Scored) -> list[str]:
    """Whether the true class was answered, as far as networks of labels read images whose class is
    known.
    """
    for values in scored.values.values():
        if any(metric == "label_right" for metric, _ in values):
            return _instead(scored, "kl", "label_right")
    return []


def _instead(scored: Scored, metric: str, other: str) -> list[str]:
    """`other` for `metric` and other_eval for metric_eval, where the store has these."""
    known = metrics_of(scored)
    out = []
    for role in ("", "_eval"):
        if f"{metric}{role}" in known:
            out.append(f"{other}{role}")
    return out


def bounds_of(scored: Scored) -> dict[str, str]:
    """Metric -> the name of the same score of the original, which no file can be expected to
    exceed.
    """
    out = {}
    for metric in (*metrics_of(scored), *right_of(scored)):
        if metric.startswith(("dice", "label_right")):
            name = metric.removesuffix("_eval")
            out[metric] = f"{name}_original" + metric.removeprefix(name)
    return out


def flat(scored: Scored, line: Line) -> dict[str, Any]:
    """One row of per_image.csv: facts, METHOD_METRIC for every method, and METRIC_difference, _band
    and _verdict.
    """
    group, image = line.comparison.group, line.image
    out: dict[str, Any] = {
        "dataset": group.dataset,
        "sample_id": image.sample_id,
        "patient": image.patient,
        "inr": group.inr,
        "segmenter": group.segmenter,
        "segmenter_hash": group.segmenter_hash,
        "lambda": group.lam,
        "settings": json.dumps(one_level(group.settings)),
        "seeds": len(image.pairs),
        "cells_failed": image.failed,
        "cells_unpaired": image.unpaired,
    }
    for metric in metrics_of(scored):
        found = image.differences.get(metric)
        out |= {
            f"{metric}_difference": found and found.difference,
            f"{metric}_band": found and found.band,
            f"{metric}_verdict": found.verdict if found else "failed" if not image.pairs else None,
        }
    for method, values in line.values.items():
        for metric, value in values.items():
            out[f"{method.replace('+', '_')}_{metric}"] = value
    return out


def one_level(settings: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Settings, which are JSON texts, as one flat object: {"recipe.lr": 0.01, "bits": 10}."""
    out: dict[str, Any] = {}
    for name, text in settings:
        _flatten(name, json.loads(text), out)
    return out


def _flatten(name: str, value: Any, out: dict[str, Any]) -> None:
    if isinstance(value, list):  # options are stored as [[name, value], ...]
        value = dict(value)
    if not isinstance(value, dict):
        out[name] = value
        return
    for own, inner in value.items():
        _flatten(f"{name}.{own}", inner, out)


def underperformers(found: list[Line]) -> list[dict[str, Any]]:
    """One row for each image and metric in which SINCO is worse than its plain twins, worst (in
    bands) first.
    """
    worse = []
    for line in found:
        for difference in line.image.differences.values():
            if difference.gain < 0:
                worse.append((difference, line))
    worse.sort(key=lambda pair: (pair[0].verdict != "loss", pair[0].severity))
    return [_underperformer(*pair) for pair in worse]


def _underperformer(difference: Difference, line: Line) -> dict[str, Any]:
    group = line.comparison.group
    return {
        "dataset": group.dataset,
        "sample_id": line.image.sample_id,
        "patient": line.image.patient,
        "inr": group.inr,
        "segmenter": group.segmenter,
        "lambda": group.lam,
        "metric": difference.metric,
        "plain": difference.plain,
        "sinco": difference.sinco,
        "difference": difference.difference,
        "band": difference.band,
        "beyond_band": None if difference.band is None else difference.verdict == "loss",
        "seeds": difference.seeds,
    }

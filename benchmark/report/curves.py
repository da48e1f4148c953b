"""PSNR, SSIM and Dice against lambda, a column a backbone, with the null band that the run
measured.
"""

from __future__ import annotations

import math
import textwrap
from collections import defaultdict
from pathlib import Path
from typing import Any

from benchmark.report.codecs import codecs_of
from benchmark.report.numbered import recipe_legend, recipe_numbers
from benchmark.report.per_image import Line, lines
from benchmark.report.style import BAND, CODEC_COLORS, PLAIN, SINCO, TRUTH, figure, save
from benchmark.report.words import LABELS, UNITS, lambda_text, measured, told_apart
from benchmark.stats.compare import METRICS, Comparison, patient_interval, t_quantile
from benchmark.store.view import Scored

ORIGINAL = "original", TRUTH, "-."
TITLE = 44  # characters of a line above a column
BOUNDED = ("ssim", "dice", "dice_eval", "label_kept", "label_kept_eval")  # never outside [0, 1]
Series = tuple[str, str, str, tuple[tuple[str, str], ...]]  # backbone, network, its hash, settings
Level = tuple[str, str, str]  # a method, its color and its dashes


def write_curves(scored: Scored, comparisons: list[Comparison], folder: Path) -> list[Path]:
    """Write curves_DATASET.png for each data set with at least one comparison; returns the paths.

    A point is the plain mean plus the mean paired difference, its bar that difference's 95 %
    interval over patients. Shaded around the plain mean: how far chance alone moves the mean (dark)
    and one image (light).
    """
    paths = []
    for dataset in sorted({comparison.group.dataset for comparison in comparisons}):
        path = folder / f"curves_{dataset}.png"
        series: dict[Series, list[Comparison]] = defaultdict(list)
        for comparison in comparisons:
            group = comparison.group
            if group.dataset == dataset:
                which = group.inr, group.segmenter, group.segmenter_hash, group.settings
                series[which].append(comparison)
        if _write(scored, series, path):
            paths.append(path)
    return paths


def _write(scored: Scored, series: dict[Series, list[Comparison]], path: Path) -> bool:
    """The picture of one data set; False where every SINCO fit failed, which the tables say."""
    known: set[str] = set()
    names, told = [], []
    for (inr, segmenter, hash_, asked), members in series.items():
        names.append(f"{inr} + {segmenter}")
        told.append(dict(asked) | {"weights": hash_[:6]})
        known.update(*(comparison.summaries for comparison in members))
    shown = [metric for metric in METRICS if metric in known]
    if not shown:
        return False
    drawn, axes = figure(len(shown), len(series), (4.6 if len(series) == 1 else 3.6, 2.3))
    levels = _level_lines(scored)
    labels = told_apart(names, told, recipe_numbers(scored))
    for column, (label, members) in enumerate(zip(labels, series.values(), strict=True)):
        fullest = max(members, key=lambda comparison: len(comparison.images))
        found = lines(scored, fullest)
        for row, metric in enumerate(shown):
            _panel(axes[row, column], members, fullest, found, metric, levels)
        axes[0, column].set_title(textwrap.fill(label, TITLE), fontsize=9)
        axes[-1, column].set_xlabel("lambda")
    for row, metric in enumerate(shown):
        axes[row, 0].set_ylabel(LABELS[metric] + UNITS.get(metric, ""))
    handles: dict[str, Any] = {}
    for axis in axes.flat:
        handles |= dict(zip(*reversed(axis.get_legend_handles_labels()), strict=True))
    drawn.legend(
        handles.values(),
        handles.keys(),
        loc="outside lower center",
        ncols=min(2, len(series)),
        fontsize=8,
        frameon=False,
        title=_numbered(recipe_legend(scored), int(14 * drawn.get_figwidth())),
        title_fontsize=7,
    )
    save(drawn, path)
    return True


def _numbered(legend: list[str], width: int) -> str | None:
    """What the numbers of recipes mean, folded at `width` characters."""
    said = []
    for line in legend:
        said += textwrap.wrap(line, width, subsequent_indent=" " * 4)
    return "\n".join(said) or None


def _panel(
    axis: Any,
    members: list[Comparison],
    fullest: Comparison,
    found: list[Line],
    metric: str,
    levels: list[Level],
) -> None:
    """One metric of one backbone against lambda."""
    plain = _mean_of(found, "plain", metric)
    lams, means, low, high = [], [], [], []
    for comparison in members:
        s = comparison.summaries.get(metric)
        if s is not None:
            lams.append(comparison.group.lam)
            means.append(plain + s.mean)
            low.append(0.0 if math.isnan(s.low) else s.mean - s.low)
            high.append(0.0 if math.isnan(s.high) else s.high - s.mean)
    if not lams or math.isnan(plain) or metric not in fullest.summaries:
        axis.text(0.5, 0.5, "no values", transform=axis.transAxes, ha="center")
        return
    xs = _positions(axis, lams)
    band = fullest.summaries[metric]
    if not math.isnan(band.mean_band):
        one = t_quantile(band.nulls) * band.floor / math.sqrt(max(1, fullest.seeds))
        mean = band.mean_band
        axis.axhspan(
            plain - one, plain + one, color=BAND, alpha=0.3, lw=0, label="null band of one image"
        )
        axis.axhspan(plain - mean, plain + mean, color=BAND, lw=0, label="null band of the mean")
    axis.errorbar(
        xs[1:],
        means,
        yerr=[low, high],
        color=SINCO,
        marker="o",
        ms=4,
        lw=1.3,
        capsize=3,
        zorder=3,
        label="SINCO, 95 % interval of the difference",
    )
    axis.plot(xs[:2], [plain, means[0]], color=SINCO, lw=1, ls=(0, (1, 2)), zorder=2)
    axis.plot(
        xs[:1], [plain], color=PLAIN, marker="s", ms=5, lw=0, zorder=4, label="plain INR (lambda 0)"
    )
    _draw_levels(axis, found, metric, levels)
    axis.grid(axis="y", lw=0.3)
    if metric in BOUNDED:
        low_end, high_end = axis.get_ylim()
        axis.set_ylim(max(0.0, low_end), min(1.0, high_end))


def _positions(axis: Any, lambdas: list[float]) -> list[float]:
    """Places on the x axis: lambda 0 one decade left of the smallest, beyond a break; then their
    logarithms.
    """
    logs = list(map(math.log10, lambdas))
    xs = [logs[0] - 1.0, *logs]
    axis.set_xticks(xs, ["0", *map(lambda_text, lambdas)])
    axis.set_xlim(xs[0] - 0.4, xs[-1] + 0.4)
    axis.text(
        logs[0] - 0.5,
        0,
        "//",
        transform=axis.get_xaxis_transform(),
        ha="center",
        va="center",
        fontsize=9,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
        zorder=5,
    )
    return xs


def _level_lines(scored: Scored) -> list[Level]:
    """The codecs, dashed, or dotted where they send the mask; then the original."""
    used = {False: 0, True: 0}
    levels = []
    for codec in codecs_of(scored):
        color = CODEC_COLORS[used[codec.sends_mask] % len(CODEC_COLORS)]
        used[codec.sends_mask] += 1
        levels.append((codec.name, color, ":" if codec.sends_mask else "--"))
    return [*levels, ORIGINAL]


def _draw_levels(axis: Any, found: list[Line], metric: str, levels: list[Level]) -> None:
    """The codecs and the original as level lines; one far off is named at the edge: it would
    flatten the rest.
    """
    bottom, top = axis.get_ylim()
    middle, reach = (bottom + top) / 2, 1.5 * (top - bottom)
    named = 0
    for name, color, dashes in levels:
        level = _mean_of(found, name, metric)
        if math.isnan(level):
            continue
        if abs(level - middle) <= reach:
            # Dice of a mask that was sent is 1, on the edge of the axes.
            axis.axhline(level, color=color, ls=dashes, lw=1.2, label=name, clip_on=False, zorder=3)
        else:
            where, y = (
                ("above", 0.92 - 0.12 * named) if level > middle else ("below", 0.08 + 0.12 * named)
            )
            axis.text(
                0.98,
                y,
                f"{name} {measured(metric, level)} ({where})",
                transform=axis.transAxes,
                ha="right",
                va="center",
                fontsize=7,
                color=color,
                zorder=5,
                bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 1},
            )
            named += 1


def _mean_of(found: list[Line], method: str, metric: str) -> float:
    """Mean over patients of what a method has on the images of a comparison."""
    values, patients = [], []
    for line in found:
        value = line.values.get(method, {}).get(metric, math.nan)
        if not math.isnan(value):
            values.append(value)
            patients.append(line.image.patient)
    return patient_interval(values, patients)[0]

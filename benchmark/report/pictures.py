"""Annotated reconstructions: original, plain, SINCO and their difference, with contours; losers first."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.report.per_image import Line
from benchmark.report.style import EVAL, SINCO, TRUTH, figure
from benchmark.report.words import LABELS, UNITS, group_labels, measured, plural
from benchmark.scored import Scored
from benchmark.types import DICE_THRESHOLD, Sample, planes

MOST_IMAGES = 6
GAINS = (1, 2, 5, 10, 20, 50, 100)
Segment = Callable[..., np.ndarray]  # images [B, H, W, C], volume statistics -> probability [B, H, W]


def write_pictures(scored: Scored, found: Sequence[Line], folder: Path, *,
                   segment: Mapping[str, Segment], decode: Callable[[bytes], Any]) -> list[Path]:
    """Write worst_images.png, the images on which SINCO is worst (in null bands) first; [] where nothing can be shown.

    Of a volume one plane is shown: the one with the largest lesion.
    Each image is shown once, by the comparison that is worst for it. Pixels come from the stored files and originals,
    so a published store without originals has no such picture.
    """
    shown: dict[str, tuple[Line, Sample]] = {}
    for line in sorted(found, key=lambda line: line.image.severity):
        if len(shown) == MOST_IMAGES:
            break
        if line.image.pairs and line.image.sample_hash not in shown:
            sample = scored.store.sample(line.image.sample_hash)
            if sample is not None:
                shown[sample.hash] = line, sample
    if not shown:
        return []
    labels = group_labels(list(dict.fromkeys(line.comparison.group for line in found)))
    drawn, axes = figure(len(shown), 4, (2.9, 3.1))
    for row, (line, sample) in zip(axes, shown.values(), strict=True):
        pair = _pair(scored, line)
        images = [decode(scored.data(key)).image for key in pair]
        if sample.depth > 1:
            z = shown_plane(sample)
            images, sample = [planes(image, sample.depth)[z] for image in images], replace(sample.plane(z), id=f"{sample.id}, plane {z}")
        row[0].set_ylabel(f"{sample.id}\n{labels[line.comparison.group]}".replace(", ", "\n"), fontsize=8)
        _row(row, scored, line, sample, pair, images, segment)
    _legend(drawn, segment)
    path = folder / "worst_images.png"
    drawn.savefig(path)
    return [path]


def shown_plane(volume: Sample) -> int:
    """The plane with the largest lesion, the middle one where there is none."""
    areas = planes(volume.mask, volume.depth).sum((1, 2))
    return int(areas.argmax()) if areas.any() else volume.depth // 2


def _pair(scored: Scored, line: Line) -> tuple[str, str]:
    """The pair of the seed whose difference, in the image's worst metric, is nearest to the image's mean."""
    group, image = line.comparison.group, line.image
    if not image.differences:
        return image.pairs[0]
    worst = min(image.differences.values(), key=lambda difference: difference.severity)

    def distance(pair: tuple[str, str]) -> float:
        sinco, plain = (scored.value(key, worst.metric, group.segmenter_hash, line.comparison.readers) for key in pair)
        away = abs(sinco - plain - worst.difference)
        return math.inf if math.isnan(away) else away

    return min(image.pairs, key=distance)


def _row(axes: Any, scored: Scored, line: Line, sample: Sample, pair: tuple[str, str], images: list[np.ndarray],
         segment: Mapping[str, Segment]) -> None:
    group = line.comparison.group
    sinco, plain = images

    def title(name: str, key: str) -> str:
        read = [measured(metric, scored.value(key, metric, group.segmenter_hash, line.comparison.readers))
                for metric in ("psnr_db", "ssim", "dice", "dice_eval")]
        return f"{name}: {read[0]} dB, SSIM {read[1]}\nDice {read[2]} (loss) {read[3]} (eval)"

    original = line.values["original"]
    bound = [measured(metric, original[metric]) for metric in ("dice", "dice_eval")]
    titles = [f"original\nDice {bound[0]} (loss) {bound[1]} (eval)", title("plain", pair[1]), title("SINCO", pair[0])]
    readers = {group.segmenter_hash: SINCO} | {hash_: EVAL for hash_ in line.comparison.readers}
    for axis, image, text in zip(axes, (sample.image, plain, sinco), titles, strict=False):
        axis.imshow(_visible(image), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        for hash_, color in readers.items():
            if hash_ in segment:
                probability = segment[hash_](np.ascontiguousarray(image[None]), [sample.volume])[0]
                _contour(axis, probability >= DICE_THRESHOLD, color)
        _contour(axis, sample.mask, TRUTH, "dashed")  # last and broken: what lies below it stays visible
        axis.set_title(text, fontsize=8)
    difference = (sinco - plain).mean(-1)
    gain = max(gain for gain in GAINS if gain == 1 or gain * np.percentile(np.abs(difference), 99.5) <= 1.0)
    axes[3].imshow(difference * gain, cmap="PuOr_r", vmin=-1, vmax=1, interpolation="nearest")
    _contour(axes[3], sample.mask, TRUTH, "dashed")
    axes[3].set_title(f"SINCO - plain, x{gain}\n{_worst(line)}", fontsize=8)
    for axis in axes:
        axis.set_xticks([])
        axis.set_yticks([])


def _worst(line: Line) -> str:
    """The difference that put the image here, with its band."""
    if not line.image.differences:
        return "nothing to compare"
    found = min(line.image.differences.values(), key=lambda difference: difference.severity)
    text = f"{LABELS[found.metric]} {measured(found.metric, found.difference, sign=True)}{UNITS.get(found.metric, '')}"
    text += f" (band {measured(found.metric, found.band)})" if found.band is not None else " (no band)"
    return f"{text}, {plural(found.seeds, 'seed')}"


def _visible(image: np.ndarray) -> np.ndarray:
    """Gray [H, W], or three channels as red, green and blue."""
    return np.clip(image, 0, 1) if image.shape[-1] == 3 else np.clip(image.mean(-1), 0, 1)


def _contour(axis: Any, mask: np.ndarray, color: str, dashes: str = "solid") -> None:
    """The outline of a mask, pixel for pixel; an empty mask has none."""
    if mask.any() and not mask.all():
        axis.contour(mask.astype(float), levels=[0.5], colors=[color], linewidths=1.1, linestyles=dashes)


def _legend(drawn: Any, segment: Mapping[str, Any]) -> None:
    from matplotlib.lines import Line2D

    shown = {"true mask": (TRUTH, "dashed")}
    if segment:
        shown |= {"mask of the network in the loss": (SINCO, "solid"), "mask of one that was not": (EVAL, "solid")}
    handles = [Line2D([], [], color=color, ls=dashes) for color, dashes in shown.values()]
    drawn.legend(handles, list(shown), loc="outside lower center", ncols=3, fontsize=8, frameon=False)

"""Annotated reconstructions: original, plain, SINCO and their difference, with contours; losers
first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from benchmark.report.numbered import recipe_numbers
from benchmark.report.per_image import Line
from benchmark.report.style import EVAL, SINCO, TRUTH, figure, save
from benchmark.report.words import LABELS, UNITS, group_labels, measured, plural
from benchmark.stats.compare import metrics_of
from benchmark.store.view import Scored
from benchmark.types import DICE_THRESHOLD, Sample, planes

MOST_IMAGES = 6
GAINS = (1, 2, 5, 10, 20, 50, 100)
Segment = Callable[
    ..., np.ndarray
]  # images [B, D * H, W, C], volume statistics, depth D -> probability [B, D * H, W]
Describe = Callable[..., str]  # image [H, W, C], volume statistics -> "glioma 0.93"


def write_pictures(
    scored: Scored,
    found: Sequence[Line],
    folder: Path,
    *,
    segment: Mapping[str, Segment],
    decode: Callable[[bytes], Any],
    describe: Mapping[str, Describe] = MappingProxyType({}),
) -> list[Path]:
    """Write worst_images.png, the images on which SINCO is worst (in null bands) first; [] where
    nothing can be shown.

    Of a volume one plane is shown: the one with the largest lesion. Each image is shown once, by
    the comparison that is worst for it. Pixels come from the stored files and originals, so a
    published store without originals has no such picture.
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
    groups = list(dict.fromkeys(line.comparison.group for line in found))
    labels = group_labels(groups, recipe_numbers(scored))
    drawn, axes = figure(len(shown), 4, (2.9, 3.1))
    for row, (line, sample) in zip(axes, shown.values(), strict=True):
        pair = _pair(scored, line)
        images = [decode(scored.data(key)).image for key in pair]
        name = sample.id if sample.depth == 1 else f"{sample.id}, plane {shown_plane(sample)}"
        row[0].set_ylabel(
            f"{name}\n{labels[line.comparison.group]}".replace(", ", "\n"), fontsize=8
        )
        _row(row, scored, line, sample, pair, images, segment, describe)
    if segment or any(sample.has_lesion for _, sample in shown.values()):
        read = (
            {"mask of the network in the loss": SINCO, "mask of one that was not": EVAL}
            if segment
            else {}
        )
        legend(drawn, {"true mask": TRUTH, **read})
    path = folder / "worst_images.png"
    save(drawn, path)
    return [path]


def shown_plane(volume: Sample) -> int:
    """The plane with the largest lesion, the middle one where there is none."""
    areas = planes(volume.mask, volume.depth).sum((1, 2))
    return int(areas.argmax()) if areas.any() else volume.depth // 2


def _pair(scored: Scored, line: Line) -> tuple[str, str]:
    """The pair of the seed whose difference, in the image's worst metric, is nearest to the image's
    mean.
    """
    group, image = line.comparison.group, line.image
    if not image.differences:
        return image.pairs[0]
    worst = min(image.differences.values(), key=lambda difference: difference.severity)

    def distance(pair: tuple[str, str]) -> float:
        sinco, plain = (
            scored.value(key, worst.metric, group.segmenter_hash, line.comparison.readers)
            for key in pair
        )
        away = abs(sinco - plain - worst.difference)
        return math.inf if math.isnan(away) else away

    return min(image.pairs, key=distance)


def _row(
    axes: Any,
    scored: Scored,
    line: Line,
    sample: Sample,
    pair: tuple[str, str],
    images: list[np.ndarray],
    segment: Mapping[str, Segment],
    describe: Mapping[str, Describe],
) -> None:
    """Original, plain, SINCO and their difference."""
    sinco, plain = images

    def shown(stacked: np.ndarray) -> np.ndarray:
        plane: np.ndarray = planes(stacked, sample.depth)[shown_plane(sample)]
        return plane

    titles = [
        _title_of_original(scored, line, sample, describe),
        _title(scored, line, sample, "plain", pair[1], plain, describe),
        _title(scored, line, sample, "SINCO", pair[0], sinco, describe),
    ]
    readers = {line.comparison.group.segmenter_hash: SINCO}
    readers |= dict.fromkeys(line.comparison.readers, EVAL)
    for axis, image, text in zip(axes, (sample.image, plain, sinco), titles, strict=False):
        show(axis, shown(image))
        batch = np.ascontiguousarray(image[None])
        for hash_, color in readers.items():
            if hash_ in segment:
                probability = segment[hash_](batch, [sample.volume], sample.depth)[0]
                contour(axis, shown(probability) >= DICE_THRESHOLD, color)
        # Last and broken: what lies below it stays visible.
        contour(axis, shown(sample.mask), TRUTH, "dashed")
        axis.set_title(text, fontsize=8)
    difference = shown(sinco - plain).mean(-1)
    gain = _gain(difference)
    axes[3].imshow(difference * gain, cmap="PuOr_r", vmin=-1, vmax=1, interpolation="nearest")
    contour(axes[3], shown(sample.mask), TRUTH, "dashed")
    axes[3].set_title(f"SINCO - plain, x{gain}\n{_worst(line)}", fontsize=8)
    for axis in axes:
        axis.set_xticks([])
        axis.set_yticks([])


def _gain(difference: np.ndarray) -> int:
    """The largest of GAINS at which next to nothing is cut off, 1 at least."""
    large = np.percentile(np.abs(difference), 99.5)
    return max(gain for gain in GAINS if gain == 1 or gain * large <= 1.0)


def _title_of_original(
    scored: Scored, line: Line, sample: Sample, describe: Mapping[str, Describe]
) -> str:
    bound = {}
    for metric in metrics_of(scored):
        if metric.startswith("dice"):
            bound[metric] = measured(metric, line.values["original"][metric])
    first = f"original: {sample.label}" if sample.label else "original"
    return "\n".join([first, *_read(bound), *_answers(line, sample, sample.image, describe)])


def _title(
    scored: Scored,
    line: Line,
    sample: Sample,
    name: str,
    key: str,
    image: np.ndarray,
    describe: Mapping[str, Describe],
) -> str:
    """What a file is worth, and what the networks read in it."""
    loss, others = line.comparison.group.segmenter_hash, line.comparison.readers
    read = {}
    for metric in ("psnr_db", "ssim", *metrics_of(scored)):
        read[metric] = measured(metric, scored.value(key, metric, loss, others))
    first = f"{name}: {read['psnr_db']} dB, SSIM {read['ssim']}"
    return "\n".join([first, *_read(read), *_answers(line, sample, image, describe)])


def _read(values: Mapping[str, str]) -> list[str]:
    """Lines such as "Dice 0.81 (loss) 0.75 (eval)" of what there is."""
    out = []
    for metric, name in (("dice", "Dice"), ("kl", "KL")):
        said = name
        for key, role in ((metric, "loss"), (f"{metric}_eval", "eval")):
            if key in values:
                said += f" {values[key]} ({role})"
        if said != name:
            out.append(said)
    return out


def _answers(
    line: Line, sample: Sample, image: np.ndarray, describe: Mapping[str, Describe]
) -> list[str]:
    """A line such as "glioma 0.93 (loss), none 0.60 (eval)"; none where no reader of labels is at
    hand.
    """
    roles = {line.comparison.group.segmenter_hash: "loss"}
    roles |= dict.fromkeys(line.comparison.readers, "eval")
    said = []
    for hash_, role in roles.items():
        if hash_ in describe:
            said.append(f"{describe[hash_](image, sample.volume)} ({role})")
    return [", ".join(said)] if said else []


def _worst(line: Line) -> str:
    """The difference that put the image here, with its band."""
    if not line.image.differences:
        return "nothing to compare"
    found = min(line.image.differences.values(), key=lambda difference: difference.severity)
    text = (
        f"{LABELS[found.metric]}"
        f" {measured(found.metric, found.difference, sign=True)}{UNITS.get(found.metric, '')}"
    )
    text += (
        f" (band {measured(found.metric, found.band)})" if found.band is not None else " (no band)"
    )
    return f"{text}, {plural(found.seeds, 'seed')}"


def show(axis: Any, image: np.ndarray) -> None:
    """An image [H, W, C] in [0, 1]: three channels as red, green and blue, others as the gray of
    their mean.
    """
    axis.imshow(
        np.clip(image if image.shape[-1] == 3 else image.mean(-1), 0, 1),
        cmap="gray",
        vmin=0,
        vmax=1,
        interpolation="nearest",
    )


def contour(axis: Any, mask: np.ndarray, color: str, dashes: str = "solid") -> None:
    """The outline of a mask, pixel for pixel; an empty mask has none."""
    if mask.any() and not mask.all():
        axis.contour(
            mask.astype(float), levels=[0.5], colors=[color], linewidths=1.1, linestyles=dashes
        )


def legend(drawn: Any, shown: Mapping[str, str]) -> None:
    """What the contours are, below the figure: what it is -> its color; the true mask is dashed."""
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=color, ls="dashed" if color == TRUTH else "solid")
        for color in shown.values()
    ]
    drawn.legend(
        handles,
        list(shown),
        loc="outside lower center",
        ncols=len(shown),
        fontsize=8,
        frameon=False,
    )

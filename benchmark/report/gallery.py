"""Pictures of how networks read originals: those that they read worst, and their calibration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.networks.evaluate import RAW, LabelReading, Reading
from benchmark.report.pictures import contour, legend, show
from benchmark.report.style import BAND, CYCLE, SINCO, TRUTH, figure, save
from benchmark.types import Sample

COLUMNS, WORST, FALSE = 4, 8, 4  # images in a row; with a lesion, and without, at most


def write_worst(readings: Sequence[Reading], slices: Mapping[str, Sample], path: Path) -> Path:
    """worst.png: images by the mean Dice of all networks, the lowest first, then falsely marked
    ones without a lesion.

    One network: four images in a row. Several: a row an image, a column a network.
    """
    ids = worst(readings)
    cells = [(reading, sample_id) for sample_id in ids for reading in readings]
    columns = len(readings) if len(readings) > 1 else COLUMNS
    drawn, axes = figure(max(1, -(-len(cells) // columns)), columns, (2.9, 3.2))
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, (reading, sample_id) in zip(axes.flat, cells, strict=False):
        sample, found = slices[sample_id], reading.found[sample_id]
        row = next(
            row for row in reading.images if row["image"] == sample_id and row["post"] == RAW
        )
        show(axis, sample.image)
        contour(axis, found, SINCO)
        contour(axis, sample.mask, TRUTH, "dashed")
        score = f"no lesion, {row['found_px']} px found"
        if sample.has_lesion:
            score = f"Dice {row['dice']:.3f}, true {row['true_px']} px, found {row['found_px']}"
        name = f"{reading.name}\n" if len(readings) > 1 else ""
        axis.set_title(f"{name}{sample_id}\n{score}", fontsize=7)
    legend(drawn, {"true mask": TRUTH, "found": SINCO})
    save(drawn, path)
    return path


def worst(readings: Sequence[Reading]) -> list[str]:
    """Ids: lowest mean Dice first (of equals the larger lesion), then the largest falsely marked
    areas.
    """
    rows: dict[str, list[dict[str, Any]]] = {}
    for reading in readings:
        for row in reading.images:
            if row["post"] == RAW:
                rows.setdefault(row["image"], []).append(row)
    with_lesion, false = [], []
    for name, own in rows.items():
        if own[0]["true_px"]:
            with_lesion.append((_mean(own, "dice"), -own[0]["true_px"], name))
        else:
            false.append((-_mean(own, "fp_area_px"), name))
    several = 1 + (len(readings) > 1)  # a row an image takes room
    ids = [name for _, _, name in sorted(with_lesion)[: WORST // several]]
    for area, name in sorted(false)[: FALSE // several]:
        if area:
            ids.append(name)
    return ids


def _mean(rows: Sequence[Mapping[str, Any]], metric: str) -> float:
    return float(np.mean([row[metric] for row in rows]))


def write_worst_labels(
    readings: Sequence[LabelReading], slices: Mapping[str, Sample], path: Path
) -> Path:
    """worst.png: wrong answers, the surest first; where all are right, the least sure ones."""
    rows = [row for reading in readings for row in reading.images]
    shown = sorted(
        rows,
        key=lambda row: (
            row["right"],
            _sure(row) if row["right"] else -_sure(row),
            row["network"],
            row["image"],
        ),
    )
    shown = shown[: WORST + FALSE]
    drawn, axes = figure(-(-len(shown) // COLUMNS), COLUMNS, (2.9, 3.2))
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, row in zip(axes.flat, shown, strict=False):
        show(axis, slices[row["image"]].image)
        axis.set_title(
            f"{row['image']}\n{row['network']}: {row['answered']} {_sure(row):.2f}\ntrue:"
            f" {row['true']}",
            fontsize=7,
        )
    save(drawn, path)
    return path


def write_calibration(readings: Sequence[Reading | LabelReading], path: Path) -> Path:
    """calibration.png: share that is true over mean probability in ten bins, and how many there are
    in each.
    """
    drawn, axes = figure(1, 2, (4.2, 3.8))
    share, count = axes[0]
    share.plot([0, 1], [0, 1], color=BAND, lw=1)
    for i, reading in enumerate(readings):
        _, counts, said, true = zip(*reading.calibration.table(), strict=True)
        style = {
            "color": CYCLE[i % len(CYCLE)],
            "marker": "o",
            "ms": 4,
            "label": reading.name,
            "ls": "-" if i < len(CYCLE) else "--",
        }
        share.plot(said, true, **style)
        count.plot(said, counts, **style)
    share.set(
        xlim=(0, 1),
        ylim=(0, 1),
        xlabel="mean probability",
        ylabel="share that is true",
        aspect="equal",
    )
    count.set(
        xlim=(0, 1),
        yscale="log",
        xlabel="mean probability",
        ylabel="pixels of the brain" if isinstance(readings[0], Reading) else "images",
    )
    share.legend(fontsize=8, frameon=False)
    save(drawn, path)
    return path


def _sure(row: Mapping[str, Any]) -> float:
    return float(row[f"p_{row['answered']}"])

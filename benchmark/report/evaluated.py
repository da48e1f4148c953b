"""An evaluation as files: evaluation.md, CSV tables by patient and image, and two pictures."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any, Literal

from benchmark.errors import InputError, as_options, field
from benchmark.files.writing import whole
from benchmark.networks.brains import CLASSICAL
from benchmark.networks.checkpoints import split_ensemble
from benchmark.networks.evaluate import LabelReading, Reading
from benchmark.plugins.sets import texts_of
from benchmark.report import gallery
from benchmark.report.evaluation import (
    LEGEND,
    TERMINAL_LEGEND,
    as_json,
    label_tables,
    patient_rows,
    tables,
    write_csv,
)
from benchmark.report.table import Table
from benchmark.report.typed import Typed
from benchmark.runner.evaluation import EvaluateRequest, Evaluation


def write_evaluation(found: Evaluation, out: Path) -> list[Path]:
    """Write every table and picture into the folder `out`; the same evaluation, the same bytes."""
    out.mkdir(parents=True, exist_ok=True)
    page, worst = out / "evaluation.md", out / "worst.png"
    whole(page, markdown(found))
    paths = [page, write_csv(out / "per_image.csv", rows_by(found, "image"))]
    masks, labels = _readings(found)
    if masks:
        paths.append(write_csv(out / "per_patient.csv", patient_rows(masks)))
    paths.append(gallery.write_calibration(found.readings, out / "calibration.png"))
    if masks:
        paths.append(gallery.write_worst(masks, found.slices, worst))
    else:
        paths.append(gallery.write_worst_labels(labels, found.slices, worst))
    return paths


def rows_by(found: Evaluation, by: Literal["image", "patient"]) -> list[dict[str, Any]]:
    """One row a network and image, or a network and patient, as in the CSV tables.

    Raises InputError for patients where the networks answered with a class: those are by image.
    """
    if by == "patient":
        if found.labels:
            raise InputError(field("by", by), "classes are answered by image", field("by", "image"))
        return patient_rows(_readings(found)[0])
    rows: list[dict[str, Any]] = []
    for one in found.readings:
        rows += one.images
    return rows


def _readings(found: Evaluation) -> tuple[list[Reading], list[LabelReading]]:
    """The readings of masks, and those of labels: one of the two is empty."""
    masks: list[Reading] = []
    labels: list[LabelReading] = []
    for one in found.readings:
        if isinstance(one, Reading):
            masks.append(one)
        else:
            labels.append(one)
    return masks, labels


def tables_of(found: Evaluation, *, short: bool = False) -> list[Table]:
    """The tables of masks, or of labels. short: those for a terminal."""
    masks, labels = _readings(found)
    return tables(masks, short=short) if masks else label_tables(labels)


def not_read(found: Evaluation) -> list[str]:
    """A line on each image that could not be read."""
    return [f"not read: {name}: {as_options(why)}" for name, why in found.unreadable.items()]


def text(found: Evaluation, paths: list[Path]) -> str:
    """What a terminal shows: tables, notes, and what was written."""
    shown = "\n\n".join(table.text() for table in tables_of(found, short=True))
    lines = [f"note: {as_options(note)}" for note in found.notes] + not_read(found)
    legend = [] if found.labels else textwrap.wrap(TERMINAL_LEGEND, 80)
    return "\n".join([shown, *legend, "", *lines, "wrote " + "\n      ".join(map(str, paths))])


def plain(found: Evaluation, paths: list[Path]) -> dict[str, Any]:
    """The evaluation as plain values."""
    unreadable = {name: as_options(why) for name, why in found.unreadable.items()}
    return {
        "networks": as_json(found.readings),
        "images": len(found.slices),
        "notes": list(map(as_options, found.notes)),
        "unreadable": unreadable,
        "files": [str(path) for path in paths],
    }


def markdown(found: Evaluation) -> str:
    """The whole page: the command that makes it again, weights, notes, every table."""
    request = found.request
    lines = [
        f"# How networks read originals: {request.dataset}, split {request.split}",
        "",
        f"`{command(request)}`",
        "",
    ]
    for one in found.readings:
        card = one.checkpoint.card
        lines.append(f"- {one.name}: weights {one.checkpoint.hash}, trained on {card['dataset']}")
    for note in [*found.notes, *not_read(found)]:
        lines.append(f"- {as_options(note)}")
    lines.append("")
    for table in tables_of(found):
        lines.append(table.markdown() + "\n")
    if not found.labels:
        lines.append(LEGEND)
    return "\n".join(lines) + "\n"


def command(request: EvaluateRequest) -> str:
    """What makes the page again. Without folders: a page travels, folders do not."""
    typed = Typed("evaluate")
    typed.option("dataset", request.dataset)
    typed.option("split", request.split)
    typed.option("dims", request.dims if request.dims == 3 else None)
    typed.options("segmenter", map(_travels, request.segmenter))
    typed.options("set", texts_of(request.sets))
    typed.option("post", ",".join(request.post) or None)
    typed.option("strip", _travels(request.strip) if request.strip != CLASSICAL else None)
    typed.option("limit", request.limit)
    typed.options("image", request.image)
    return typed.text()


def _travels(spec: str) -> str:
    """NAME@FILE without its folder (the hashes on the page say which weights)."""
    parts = [part.partition("@") for part in split_ensemble(spec)]
    return "+".join(f"{name}{at}{Path(file).name}" for name, at, file in parts)

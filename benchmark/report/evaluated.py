"""An evaluation as files: evaluation.md, CSV tables by patient and image, and two pictures."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from benchmark.networks.brains import CLASSICAL
from benchmark.networks.checkpoints import split_ensemble
from benchmark.networks.evaluate import LabelReading, Reading
from benchmark.plugins.sets import texts_of
from benchmark.report import gallery
from benchmark.report.evaluation import (
    LEGEND,
    Table,
    as_json,
    label_tables,
    patient_rows,
    tables,
    write_csv,
)
from benchmark.runner.evaluation import EvaluateRequest, Evaluation


def write_evaluation(found: Evaluation, out: Path) -> list[Path]:
    """Write every table and picture into the folder `out`; the same evaluation, the same bytes."""
    out.mkdir(parents=True, exist_ok=True)
    page = out / "evaluation.md"
    images = [row for one in found.readings for row in one.images]
    paths = [page, write_csv(out / "per_image.csv", images)]
    masks = [one for one in found.readings if isinstance(one, Reading)]
    labels = [one for one in found.readings if isinstance(one, LabelReading)]
    if masks:
        paths.append(write_csv(out / "per_patient.csv", patient_rows(masks)))
    paths.append(gallery.write_calibration(found.readings, out / "calibration.png"))
    worst = out / "worst.png"
    if masks:
        paths.append(gallery.write_worst(masks, found.slices, worst))
    else:
        paths.append(gallery.write_worst_labels(labels, found.slices, worst))
    page.write_text(markdown(found), encoding="utf-8")
    return paths


def tables_of(found: Evaluation, *, short: bool = False) -> list[Table]:
    """The tables of masks, or of labels. short: those for a terminal."""
    masks = [one for one in found.readings if isinstance(one, Reading)]
    if masks:
        return tables(masks, short=short)
    return label_tables([one for one in found.readings if isinstance(one, LabelReading)])


def not_read(found: Evaluation) -> list[str]:
    """A line on each image that could not be read."""
    return [f"not read: {name}: {why}" for name, why in found.unreadable.items()]


def text(found: Evaluation, paths: list[Path]) -> str:
    """What a terminal shows: tables, notes, and what was written."""
    shown = "\n\n".join(table.text() for table in tables_of(found, short=True))
    lines = [f"note: {note}" for note in found.notes] + not_read(found)
    return "\n".join([shown, "", *lines, "wrote " + "\n      ".join(map(str, paths))])


def plain(found: Evaluation, paths: list[Path]) -> dict[str, Any]:
    """The evaluation as plain values."""
    return {
        "networks": as_json(found.readings),
        "images": len(found.slices),
        "notes": list(found.notes),
        "unreadable": found.unreadable,
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
    lines += [f"- {note}" for note in [*found.notes, *not_read(found)]]
    lines.append("")
    lines += [table.markdown() + "\n" for table in tables_of(found)]
    if not found.labels:
        lines.append(LEGEND)
    return "\n".join(lines) + "\n"


def command(request: EvaluateRequest) -> str:
    """What makes the page again. Without folders: a page travels, folders do not."""
    words = [f"python -m benchmark evaluate --dataset {request.dataset} --split {request.split}"]
    if request.dims == 3:
        words[0] += " --dims 3"
    words += [f"--segmenter {shlex.quote(_travels(spec))}" for spec in request.segmenter]
    words += [f"--set {shlex.quote(one)}" for one in texts_of(request.sets)]
    if request.post:
        words.append(f"--post {','.join(request.post)}")
    if request.strip != CLASSICAL:
        words.append(f"--strip {shlex.quote(_travels(request.strip))}")
    if request.limit:
        words.append(f"--limit {request.limit}")
    words += [f"--image {name}" for name in request.image]
    return " ".join(words)


def _travels(spec: str) -> str:
    """NAME@FILE without its folder (the hashes on the page say which weights)."""
    parts = [part.partition("@") for part in split_ensemble(spec)]
    return "+".join(f"{name}{at}{Path(file).name}" for name, at, file in parts)

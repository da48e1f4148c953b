"""Tables of how networks read originals: by patient, each post-processing beside raw, calibration, and labels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.checkpoints import Checkpoint
from benchmark.reading.calibration import Calibration
from benchmark.reading.evaluate import RAW, LabelReading, Mean, Reading, bootstrap, difference
from benchmark.reading.masks import METRICS
from benchmark.report.words import number, plain

LABELS = {"dice": "Dice", "f1": "F1", "iou": "IoU", "precision": "precision", "recall": "recall", "hd95_mm": "HD95 mm",
          "volume_error": "volume error", "fp_area_px": "FP px"}
DIGITS = {"hd95_mm": 1, "volume_error": 2, "fp_area_px": 1}
LEGEND = (
    "Dice: mean over the patient's slices with a lesion. F1 (the Dice of the volume), IoU, precision, recall: over all pixels of the "
    "patient. HD95: mean over slices where both mark something. volume error: (found - true) / true. FP px: falsely marked pixels of a "
    "slice without lesion, mean. In brackets: 95 % bootstrap interval over patients; (n) where only n patients have a value.")


@dataclass(frozen=True)
class Table:
    """A title, the heads of its columns, and rows of text."""

    title: str
    heads: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def markdown(self) -> str:
        lines = [f"## {self.title}", "", "| " + " | ".join(self.heads) + " |", "|---" + "|---:" * (len(self.heads) - 1) + "|"]
        return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in self.rows)])

    def text(self) -> str:
        """Aligned columns for a terminal, the first to the left."""
        widths = [max(map(len, column)) for column in zip(self.heads, *self.rows, strict=True)]
        lines = ["  ".join([first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))])
                 for first, *rest in (self.heads, *self.rows)]
        return "\n".join([self.title, *lines])


def tables(readings: Sequence[Reading], *, short: bool = False) -> list[Table]:
    """All tables of mask networks; short: of several networks, their patients' scores only beside each other."""
    out = [compared(readings)] if len(readings) > 1 else []
    for reading in readings:
        out += [] if short and len(readings) > 1 else [by_patient(reading.name, reading.by_patient[RAW])]
        out += [postprocessed(reading)] if len(reading.by_patient) > 1 else []
    return [*out, calibrated(readings)] if len(readings) > 1 else [*out, reliability(readings[0])]


def by_patient(name: str, patients: Mapping[str, Mapping[str, float]]) -> Table:
    """Every metric by patient, its mean and interval; a metric that means nothing is nan, or left out."""
    rows = [(patient, *(_value(metric, scores.get(metric, math.nan)) for metric in METRICS)) for patient, scores in patients.items()]
    means = [bootstrap(scores.get(metric, math.nan) for scores in patients.values()) for metric in METRICS]
    total = len(rows)
    rows.append((f"mean of {total}", *(_mean(metric, mean, total) for metric, mean in zip(METRICS, means, strict=True))))
    rows.append(("interval", *(_interval(metric, mean) for metric, mean in zip(METRICS, means, strict=True))))
    return Table(f"{name}: by patient", ("patient", *(LABELS[metric] for metric in METRICS)), rows)


def compared(readings: Sequence[Reading]) -> Table:
    """Dice by patient x network, and what the networks' cards say."""
    patients = list(readings[0].by_patient[RAW])
    rows = [(patient, *(_value("dice", reading.by_patient[RAW][patient]["dice"]) for reading in readings)) for patient in patients]
    for metric in ("dice", "f1", "fp_area_px"):
        means = [bootstrap(scores[metric] for scores in reading.by_patient[RAW].values()) for reading in readings]
        rows.append((f"mean {LABELS[metric]}", *(f"{_mean(metric, mean, len(patients))} {_interval(metric, mean)}" for mean in means)))
    for head, key, digits in (("parameters", "parameters", 0), ("epochs", "epochs_run", 0), ("minutes of training", "minutes", 1)):
        rows.append((head, *(_fact(reading.checkpoint, key, digits) for reading in readings)))
    return Table("Dice by patient and network", ("patient", *(reading.name for reading in readings)), rows)


def postprocessed(reading: Reading) -> Table:
    """Each post-processing: means over patients, and what it changes against raw, paired by patient."""
    shown, rows = ("dice", "f1", "precision", "recall", "fp_area_px"), []
    raw = reading.by_patient[RAW]
    for variant, scores in reading.by_patient.items():
        cells = [variant]
        for metric in shown:
            mean = _mean(metric, bootstrap(patient[metric] for patient in scores.values()), len(raw))
            change = difference(scores, raw, metric)
            cells.append(mean if variant == RAW else f"{mean} {_value(metric, change.mean, sign=True)} {_interval(metric, change)}")
        rows.append(tuple(cells))
    return Table(f"{reading.name}: post-processing, and what it changes", ("post", *(LABELS[metric] for metric in shown)), rows)


def reliability(reading: Reading | LabelReading) -> Table:
    calibration = reading.calibration
    rows = [(name, f"{count:,}", number(said, 3), number(true, 3)) for name, count, said, true in calibration.table()]
    return Table(f"{reading.name}: calibration, {_calibration(calibration)}", ("probability", "count", "mean said", "share true"), rows)


def calibrated(readings: Sequence[Reading | LabelReading]) -> Table:
    rows = [(reading.name, number(reading.calibration.ece, 4), number(reading.calibration.brier, 4)) for reading in readings]
    return Table("calibration (pixels of the brain)" if isinstance(readings[0], Reading) else "calibration",
                 ("network", "expected calibration error", "Brier score"), rows)


def label_tables(readings: Sequence[LabelReading]) -> list[Table]:
    rows = []
    for reading in readings:
        mean = _accuracy(reading)
        rows.append((reading.name, f"{mean.mean:.3f}", f"[{number(mean.low, 3)}, {number(mean.high, 3)}]",
                     *(number(recall, 3) for recall in reading.recall.values()),
                     *(_fact(reading.checkpoint, key, digits) for key, digits in (("parameters", 0), ("epochs_run", 0), ("minutes", 1)))))
    heads = ("network", "accuracy", "interval", *(f"recall {name}" for name in readings[0].classes), "parameters", "epochs", "minutes")
    out = [Table("accuracy", heads, rows)]
    for reading in readings:
        out += [answers(reading.name, reading.classes, reading.confusion.tolist()), reliability(reading)]
    return out


def answers(name: str, classes: Sequence[str], confusion: Sequence[Sequence[int]]) -> Table:
    """How many images of a class are answered with which, and the share that is right."""
    rows = [(true, *map(str, counts), number(counts[i] / sum(counts) if sum(counts) else math.nan, 3))
            for i, (true, counts) in enumerate(zip(classes, confusion, strict=True))]
    return Table(f"{name}: answers (rows: what is true)", ("true", *classes, "recall"), rows)


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """One row a mapping; an empty cell where a number is nan."""
    pd.DataFrame(rows).to_csv(path, index=False, float_format="%.6g", lineterminator="\n")
    return path


def patient_rows(readings: Iterable[Reading]) -> list[dict[str, Any]]:
    return [{"network": reading.name, "hash": reading.checkpoint.hash, "post": variant, "patient": patient} | scores
            for reading in readings for variant, patients in reading.by_patient.items() for patient, scores in patients.items()]


def as_json(readings: Sequence[Reading | LabelReading]) -> list[dict[str, Any]]:
    """What a script would read; None where a number means nothing."""
    out: list[dict[str, Any]] = []
    for reading in readings:
        calibration = reading.calibration
        facts = {"network": reading.name, "hash": reading.checkpoint.hash, "ece": calibration.ece, "brier": calibration.brier,
                 "reliability": [list(row) for row in calibration.table()]}
        if isinstance(reading, LabelReading):
            facts |= {"accuracy": asdict(_accuracy(reading)), "recall": reading.recall, "classes": list(reading.classes),
                      "confusion": reading.confusion.tolist()}
        else:
            facts["post"] = {variant: {"mean": {metric: asdict(bootstrap(p[metric] for p in scores.values())) for metric in METRICS},
                                       "less_raw": {metric: asdict(difference(scores, reading.by_patient[RAW], metric))
                                                    for metric in METRICS} if variant != RAW else {}, "patients": scores}
                             for variant, scores in reading.by_patient.items()}
        out.append(plain(facts))
    return out


def _accuracy(reading: LabelReading) -> Mean:
    """Over patients, each of whom counts once."""
    by_patient: dict[str, list[float]] = {}
    for row in reading.images:
        by_patient.setdefault(row["patient"], []).append(float(row["right"]))
    return bootstrap(sum(values) / len(values) for values in by_patient.values())


def _calibration(calibration: Calibration) -> str:
    return f"expected calibration error {number(calibration.ece, 4)}, Brier score {number(calibration.brier, 4)}"


def _fact(checkpoint: Checkpoint, key: str, digits: int) -> str:
    """A number of a card; of an ensemble the sum over its members."""
    values = [part.card.get(key) for part in checkpoint.parts]
    known = [value for value in values if value is not None]
    return f"{sum(known):,.{digits}f}" if len(known) == len(values) else "-"


def _value(metric: str, value: float, *, sign: bool = False) -> str:
    return number(value, DIGITS.get(metric, 3), sign=sign)


def _mean(metric: str, mean: Mean, total: int) -> str:
    return _value(metric, mean.mean) + (f" ({mean.patients})" if 0 < mean.patients < total else "")


def _interval(metric: str, mean: Mean) -> str:
    return "-" if math.isnan(mean.low) else f"[{_value(metric, mean.low)}, {_value(metric, mean.high)}]"

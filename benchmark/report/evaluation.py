"""Tables of how networks read originals: by patient, each post-processing beside raw, calibration,
and labels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.files.writing import replacing
from benchmark.networks.calibration import Calibration
from benchmark.networks.checkpoints import Checkpoint
from benchmark.networks.evaluate import RAW, LabelReading, Reading
from benchmark.networks.masks import METRICS
from benchmark.report.table import Table
from benchmark.report.words import number, plain
from benchmark.stats.compare import patient_interval

LABELS = {
    "dice": "Dice",
    "f1": "F1",
    "iou": "IoU",
    "precision": "precision",
    "recall": "recall",
    "hd95_mm": "HD95 mm",
    "volume_error": "volume error",
    "fp_area_px": "FP px",
}
WORST = 20  # images in a table
DIGITS = {"hd95_mm": 1, "volume_error": 2, "fp_area_px": 1}
LEGEND = (
    "Dice: mean over the patient's slices with a lesion. F1 (the Dice of the volume), IoU,"
    " precision, recall: over all pixels of the patient. HD95: mean over slices where both mark"
    " something. volume error: (found - true) / true. FP px: falsely marked pixels of a slice"
    " without lesion, mean. In brackets: 95 % t interval over patients; (n) where only n patients"
    " have a value."
)
TERMINAL_LEGEND = (
    "Dice is the mean over the patient's slices with a lesion. F1 is the Dice of the patient's"
    " pixels together, so a small lesion counts little there; IoU, precision and recall are of them"
    " too."
)


@dataclass(frozen=True)
class Mean:
    """The mean over patients and its 95 % interval (`patient_interval`). patients: those with a
    value.
    """

    mean: float
    low: float
    high: float
    patients: int

    @classmethod
    def of(cls, values: Iterable[tuple[str, float]]) -> Mean:
        """Of (patient, value) pairs; nan values are left out."""
        kept, patients = [], []
        for patient, value in values:
            if not math.isnan(value):
                kept.append(value)
                patients.append(patient)
        return cls(*patient_interval(kept, patients), len(set(patients)))


def tables(readings: Sequence[Reading], *, short: bool = False) -> list[Table]:
    """All tables of mask networks; short: of several networks, their patients' scores only beside
    each other.
    """
    several = len(readings) > 1
    out = [compared(readings)] if several else []
    out.append(by_image(readings))
    for reading in readings:
        if not (short and several):
            out.append(by_patient(reading.name, reading.by_patient[RAW]))
        if len(reading.by_patient) > 1:
            out.append(postprocessed(reading))
    out.append(calibrated(readings) if several else reliability(readings[0]))
    return out


def by_patient(name: str, patients: Mapping[str, Mapping[str, float]]) -> Table:
    """Every metric by patient, its mean and interval; a metric that means nothing is nan, or left
    out.
    """
    total = len(patients)
    heads, means, intervals = ["patient"], [f"mean of {total}"], ["interval"]
    for metric in METRICS:
        mean = _over(patients, metric)
        heads.append(LABELS[metric])
        means.append(_mean(metric, mean, total))
        intervals.append(_interval(metric, mean))
    rows = []
    for patient, scores in patients.items():
        row = [patient]
        for metric in METRICS:
            row.append(_value(metric, scores.get(metric, math.nan)))
        rows.append(row)
    return Table(heads, [*rows, means, intervals], f"{name}: by patient")


def compared(readings: Sequence[Reading]) -> Table:
    """Dice by patient x network, and what the networks' cards say."""
    patients = list(readings[0].by_patient[RAW])
    rows = []
    for patient in patients:
        row = [patient]
        for reading in readings:
            row.append(_value("dice", reading.by_patient[RAW][patient]["dice"]))
        rows.append(row)
    for metric in ("dice", "f1", "fp_area_px"):
        row = [f"mean {LABELS[metric]}"]
        for reading in readings:
            mean = _over(reading.by_patient[RAW], metric)
            row.append(f"{_mean(metric, mean, len(patients))} {_interval(metric, mean)}")
        rows.append(row)
    for head, key, digits in _costs(readings):
        row = [head]
        for reading in readings:
            row.append(_fact(reading.checkpoint, key, digits))
        rows.append(row)
    return Table(["patient", *_names(readings)], rows, "Dice by patient and network")


def _names(readings: Sequence[Reading]) -> list[str]:
    return [reading.name for reading in readings]


def by_image(readings: Sequence[Reading]) -> Table:
    """Raw Dice of each image, or pixels falsely marked on one without lesion, by network: the WORST
    worst.
    """
    scores = []
    for reading in readings:
        scores.append({row["image"]: row for row in reading.images if row["post"] == RAW})

    def severity(name: str) -> tuple[float, float, str]:
        return (*_severity([own[name] for own in scores]), name)

    names = list(scores[0])
    rows = []
    for name in sorted(names, key=severity)[:WORST]:
        found = [_found(own[name]) for own in scores]
        rows.append([name, str(scores[0][name]["true_px"]), *found])
    many = "worst first"
    if len(names) > WORST:
        many = f"the worst {WORST} of {len(names)}; all in per_image.csv"
    heads = ["image", "true px", *_names(readings)]
    return Table(heads, rows, f"Dice by image, or pixels falsely marked: {many}")


def _severity(rows: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Of what each network found in one image: the mean Dice, 0 where something is marked on a
    slice without lesion; then the pixels that are wrong.
    """
    if rows[0]["true_px"]:
        return sum(row["dice"] for row in rows) / len(rows), -rows[0]["true_px"]
    marked = sum(row["found_px"] for row in rows) / len(rows)
    return (0.0 if marked else 1.0), -marked


def _found(row: Mapping[str, Any]) -> str:
    return number(row["dice"], 3) if row["true_px"] else f"{row['found_px']} px"


def postprocessed(reading: Reading) -> Table:
    """Each post-processing: means over patients, and what it changes against raw, paired by
    patient.
    """
    shown = ("dice", "f1", "precision", "recall", "fp_area_px")
    raw = reading.by_patient[RAW]
    rows = []
    for variant, scores in reading.by_patient.items():
        row = [variant]
        for metric in shown:
            cell = _mean(metric, _over(scores, metric), len(raw))
            if variant != RAW:
                change = _change(scores, raw, metric)
                cell += f" {_value(metric, change.mean, sign=True)} {_interval(metric, change)}"
            row.append(cell)
        rows.append(row)
    heads = ["post", *map(LABELS.__getitem__, shown)]
    return Table(heads, rows, f"{reading.name}: post-processing, and what it changes")


def reliability(reading: Reading | LabelReading) -> Table:
    """How often what is said with a probability is true."""
    calibration = reading.calibration
    rows = []
    for name, count, said, true in calibration.table():
        rows.append([name, f"{count:,}", number(said, 3), number(true, 3)])
    heads = ["probability", "count", "mean said", "share true"]
    return Table(heads, rows, f"{reading.name}: calibration, {_calibration(calibration)}")


def calibrated(readings: Sequence[Reading | LabelReading]) -> Table:
    """The calibration of each network in two numbers."""
    rows = []
    for reading in readings:
        calibration = reading.calibration
        rows.append([reading.name, number(calibration.ece, 4), number(calibration.brier, 4)])
    masks = isinstance(readings[0], Reading)
    title = "calibration (pixels of the brain)" if masks else "calibration"
    return Table(["network", "expected calibration error", "Brier score"], rows, title)


def label_tables(readings: Sequence[LabelReading]) -> list[Table]:
    """All tables of label networks."""
    costs = _costs(readings)
    rows = []
    for reading in readings:
        mean = _accuracy(reading)
        row = [reading.name, f"{mean.mean:.3f}"]
        row.append(f"[{number(mean.low, 3)}, {number(mean.high, 3)}]")
        for recall in reading.recall.values():
            row.append(number(recall, 3))
        for _, key, digits in costs:
            row.append(_fact(reading.checkpoint, key, digits))
        rows.append(row)
    heads = ["network", "accuracy", "interval"]
    heads += [f"recall {name}" for name in readings[0].classes]
    heads += [head for head, *_ in costs]
    out = [Table(heads, rows, "accuracy")]
    for reading in readings:
        out.append(answers(reading.name, reading.classes, reading.confusion.tolist()))
        out.append(reliability(reading))
    return out


def answers(name: str, classes: Sequence[str], confusion: Sequence[Sequence[int]]) -> Table:
    """How many images of a class are answered with which, and the share that is right."""
    rows = []
    for i, (true, counts) in enumerate(zip(classes, confusion, strict=True)):
        total = sum(counts)
        recall = counts[i] / total if total else math.nan
        rows.append([true, *map(str, counts), number(recall, 3)])
    return Table(["true", *classes, "recall"], rows, f"{name}: answers (rows: what is true)")


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """One row a mapping; an empty cell where a number is nan."""
    with replacing(path) as beside:
        table = pd.DataFrame(rows)
        table.to_csv(beside, index=False, float_format="%.6g", lineterminator="\n")
    return path


def patient_rows(readings: Iterable[Reading]) -> list[dict[str, Any]]:
    """One row a network, post-processing and patient."""
    rows = []
    for reading in readings:
        who = {"network": reading.name, "hash": reading.checkpoint.hash}
        for variant, patients in reading.by_patient.items():
            for patient, scores in patients.items():
                rows.append({**who, "post": variant, "patient": patient, **scores})
    return rows


def as_json(readings: Sequence[Reading | LabelReading]) -> list[dict[str, Any]]:
    """What a script would read; None where a number means nothing."""
    out: list[dict[str, Any]] = []
    for reading in readings:
        calibration = reading.calibration
        facts = {
            "network": reading.name,
            "hash": reading.checkpoint.hash,
            "ece": calibration.ece,
            "brier": calibration.brier,
            "reliability": [list(row) for row in calibration.table()],
        }
        if isinstance(reading, LabelReading):
            facts |= {
                "accuracy": asdict(_accuracy(reading)),
                "recall": reading.recall,
                "classes": list(reading.classes),
                "confusion": reading.confusion.tolist(),
            }
        else:
            facts["post"] = _variants(reading)
        out.append(plain(facts))
    return out


def _variants(reading: Reading) -> dict[str, Any]:
    """Each post-processing: its means, what they are above raw, and its scores by patient."""
    raw = reading.by_patient[RAW]
    out = {}
    for variant, scores in reading.by_patient.items():
        mean: dict[str, Any] = {}
        less_raw: dict[str, Any] = {}
        for metric in METRICS:
            mean[metric] = asdict(_over(scores, metric))
            if variant != RAW:
                less_raw[metric] = asdict(_change(scores, raw, metric))
        out[variant] = {"mean": mean, "less_raw": less_raw, "patients": scores}
    return out


def _accuracy(reading: LabelReading) -> Mean:
    """Over patients, each of whom counts once."""
    return Mean.of((row["patient"], float(row["right"])) for row in reading.images)


def _over(patients: Mapping[str, Mapping[str, float]], metric: str) -> Mean:
    return Mean.of((patient, scores.get(metric, math.nan)) for patient, scores in patients.items())


def _change(
    after: Mapping[str, Mapping[str, float]], before: Mapping[str, Mapping[str, float]], metric: str
) -> Mean:
    """What a post-processing changes in one metric against raw, paired by patient."""
    return Mean.of(
        (patient, after[patient][metric] - before[patient][metric]) for patient in before
    )


def _calibration(calibration: Calibration) -> str:
    return (
        f"expected calibration error {number(calibration.ece, 4)}, Brier score"
        f" {number(calibration.brier, 4)}"
    )


def _costs(readings: Sequence[Reading | LabelReading]) -> list[tuple[str, str, int]]:
    """(head, key of the card, digits) of what networks cost; CPU minutes, which a busy machine
    lengthens less, where a card has them.
    """
    costs = [
        ("parameters", "parameters", 0),
        ("epochs", "epochs_run", 0),
        ("minutes of training", "minutes", 1),
    ]
    for reading in readings:
        if any("cpu_minutes" in part.card for part in reading.checkpoint.parts):
            return [*costs, ("CPU minutes", "cpu_minutes", 1)]
    return costs


def _fact(checkpoint: Checkpoint, key: str, digits: int) -> str:
    """A number of a card; of an ensemble the sum over its members."""
    total = 0.0
    for part in checkpoint.parts:
        value = part.card.get(key)
        if value is None:
            return "-"
        total += value
    return f"{total:,.{digits}f}"


def _value(metric: str, value: float, *, sign: bool = False) -> str:
    return number(value, DIGITS.get(metric, 3), sign=sign)


def _mean(metric: str, mean: Mean, total: int) -> str:
    return _value(metric, mean.mean) + (f" ({mean.patients})" if 0 < mean.patients < total else "")


def _interval(metric: str, mean: Mean) -> str:
    return (
        "-"
        if math.isnan(mean.low)
        else f"[{_value(metric, mean.low)}, {_value(metric, mean.high)}]"
    )

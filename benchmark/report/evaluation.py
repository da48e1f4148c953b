"""Tables of how networks read originals: by patient, each post-processing beside raw, calibration,
and labels.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmark.networks.calibration import Calibration
from benchmark.networks.checkpoints import Checkpoint
from benchmark.networks.evaluate import RAW, LabelReading, Reading
from benchmark.networks.masks import METRICS
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
NEVER_FOLDED = 10_000  # columns
WORST = 20  # images in a table
DIGITS = {"hd95_mm": 1, "volume_error": 2, "fp_area_px": 1}
LEGEND = (
    "Dice: mean over the patient's slices with a lesion. F1 (the Dice of the volume), IoU,"
    " precision, recall: over all pixels of the patient. HD95: mean over slices where both mark"
    " something. volume error: (found - true) / true. FP px: falsely marked pixels of a slice"
    " without lesion, mean. In brackets: 95 % t interval over patients; (n) where only n patients"
    " have a value."
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
        kept = [(patient, value) for patient, value in values if not math.isnan(value)]
        patients = [patient for patient, _ in kept]
        return cls(*patient_interval([value for _, value in kept], patients), len(set(patients)))


@dataclass(frozen=True)
class Table:
    """A title, the heads of its columns, and rows of text."""

    title: str
    heads: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def markdown(self) -> str:
        lines = [
            f"## {self.title}",
            "",
            "| " + " | ".join(self.heads) + " |",
            "|---" + "|---:" * (len(self.heads) - 1) + "|",
        ]
        return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in self.rows)])

    def text(self, width: int = 0) -> str:
        """Aligned columns, the first to the left. Those that do not fit into `width` follow below,
        beside the first again.

        0: the width of the terminal; where there is none nothing is folded.
        """
        width = width or shutil.get_terminal_size((NEVER_FOLDED, 24)).columns
        widths = [max(map(len, column)) for column in zip(self.heads, *self.rows, strict=True)]
        blocks: list[list[int]] = [[]]
        for column in range(1, len(widths)):
            if blocks[-1] and sum(2 + widths[i] for i in (*blocks[-1], column)) + widths[0] > width:
                blocks.append([])
            blocks[-1].append(column)
        folded = [
            "\n".join(
                "  ".join([row[0].ljust(widths[0]), *(row[i].rjust(widths[i]) for i in block)])
                for row in (self.heads, *self.rows)
            )
            for block in blocks
        ]
        return self.title + "\n" + "\n\n".join(folded)


def tables(readings: Sequence[Reading], *, short: bool = False) -> list[Table]:
    """All tables of mask networks; short: of several networks, their patients' scores only beside
    each other.
    """
    out = [compared(readings)] if len(readings) > 1 else []
    out.append(by_image(readings))
    for reading in readings:
        out += (
            []
            if short and len(readings) > 1
            else [by_patient(reading.name, reading.by_patient[RAW])]
        )
        out += [postprocessed(reading)] if len(reading.by_patient) > 1 else []
    return [*out, calibrated(readings)] if len(readings) > 1 else [*out, reliability(readings[0])]


def by_patient(name: str, patients: Mapping[str, Mapping[str, float]]) -> Table:
    """Every metric by patient, its mean and interval; a metric that means nothing is nan, or left
    out.
    """
    rows = [
        (patient, *(_value(metric, scores.get(metric, math.nan)) for metric in METRICS))
        for patient, scores in patients.items()
    ]
    means = [_over(patients, metric) for metric in METRICS]
    total = len(rows)
    rows.append(
        (
            f"mean of {total}",
            *(_mean(metric, mean, total) for metric, mean in zip(METRICS, means, strict=True)),
        )
    )
    rows.append(
        (
            "interval",
            *(_interval(metric, mean) for metric, mean in zip(METRICS, means, strict=True)),
        )
    )
    return Table(f"{name}: by patient", ("patient", *(LABELS[metric] for metric in METRICS)), rows)


def compared(readings: Sequence[Reading]) -> Table:
    """Dice by patient x network, and what the networks' cards say."""
    patients = list(readings[0].by_patient[RAW])
    rows = [
        (
            patient,
            *(_value("dice", reading.by_patient[RAW][patient]["dice"]) for reading in readings),
        )
        for patient in patients
    ]
    for metric in ("dice", "f1", "fp_area_px"):
        means = [_over(reading.by_patient[RAW], metric) for reading in readings]
        rows.append(
            (
                f"mean {LABELS[metric]}",
                *(
                    f"{_mean(metric, mean, len(patients))} {_interval(metric, mean)}"
                    for mean in means
                ),
            )
        )
    for head, key, digits in _costs([reading.checkpoint for reading in readings]):
        rows.append((head, *(_fact(reading.checkpoint, key, digits) for reading in readings)))
    return Table(
        "Dice by patient and network", ("patient", *(reading.name for reading in readings)), rows
    )


def by_image(readings: Sequence[Reading]) -> Table:
    """Raw Dice of each image, or pixels falsely marked on one without lesion, by network: the WORST
    worst.
    """
    scores = [
        {row["image"]: row for row in reading.images if row["post"] == RAW} for reading in readings
    ]
    names = list(scores[0])

    def severity(name: str) -> tuple[float, float]:
        """Mean Dice, 0 where something is marked on a slice without lesion; then the pixels that
        are wrong.
        """
        rows = [own[name] for own in scores]
        if rows[0]["true_px"]:
            return sum(row["dice"] for row in rows) / len(rows), -rows[0]["true_px"]
        marked = sum(row["found_px"] for row in rows) / len(rows)
        return (0.0 if marked else 1.0), -marked

    worst = sorted(names, key=lambda name: (*severity(name), name))[:WORST]
    rows = [
        (name, str(scores[0][name]["true_px"]), *(_found(own[name]) for own in scores))
        for name in worst
    ]
    many = (
        f"the worst {WORST} of {len(names)}; all in per_image.csv"
        if len(names) > WORST
        else "worst first"
    )
    return Table(
        f"Dice by image, or pixels falsely marked: {many}",
        ("image", "true px", *(reading.name for reading in readings)),
        rows,
    )


def _found(row: Mapping[str, Any]) -> str:
    return number(row["dice"], 3) if row["true_px"] else f"{row['found_px']} px"


def postprocessed(reading: Reading) -> Table:
    """Each post-processing: means over patients, and what it changes against raw, paired by
    patient.
    """
    shown, rows = ("dice", "f1", "precision", "recall", "fp_area_px"), []
    raw = reading.by_patient[RAW]
    for variant, scores in reading.by_patient.items():
        cells = [variant]
        for metric in shown:
            mean = _mean(metric, _over(scores, metric), len(raw))
            change = _change(scores, raw, metric)
            cells.append(
                mean
                if variant == RAW
                else f"{mean} {_value(metric, change.mean, sign=True)} {_interval(metric, change)}"
            )
        rows.append(tuple(cells))
    return Table(
        f"{reading.name}: post-processing, and what it changes",
        ("post", *(LABELS[metric] for metric in shown)),
        rows,
    )


def reliability(reading: Reading | LabelReading) -> Table:
    calibration = reading.calibration
    rows = [
        (name, f"{count:,}", number(said, 3), number(true, 3))
        for name, count, said, true in calibration.table()
    ]
    return Table(
        f"{reading.name}: calibration, {_calibration(calibration)}",
        ("probability", "count", "mean said", "share true"),
        rows,
    )


def calibrated(readings: Sequence[Reading | LabelReading]) -> Table:
    rows = [
        (reading.name, number(reading.calibration.ece, 4), number(reading.calibration.brier, 4))
        for reading in readings
    ]
    return Table(
        "calibration (pixels of the brain)" if isinstance(readings[0], Reading) else "calibration",
        ("network", "expected calibration error", "Brier score"),
        rows,
    )


def label_tables(readings: Sequence[LabelReading]) -> list[Table]:
    rows, costs = [], _costs([reading.checkpoint for reading in readings])
    for reading in readings:
        mean = _accuracy(reading)
        rows.append(
            (
                reading.name,
                f"{mean.mean:.3f}",
                f"[{number(mean.low, 3)}, {number(mean.high, 3)}]",
                *(number(recall, 3) for recall in reading.recall.values()),
                *(_fact(reading.checkpoint, key, digits) for _, key, digits in costs),
            )
        )
    heads = (
        "network",
        "accuracy",
        "interval",
        *(f"recall {name}" for name in readings[0].classes),
        *(head for head, *_ in costs),
    )
    out = [Table("accuracy", heads, rows)]
    for reading in readings:
        out += [
            answers(reading.name, reading.classes, reading.confusion.tolist()),
            reliability(reading),
        ]
    return out


def answers(name: str, classes: Sequence[str], confusion: Sequence[Sequence[int]]) -> Table:
    """How many images of a class are answered with which, and the share that is right."""
    rows = [
        (true, *map(str, counts), number(counts[i] / sum(counts) if sum(counts) else math.nan, 3))
        for i, (true, counts) in enumerate(zip(classes, confusion, strict=True))
    ]
    return Table(f"{name}: answers (rows: what is true)", ("true", *classes, "recall"), rows)


def write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    """One row a mapping; an empty cell where a number is nan."""
    pd.DataFrame(rows).to_csv(path, index=False, float_format="%.6g", lineterminator="\n")
    return path


def patient_rows(readings: Iterable[Reading]) -> list[dict[str, Any]]:
    return [
        {
            "network": reading.name,
            "hash": reading.checkpoint.hash,
            "post": variant,
            "patient": patient,
        }
        | scores
        for reading in readings
        for variant, patients in reading.by_patient.items()
        for patient, scores in patients.items()
    ]


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
            facts["post"] = {
                variant: {
                    "mean": {metric: asdict(_over(scores, metric)) for metric in METRICS},
                    "less_raw": (
                        {
                            metric: asdict(_change(scores, reading.by_patient[RAW], metric))
                            for metric in METRICS
                        }
                        if variant != RAW
                        else {}
                    ),
                    "patients": scores,
                }
                for variant, scores in reading.by_patient.items()
            }
        out.append(plain(facts))
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


def _costs(checkpoints: Sequence[Checkpoint]) -> list[tuple[str, str, int]]:
    """(head, key of the card, digits) of what networks cost; CPU minutes, which a busy machine
    lengthens less, where a card has them.
    """
    costs = [
        ("parameters", "parameters", 0),
        ("epochs", "epochs_run", 0),
        ("minutes of training", "minutes", 1),
    ]
    known = any(
        "cpu_minutes" in part.card for checkpoint in checkpoints for part in checkpoint.parts
    )
    return [*costs, ("CPU minutes", "cpu_minutes", 1)] if known else costs


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
    return (
        "-"
        if math.isnan(mean.low)
        else f"[{_value(metric, mean.low)}, {_value(metric, mean.high)}]"
    )

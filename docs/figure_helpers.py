"""What the figures share: rows of a CSV file, Markdown tables, means over patients, null twins."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from scipy.special import stdtrit

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"

Record = dict[str, str]


def records(path: str) -> list[Record]:
    """The rows of a CSV file below results/."""
    with (RESULTS / path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def table(head: list[str], rows: Iterable[list[str]]) -> str:
    """A Markdown table; the first column is text, the others are set to the right."""
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def half_width(values: np.ndarray) -> float:
    """Half of the 95 % t interval of a mean; nan for a single value."""
    if len(values) < 2:
        return float("nan")
    quantile = float(stdtrit(len(values) - 1, 0.975))
    return quantile * float(values.std(ddof=1)) / len(values) ** 0.5


def over_patients(pairs: Iterable[tuple[str, float]]) -> tuple[float, float, float]:
    """Mean and interval of (patient, value); each patient counts once."""
    by_patient: dict[str, list[float]] = defaultdict(list)
    for patient, value in pairs:
        by_patient[patient].append(value)
    means = np.array([np.mean(values) for values in by_patient.values()])
    half = half_width(means)
    return float(means.mean()), float(means.mean() - half), float(means.mean() + half)


def interval(found: tuple[float, float, float], digits: int, sign: str = "+") -> str:
    mean, low, high = found
    return f"{mean:{sign}.{digits}f} [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"


def lambda_text(value: str) -> str:
    """1e-05 and 0.00001 are both 1e-5."""
    number = float(value)
    return "0" if number == 0 else f"{number:.0e}".replace("e-0", "e-")


def groups(rows: Iterable[Record], *columns: str) -> dict[tuple[str, ...], list[Record]]:
    """Rows by the values of some columns, in the order of their first row."""
    found: dict[tuple[str, ...], list[Record]] = defaultdict(list)
    for row in rows:
        found[tuple(row[column] for column in columns)].append(row)
    return found


def by_lambda(rows: Iterable[Record], column: str) -> list[tuple[str, str, list[Record]]]:
    """(name, lambda, rows), in the order of the names in `column` and of the lambdas."""
    found = [
        (name, lam, of_both) for (name, lam), of_both in groups(rows, column, "lambda").items()
    ]
    return sorted(found, key=lambda one: (one[0], float(one[1])))


def counts(rows: Iterable[Record], metric: str) -> str:
    """Wins / ties / losses of a metric in a per_image.csv."""
    verdicts = [row[f"{metric}_verdict"] for row in rows]
    return " / ".join(str(verdicts.count(kind)) for kind in ("win", "tie", "loss"))


def null_pairs(rows: list[Record]) -> list[tuple[Record, Record]]:
    """(null twin, plain twin) of every null twin that is well."""
    by_key = {row["key"]: row for row in rows}
    pairs = []
    for row in rows:
        if row["null"] == "True" and row["status"] == "ok" and row["twin"] in by_key:
            pairs.append((row, by_key[row["twin"]]))
    return pairs


def null_differences(pairs: Iterable[tuple[Record, Record]], column: str) -> np.ndarray:
    found = []
    for null, plain in pairs:
        if null[column] and plain[column]:
            found.append(float(null[column]) - float(plain[column]))
    return np.array(found)


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def recipe_band(first: list[Record], second: list[Record], column: str) -> float:
    """Half of the 95 % band of chance: see `difference_band` of benchmark/report/agreement.py.

    All null twins of a recipe tell its noise; the means are of the seeds that both recipes have.
    """
    seeds = len({row["seed"] for row in first} & {row["seed"] for row in second})
    variances, degrees = [], []
    for rows in (first, second):
        nulls = null_differences(null_pairs(rows), column)
        patients = len({row["patient"] for row in rows})
        variances.append(float(np.mean(np.square(nulls))) / 2 / patients / seeds)
        degrees.append(len(nulls))
    total = sum(variances)
    freedom = total**2 / sum(v**2 / n for v, n in zip(variances, degrees, strict=True))
    return float(stdtrit(int(freedom + 1e-9), 0.975)) * total**0.5

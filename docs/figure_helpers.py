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
Found = tuple[float, float, float]  # mean, low, high


def records(path: str) -> list[Record]:
    """The rows of a CSV file below results/."""
    with (RESULTS / path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def where(rows: Iterable[Record], **columns: str) -> list[Record]:
    """The rows whose columns have these texts."""
    kept = []
    for row in rows:
        if columns.items() <= row.items():
            kept.append(row)
    return kept


def groups(rows: Iterable[Record], *columns: str) -> dict[tuple[str, ...], list[Record]]:
    """Rows by the values of some columns, in the order of their first row."""
    found: dict[tuple[str, ...], list[Record]] = defaultdict(list)
    for row in rows:
        found[tuple(map(row.__getitem__, columns))].append(row)
    return found


def by_lambda(rows: Iterable[Record], column: str) -> list[tuple[str, str, list[Record]]]:
    """(name, lambda, rows), in the order of the names in `column` and of the lambdas."""
    found = []
    for (name, lam), of_both in groups(rows, column, "lambda").items():
        found.append((name, lam, of_both))
    return sorted(found, key=lambda one: (one[0], float(one[1])))


def of_patients(rows: Iterable[Record], column: str) -> list[tuple[str, float]]:
    """(patient, value) of every row that has a value."""
    pairs = []
    for row in rows:
        if row[column]:
            pairs.append((row["patient"], float(row[column])))
    return pairs


def values(rows: Iterable[Record], column: str) -> np.ndarray:
    """The numbers of a column, without empty fields."""
    found = []
    for row in rows:
        if row[column]:
            found.append(float(row[column]))
    return np.array(found)


def over_patients(pairs: Iterable[tuple[str, float]]) -> Found:
    """Mean and 95 % t interval of (patient, value); each patient counts once."""
    by_patient: dict[str, list[float]] = defaultdict(list)
    for patient, value in pairs:
        by_patient[patient].append(value)
    means = np.array(list(map(np.mean, by_patient.values())))
    mean, half = float(means.mean()), float("nan")
    if len(means) > 1:
        quantile = float(stdtrit(len(means) - 1, 0.975))
        half = quantile * float(means.std(ddof=1)) / len(means) ** 0.5
    return mean, mean - half, mean + half


def table(head: list[str], rows: Iterable[list[str]]) -> str:
    """A Markdown table; the first column is text, the others are set to the right."""
    text = ""
    for line in [head, ["---"] + ["---:"] * (len(head) - 1), *rows]:
        text += "| " + " | ".join(line) + " |\n"
    return text


def interval(found: Found, digits: int, sign: str = "+") -> str:
    mean, low, high = found
    return f"{mean:{sign}.{digits}f} [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"


def counts(rows: Iterable[Record], metric: str) -> str:
    """Wins / ties / losses of a metric in a per_image.csv."""
    verdicts = list(row[f"{metric}_verdict"] for row in rows)
    return f"{verdicts.count('win')} / {verdicts.count('tie')} / {verdicts.count('loss')}"


def lambda_text(value: str) -> str:
    """1e-05 and 0.00001 are both 1e-5."""
    number = float(value)
    return "0" if number == 0 else f"{number:.0e}".replace("e-0", "e-")


def null_differences(rows: list[Record], column: str) -> np.ndarray:
    """Null twin - plain twin, of every null twin that is well."""
    by_key = {row["key"]: row for row in rows}
    found = []
    for null in where(rows, null="True", status="ok"):
        plain = by_key.get(null["twin"])
        if plain and null[column] and plain[column]:
            found.append(float(null[column]) - float(plain[column]))
    return np.array(found)


def rms(differences: np.ndarray) -> float:
    """The root mean square: the noise floor."""
    return float(np.sqrt(np.mean(np.square(differences))))

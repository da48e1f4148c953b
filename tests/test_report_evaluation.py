"""Intervals over patients, and what networks cost, in the tables of `evaluate`."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import benchmark.report.evaluation
from benchmark.networks.checkpoints import Checkpoint
from benchmark.networks.evaluate import LabelReading, Reading
from benchmark.report.evaluation import Mean, Table, by_image, compared, label_tables


def network(name: str, **card) -> Checkpoint:
    return Checkpoint(
        name, Path(name), name, {"parameters": 5, "epochs_run": 2, "minutes": 3.0, **card}
    )


def masks(checkpoint: Checkpoint) -> Reading:
    scores = {
        "a": {"dice": 0.5, "f1": 0.5, "fp_area_px": math.nan},
        "b": {"dice": 0.9, "f1": 0.7, "fp_area_px": 4.0},
    }
    return Reading(checkpoint, checkpoint.name, {"raw": scores}, [], {})


def labels(checkpoint: Checkpoint) -> LabelReading:
    right = {"a": (1, 1, 1, 0), "b": (0,), "c": (1, 1)}
    images = [
        {"patient": patient, "right": value}
        for patient, values in right.items()
        for value in values
    ]
    return LabelReading(
        checkpoint, checkpoint.name, ("no", "yes"), images, np.array([[3, 1], [1, 2]])
    )


def test_the_interval_is_students_t_over_patients_and_says_how_many():
    found = Mean.of(zip("abcde", [0.1, 0.5, 0.6, 0.9, math.nan], strict=True))
    half = 3.182446 * np.std([0.1, 0.5, 0.6, 0.9], ddof=1) / 2  # t(0.975, 3)
    assert (found.mean, found.low, found.high) == pytest.approx(
        (0.525, 0.525 - half, 0.525 + half), abs=1e-6
    ) and found.patients == 4
    one = Mean.of([("a", 0.3), ("b", math.nan)])
    assert (
        one.mean == 0.3 and math.isnan(one.low) and one.patients == 1 and Mean.of([]).patients == 0
    )


def test_a_patient_counts_once_in_the_accuracy():
    accuracy, *_ = label_tables([labels(network("one"))])
    half = 4.302653 * np.std([0.75, 0, 1], ddof=1) / 3**0.5
    assert accuracy.rows[0][1:3] == [
        f"{1.75 / 3:.3f}",
        f"[{1.75 / 3 - half:.3f}, {1.75 / 3 + half:.3f}]",
    ]


def test_cpu_minutes_stand_beside_the_minutes_where_a_card_has_them():
    rows = {
        row[0]: row[1:]
        for row in compared([masks(network("one", cpu_minutes=5.5)), masks(network("other"))]).rows
    }
    assert rows["minutes of training"] == ["3.0", "3.0"] and rows["CPU minutes"] == ["5.5", "-"]
    assert "CPU minutes" not in dict.fromkeys(
        row[0] for row in compared([masks(network("one"))]).rows
    )
    for card, heads in (
        ({"cpu_minutes": 5.5}, ("minutes of training", "CPU minutes")),
        ({}, ("epochs", "minutes of training")),
    ):
        accuracy, *_ = label_tables([labels(network("one", **card))])
        assert accuracy.heads[-2:] == list(heads) and len(accuracy.heads) == len(accuracy.rows[0])


def test_a_table_is_folded_to_the_terminal_beside_its_first_column(monkeypatch):
    table = Table(
        ("who", "aaaaaaaa", "bbbb", "cccc"), [("p0", "1", "2", "3"), ("p1", "4", "5", "6")], "title"
    )
    wide = [
        "title",
        "who  aaaaaaaa  bbbb  cccc",
        "p0          1     2     3",
        "p1          4     5     6",
    ]
    assert table.text(25).splitlines() == wide
    folded = [
        "title",
        "who  aaaaaaaa  bbbb",
        "p0          1     2",
        "p1          4     5",
        "",
        "who  cccc",
        "p0      3",
        "p1      6",
    ]
    assert table.text(24).splitlines() == folded and table.text(19).splitlines() == folded
    assert max(map(len, table.text(1).splitlines())) == 13  # a column is never cut
    monkeypatch.setenv("COLUMNS", "20")
    assert table.text().splitlines() == folded


def test_images_stand_worst_first_and_raw_alone(monkeypatch):
    def row(image: str, true: int, found: int, dice: float, post: str = "raw") -> dict:
        return {"post": post, "image": image, "true_px": true, "found_px": found, "dice": dice}

    one, other = masks(network("unet")), masks(network("dilated"))
    one.images += [
        row("good", 9, 9, 0.9),
        row("healthy", 0, 0, math.nan),
        row("missed", 9, 0, 0.0),
        row("false", 0, 30, math.nan),
        row("good", 9, 9, 0.0, "largest"),
    ]
    other.images += [
        row("good", 9, 9, 0.8),
        row("healthy", 0, 0, math.nan),
        row("missed", 9, 1, 0.1),
        row("false", 0, 10, math.nan),
    ]
    table = by_image([one, other])
    assert table.rows == [
        ["false", "0", "30 px", "10 px"],
        ["missed", "9", "0.000", "0.100"],
        ["good", "9", "0.900", "0.800"],
        ["healthy", "0", "0 px", "0 px"],
    ]
    monkeypatch.setattr(benchmark.report.evaluation, "WORST", 2)
    short = by_image([one, other])
    assert [name for name, *_ in short.rows] == [
        "false",
        "missed",
    ] and "the worst 2 of 4" in short.title

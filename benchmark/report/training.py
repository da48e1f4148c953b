"""What a training found, as a person reads it: the scores of its card on the test split."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmark.report.evaluation import answers, by_patient


def table(card: Mapping[str, Any]) -> str:
    """The test split of a card: by patient, or by class."""
    lines = []
    for prefix, what in (("test", "test split"), ("test_decoded", "test split, decoded")):
        if f"{prefix}_by_patient" in card:
            lines.append(by_patient(what, card[f"{prefix}_by_patient"]).text())
        elif f"{prefix}_confusion" in card:
            lines.append(answers(what, card["classes"], card[f"{prefix}_confusion"]).text())
            lines.append(f"accuracy {card[f'{prefix}_accuracy']:.3f}")
    return "\n".join(lines)

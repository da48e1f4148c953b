"""Claims about segmenters, data sets, codecs, optimizers and regularizers: each fails what is wrong
in just that way.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.checks import Subject, claims, run_checks
from benchmark.errors import InputError
from benchmark.plugins import index
from tests.wrong_plugins import RIGHT, WRONG, Images

PAIRS = [(kind, wrong, claim) for kind, wrongs in WRONG.items() for wrong, claim in wrongs.items()]


def failures(kind: str, factory: Callable[..., Any]) -> list[str]:
    declared = getattr(factory, "DECLARED", {})
    results = list(run_checks(kind, Subject.of(factory, kind=kind, **declared)))
    assert not [r for r in results if r.status == "skipped"]
    return [result.name for result in results if result.status == "failed"]


@pytest.mark.parametrize("kind", RIGHT)
def test_what_is_right_passes(kind: str) -> None:
    assert failures(kind, RIGHT[kind]) == []


@pytest.mark.parametrize(
    ("kind", "wrong", "claim"), PAIRS, ids=[f"{kind}-{wrong.__name__}" for kind, wrong, _ in PAIRS]
)
def test_what_is_wrong_fails_just_that_claim(kind: str, wrong: type, claim: str) -> None:
    assert failures(kind, wrong) == [claim]


@pytest.mark.parametrize("kind", RIGHT)
def test_every_claim_is_shown_to_bite(kind: str) -> None:
    assert sorted(WRONG[kind].values()) == sorted(claims(kind))


def test_a_data_set_that_is_not_here_is_skipped_with_a_reason() -> None:
    class Absent(Images):
        def fetch(self) -> None:
            raise InputError("images", "nothing matches TCGA_*", "--root FOLDER")

    results = list(run_checks("dataset", Subject.of(Absent, kind="dataset")))
    assert [r.status for r in results] == ["passed"] + ["skipped"] * (len(results) - 1)
    assert "nothing matches TCGA_*" in results[-1].why


GLOBAL = '''
"""A codec that keeps its pictures in the module."""
import numpy as np
from benchmark.plugins import Decoded, register
KEPT = {}

@register.codec("keeps")
class Keeps:
    def encode(self, sample, max_bytes):
        KEPT[len(KEPT)] = sample.image
        return bytes([len(KEPT) - 1])

    def decode(self, data):
        return Decoded(KEPT.get(data[0], np.zeros((64, 64, 1), np.float32)))
'''


def test_a_fresh_process_catches_what_a_new_object_does_not(tmp_path: Path) -> None:
    (tmp_path / "keeps.py").write_text(GLOBAL)
    index.add_plugin_file(tmp_path / "keeps.py")
    why = {
        r.name: r.why for r in run_checks("codec", Subject.registered(index.get("codec", "keeps")))
    }
    assert why["amnesia"] == "a fresh process decodes another picture"

"""Scores come from bytes alone, and a file without an image makes its row a failed one."""

from __future__ import annotations

import pytest

from benchmark.clock import Clock
from benchmark.codecs.jpeg2000 import Jpeg2000
from benchmark.plan.job import Job
from benchmark.plan.selection import Selection
from benchmark.runner.scorer import Scorer
from benchmark.store.store import Row


def test_a_file_that_cannot_be_decoded_fails_its_row_and_no_other(tiny_samples):
    sample = tiny_samples[0]
    job = Job(Selection(), None, "tiny", {sample.hash: sample}, {}, [], [])
    scorer = Scorer(job, lambda checkpoint: pytest.fail("there is no reader"), Clock())
    rows = [
        Row(key, "ok", "", sample.hash, {"codec": "jpeg2000"}, data)
        for key, data in (("good", Jpeg2000().encode(sample, 500)), ("bad", b"no image"))
    ]
    scores = scorer.score(rows)
    assert {score.key for score in scores} == {"good"} and {"psnr_db", "ssim"} <= {
        score.metric for score in scores
    }
    good, bad = rows
    assert (good.status, bad.status, bad.data) == (
        "ok",
        "failed",
        None,
    ) and "its file cannot be decoded" in bad.reason

"""results/first, the store with pixels: each file in it decodes, and its PSNR is what is stored."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

import benchmark as sb
from benchmark.bitstream.anyfile import decode_as

FOLDER = Path(__file__).parents[1] / "results" / "first"
MOST_BYTES = 3_000_000


def test_every_file_decodes_to_the_psnr_that_is_stored():
    before = (FOLDER / "store.sqlite").read_bytes()
    with sb.open(FOLDER) as run:
        stored = {}
        for score in run.store.scores():
            if score.metric == "psnr_db":
                stored[score.key] = score.value
        assert len(run.view.rows) == len(stored) == 66 and run.failed == 0
        for row in run.view.rows:
            sample = run.store.sample(row.sample_hash)
            assert sample is not None and sample.hash == row.sample_hash
            image = decode_as(run.view.data(row.key), row.facts.get("codec")).image
            error = np.mean((image.astype(np.float64) - sample.image) ** 2)
            assert -10 * np.log10(error) == pytest.approx(stored[row.key], abs=1e-3)
            bpp = 8 * len(run.view.data(row.key)) / sample.mask.size
            assert bpp == pytest.approx(row.facts["bpp"])
    assert (FOLDER / "store.sqlite").read_bytes() == before  # who looks changes nothing


def test_an_image_is_shown_as_the_readme_says():
    with sb.open(FOLDER) as run:
        picture = run.image("p0445-s2")
    assert picture.original.shape == picture.sinco.shape == (128, 128, 1) and picture.mask.any()
    assert set(picture.codecs) == {"jpeg2000", "jpeg2000+mask"}


def test_the_tables_beside_it_are_those_of_the_store(tmp_path):
    with sb.open(FOLDER) as run:
        run.report(tmp_path)
    for name in ("leaderboard.md", "per_image.csv"):
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes()


def test_it_is_one_small_file_that_may_be_passed_on():
    assert {path.name for path in FOLDER.iterdir()} >= {"README.md", "store.sqlite"}
    assert (FOLDER / "store.sqlite").stat().st_size < MOST_BYTES
    with closing(sqlite3.connect(FOLDER / "store.sqlite")) as db:
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        datasets = db.execute("SELECT DISTINCT json_extract(facts, '$.dataset') FROM samples")
        assert datasets.fetchall() == [("mni-lesion",)]

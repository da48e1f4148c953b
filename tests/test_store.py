"""The store: all or nothing, nothing twice, nothing lost."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from benchmark.errors import InputError
from benchmark.store import Row, Score, Store
from benchmark.types import Sample, VolumeStatistics


def rows(n: int) -> list[Row]:
    return [Row(f"k{i}", "ok", "", "s", {"method": "siren", "lambda": 0.1 * i}, bytes([i])) for i in range(n)]


def test_cells_and_scores_come_back_as_they_were(tmp_path):
    with Store(tmp_path) as store:
        store.add(rows(3), [Score("k1", "psnr_db", 31.25), Score("k1", "dice", 0.5, "unet", "abc")])
    with Store(tmp_path) as store:
        assert [(r.key, r.facts["lambda"], r.data) for r in store.rows()] == [("k0", 0.0, b"\0"), ("k1", 0.1, b"\1"), ("k2", 0.2, b"\2")]
        assert store.statuses() == {"k0": "ok", "k1": "ok", "k2": "ok"}
        assert set(store.scores()) == {Score("k1", "psnr_db", 31.25), Score("k1", "dice", 0.5, "unet", "abc")}
        assert [r.key for r in store.rows(["k2"])] == ["k2"]


def test_a_batch_is_written_whole_or_not_at_all(tmp_path):
    with Store(tmp_path) as store:
        with pytest.raises(InputError):
            store.add(rows(2), [Score("k0", None, 1.0)])  # metric is NOT NULL
        assert store.statuses() == {}
        store.add(rows(1))
        assert store.statuses() == {"k0": "ok"}


def test_scores_are_replaced_and_removed_with_their_cell(tmp_path):
    with Store(tmp_path) as store:
        store.add(rows(2), [Score("k0", "ssim", 0.1), Score("k1", "ssim", 0.2)])
        store.add([], [Score("k0", "ssim", 0.3)])
        assert {s.key: s.value for s in store.scores()} == {"k0": 0.3, "k1": 0.2}
        store.remove(key for key in ["k0"])
        assert {s.key for s in store.scores()} == {"k1"} and list(store.statuses()) == ["k1"]


def test_samples_come_back_with_the_same_hash_and_a_published_store_has_no_pixels(tmp_path):
    image = np.linspace(0, 1, 48, dtype=np.float32).reshape(6, 8, 1)
    sample = Sample("p1-s1", "d", "p1", image, image[..., 0] > 0.7, image[..., 0] > 0.1, ("flair",), VolumeStatistics.of(image),
                    slice_index=4, spacing_mm=(1.0, 2.0), window=(0.0, 9.0))
    with Store(tmp_path) as store:
        store.add_samples([sample])
        found = store.sample(sample.hash)
        assert found is not None and found.hash == sample.hash and found.spacing_mm == (1.0, 2.0)
        store.publish(tmp_path / "public")
        assert store.sample(sample.hash) is not None
        with pytest.raises(InputError, match="already"):
            store.publish(tmp_path)
    assert image.tobytes() not in (tmp_path / "public" / "store.sqlite").read_bytes()
    before = (tmp_path / "public" / "store.sqlite").read_bytes()
    with Store(tmp_path / "public", create=False) as published:
        assert published.sample(sample.hash) is None
    assert (tmp_path / "public" / "store.sqlite").read_bytes() == before, "reading changed the file"


def test_kill_9_in_the_middle_of_a_batch_keeps_what_was_finished(tmp_path):
    code = textwrap.dedent(f"""
        import os, signal
        from pathlib import Path
        from benchmark.store import Row, Store
        store = Store(Path({str(tmp_path)!r}))
        store.add([Row("done", "ok", "", "s", {{}}, b"x")])
        def rows():
            yield Row("half", "ok", "", "s", {{}}, b"x")
            os.kill(os.getpid(), signal.SIGKILL)
        store.add(rows())
    """)
    done = subprocess.run([sys.executable, "-c", code], cwd=os.getcwd(), env={**os.environ, "PYTHONPATH": os.getcwd()})
    assert done.returncode == -signal.SIGKILL
    with Store(tmp_path) as store:
        assert store.statuses() == {"done": "ok"}


def test_no_store_a_newer_store_and_a_file_in_the_way_are_clear_errors(tmp_path):
    with pytest.raises(InputError, match=r"no store\.sqlite"):
        Store(tmp_path / "nothing", create=False)
    db = sqlite3.connect(tmp_path / "store.sqlite")
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(InputError, match="version 99"):
        Store(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="--out"):
        Store(tmp_path / "file" / "below")


def test_a_damaged_store_is_a_clear_error(tmp_path):
    (tmp_path / "store.sqlite").write_bytes(b"this is no database, whatever its name says" * 50)
    with pytest.raises(InputError, match="not a database"):
        Store(tmp_path)

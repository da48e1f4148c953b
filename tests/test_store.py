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
from benchmark.store.store import Row, Score, Store
from benchmark.types import Sample, VolumeStatistics


def rows(n: int) -> list[Row]:
    return [
        Row(f"k{i}", "ok", "", "s", {"method": "siren", "lambda": 0.1 * i}, bytes([i]))
        for i in range(n)
    ]


def test_cells_and_scores_come_back_as_they_were(tmp_path):
    with Store(tmp_path) as store:
        store.add(rows(3), [Score("k1", "psnr_db", 31.25), Score("k1", "dice", 0.5, "unet", "abc")])
    with Store(tmp_path) as store:
        assert [(r.key, r.facts["lambda"], r.data) for r in store.rows()] == [
            ("k0", 0.0, b"\0"),
            ("k1", 0.1, b"\1"),
            ("k2", 0.2, b"\2"),
        ]
        assert store.statuses() == {"k0": "ok", "k1": "ok", "k2": "ok"}
        assert set(store.scores()) == {
            Score("k1", "psnr_db", 31.25),
            Score("k1", "dice", 0.5, "unet", "abc"),
        }
        assert [r.key for r in store.rows(["k2"])] == ["k2"]


def test_a_part_of_a_store_is_read_without_the_rest(tmp_path):
    with Store(tmp_path) as store:
        store.add(rows(5), [Score(f"k{i}", "psnr_db", float(i)) for i in range(5)])
        assert store.statuses(["k3", "k1", "nowhere", "k3"]) == {"k1": "ok", "k3": "ok"}
        assert [
            (r.key, r.facts["method"], r.data) for r in store.each_row(["k4", "k0"], data=False)
        ] == [("k0", "siren", None), ("k4", "siren", None)]
        assert [r.key for r in store.each_row(limit=2)] == ["k0", "k1"] and store.rows([]) == []
        assert (
            list(store.each_score(iter(["k2"]))) == [Score("k2", "psnr_db", 2.0)]
            and store.count() == 5
        )


def test_a_part_is_found_by_its_keys_and_not_by_a_scan(tmp_path):
    """Flat in stored rows: SQLite's own plan of each query on keys says SEARCH, never SCAN cells or
    SCAN scores.
    """
    with Store(tmp_path) as store:
        asked: list[str] = []
        store._db.set_trace_callback(asked.append)
        (
            list(store.each_row(["k1"])),
            store.statuses(["k1"]),
            list(store.each_score(["k1"])),
            store.unscored(["k1"], [("a", "b", "c", "d")]),
        )
        store._db.set_trace_callback(None)
        plans = [
            [step[-1] for step in store._db.execute(f"EXPLAIN QUERY PLAN {text}")] for text in asked
        ]
    assert len(plans) == 5
    for plan in plans:
        assert any("SEARCH" in step for step in plan), plan
        for step in plan:
            assert not step.startswith(("SCAN cells", "SCAN scores")), plan


def test_unscored_are_the_files_that_lack_a_mark(tmp_path):
    marks = [("decoded", "", "", "psnr_db"), ("decoded", "unet", "abc", "dice")]
    whole = [Score(f"k{i}", "psnr_db", 1.0) for i in range(5)] + [
        Score(f"k{i}", "dice", 0.5, "unet", "abc") for i in range(5)
    ]
    with Store(tmp_path) as store:
        store.add([*rows(5), Row("k5", "failed", "no file", "s")], whole)
        store.add([], [Score("k4", "ssim", 1.0)])  # a mark more is no mark less
        assert store.unscored([f"k{i}" for i in range(6)], marks) == []
        store.add(
            rows(3)[1:], [s for s in whole if s.key == "k1" and s.metric == "psnr_db"], anew=True
        )
        store.add(
            [],
            [
                Score("k1", "dice", 0.5, "unet", "other hash"),
                Score("k1", "dice", 0.5, "unet", "abc", "stretched-png"),
            ],
        )
        assert store.unscored(["k0", "k1", "k2", "k3", "k5"], marks) == ["k1", "k2"]
        assert store.unscored(["k2"], marks) == ["k2"]


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
        store.remove(iter(["k0"]))
        assert {s.key for s in store.scores()} == {"k1"} and list(store.statuses()) == ["k1"]


def test_samples_come_back_with_the_same_hash_and_a_published_store_has_no_pixels(tmp_path):
    image = np.linspace(0, 1, 48, dtype=np.float32).reshape(6, 8, 1)
    sample = Sample(
        "p1-s1",
        "d",
        "p1",
        image,
        image[..., 0] > 0.7,
        image[..., 0] > 0.1,
        ("flair",),
        VolumeStatistics.of(image),
        slice_index=4,
        spacing_mm=(1.0, 2.0),
        window=(0.0, 9.0),
    )
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
        from benchmark.store.store import Row, Store
        store = Store(Path({str(tmp_path)!r}))
        store.add([Row("done", "ok", "", "s", {{}}, b"x")])
        def rows():
            yield Row("half", "ok", "", "s", {{}}, b"x")
            os.kill(os.getpid(), signal.SIGKILL)
        store.add(rows())
    """)
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=os.getcwd(), env={**os.environ, "PYTHONPATH": os.getcwd()}
    )
    assert done.returncode == -signal.SIGKILL
    with Store(tmp_path) as store:
        assert store.statuses() == {"done": "ok"}


def test_no_store_a_newer_store_and_a_file_in_the_way_are_clear_errors(tmp_path):
    with pytest.raises(InputError, match=r"no store\.sqlite"):
        Store(tmp_path / "nothing", create=False)
    Store(tmp_path).close()
    db = sqlite3.connect(tmp_path / "store.sqlite")
    db.execute("PRAGMA user_version=99")
    db.close()
    with pytest.raises(InputError, match="version 99"):
        Store(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="out='FOLDER'"):
        Store(tmp_path / "file" / "below")


def test_a_damaged_store_is_a_clear_error(tmp_path):
    (tmp_path / "store.sqlite").write_bytes(b"this is no database, whatever its name says" * 50)
    with pytest.raises(InputError, match="not a database"):
        Store(tmp_path)


def test_how_samples_were_prepared_is_kept_with_them(tmp_path):
    image = np.linspace(0, 1, 48, dtype=np.float32).reshape(6, 8, 1)
    samples = [
        Sample(
            f"p{i}-s1",
            "d",
            f"p{i}",
            image * (1 - i / 10),
            image[..., 0] > 0.7,
            image[..., 0] > 0.1,
            ("flair",),
            VolumeStatistics.of(image),
        )
        for i in range(4)
    ]
    with Store(tmp_path) as store:
        store.add_samples(samples[:2], {"size": 32})
        store.add_samples(samples[:3], {"size": 64})  # the first two are as they were
        store.add_samples(samples[3:])
        assert store.preparations() == {("d", '{"size": 32}'), ("d", '{"size": 64}')}

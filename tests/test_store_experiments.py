"""Runs are kept apart: each is an experiment of its store, with its own cells and record."""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path

import pytest

from benchmark.errors import InputError
from benchmark.store import schema
from benchmark.store.forget import forget_cells, forget_experiment, matching
from benchmark.store.store import Row, Score, Store
from benchmark.store.view import Only, Scored

RECORD = {"selection": {"inr": ["siren"]}}
OTHER = {"selection": {"inr": ["fourier"]}}


def row(key: str, inr: str = "siren", lam: float = 0.0, image: str = "p1") -> Row:
    facts = {"inr": inr, "lambda": lam, "sample_id": image, "method": inr, "patient": image}
    facts |= {"segmenter": "unet", "segmenter_hash": "a"} if lam else {}
    return Row(key, "ok", "", f"hash-{image}", facts, key.encode())


@pytest.fixture
def store(tmp_path: Path):
    with Store(tmp_path) as store:
        store.add([row("a"), row("b", lam=1e-5), row("c", "fourier"), row("d", lam=1e5)])
        yield store


def test_the_last_finished_one_is_shown(store: Store) -> None:
    first = store.experiments.begin("first", RECORD, ["a", "b"])
    store.experiments.end(first, "finished")
    second = store.experiments.begin("second", OTHER, ["c"])
    assert Scored(store).experiment.name == "first", "one that goes on changes no view"
    store.experiments.end(second, "interrupted")
    assert sorted(Scored(store).by_key) == ["a", "b"], "one that was interrupted changes no view"
    store.experiments.end(second, "finished")
    assert sorted(Scored(store).by_key) == ["c"]
    assert sorted(Scored(store, experiment="first").by_key) == ["a", "b"]
    assert len(Scored(store, everything=True).rows) == 4
    with pytest.raises(InputError, match="did you mean 'second'"):
        Scored(store, experiment="secon")


def test_where_none_is_finished_the_youngest_is_shown(store: Store, monkeypatch) -> None:
    times = iter(["2026-01-01T00:00:00.000", "2026-01-01T00:00:00.001"])
    monkeypatch.setattr("benchmark.store.experiments._now", lambda: next(times))
    store.experiments.begin("second-by-name", RECORD, ["a"])
    store.experiments.begin("first-by-name", OTHER, ["c"])
    assert sorted(Scored(store).by_key) == ["c"]
    assert Scored(store).experiment.status == "running"


def test_asking_again_goes_on_with_the_same_experiment(store: Store) -> None:
    name = store.experiments.begin(None, RECORD, ["a"])
    assert store.experiments.begin(None, RECORD, ["a", "b"]) == name
    assert store.experiments.keys(name) == ["a", "b"]
    assert store.experiments.begin(None, OTHER, ["c"]) != name
    assert len(store.experiments.all()) == 2


def test_a_name_that_is_taken_is_refused(store: Store) -> None:
    store.experiments.begin("mine", RECORD, ["a"])
    assert store.experiments.begin("mine", RECORD, ["a"]) == "mine"
    with pytest.raises(InputError, match="asks for something else"):
        store.experiments.begin("mine", OTHER, ["c"])
    for bad in ("../up", "", " ", "a/b", "-x", "x" * 65):
        with pytest.raises(InputError, match="a name has letters"):
            store.experiments.begin(bad or "/", OTHER, ["c"])


def test_a_part_of_an_experiment(store: Store) -> None:
    assert sorted(Scored(store, only=Only(inr=("fourier",))).by_key) == ["c"]
    assert sorted(Scored(store, only=Only(lam=(1e-5,))).by_key) == ["a", "b", "c"]
    assert Scored(store, only=Only(image=("p2",))).rows == []


def test_forgetting_an_experiment_keeps_the_cells_of_others(store: Store) -> None:
    store.add([], [Score("b", "psnr_db", 30.0), Score("a", "psnr_db", 31.0)])
    store.experiments.begin("first", RECORD, ["a", "b"])
    store.experiments.begin("second", OTHER, ["a", "c"])
    assert forget_experiment(store, "first") == 1
    assert sorted(store.statuses()) == ["a", "c", "d"]
    assert [score.key for score in store.scores()] == ["a"]
    assert [experiment.name for experiment in store.experiments.all()] == ["second"]
    with pytest.raises(InputError, match="no such experiment"):
        forget_experiment(store, "first")


def test_forgetting_cells(store: Store) -> None:
    store.experiments.begin("typo", RECORD, ["d"])
    store.experiments.begin("good", OTHER, ["a", "b", "c", "d"])
    assert matching(store, lam=[1e5]) == ["d"]
    assert matching(store, inr=["siren"], image=["p1"]) == ["a", "b", "d"]
    assert matching(store, lam=[0.0]) == ["a", "c"]
    assert forget_cells(store, ["d", "nowhere"]) == 1
    assert [experiment.name for experiment in store.experiments.all()] == ["good"]
    assert store.experiments.keys("good") == ["a", "b", "c"]


VERSION_1 = """
CREATE TABLE cells (key TEXT PRIMARY KEY, status TEXT NOT NULL, reason TEXT NOT NULL,
    sample_hash TEXT NOT NULL, facts TEXT NOT NULL, bytes BLOB) WITHOUT ROWID;
CREATE TABLE scores (key TEXT NOT NULL, score_as TEXT NOT NULL, reader TEXT NOT NULL,
    reader_hash TEXT NOT NULL, metric TEXT NOT NULL, value REAL,
    PRIMARY KEY (key, score_as, reader, reader_hash, metric)) WITHOUT ROWID;
CREATE TABLE samples (hash TEXT PRIMARY KEY, facts TEXT NOT NULL, image BLOB, mask BLOB,
    brain BLOB) WITHOUT ROWID;
CREATE TABLE rates (key TEXT PRIMARY KEY, facts TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE runs (key TEXT PRIMARY KEY, facts TEXT NOT NULL) WITHOUT ROWID;
PRAGMA user_version=1;
"""


@pytest.fixture
def version_1(tmp_path: Path) -> Path:
    """A folder with a store of version 1: two cells, one of them of the latest run."""
    db = sqlite3.connect(tmp_path / "store.sqlite")
    db.executescript(VERSION_1)
    for key in ("a", "b"):
        facts = json.dumps(row(key).facts)
        db.execute("INSERT INTO cells VALUES (?, 'ok', '', 'h', ?, ?)", (key, facts, b"file"))
        db.execute("INSERT INTO scores VALUES (?, 'decoded', '', '', 'psnr_db', 30.0)", (key,))
    latest = json.dumps({"keys": ["b"], "command": ["run"], "preset": "quick"})
    db.execute("INSERT INTO runs VALUES ('latest', ?), ('restarts', '{}')", (latest,))
    db.commit()
    db.close()
    return tmp_path


def check_migrated(store: Store) -> None:
    assert sorted(store.statuses()) == ["a", "b"]
    assert [score.value for score in store.scores()] == [30.0, 30.0]
    (found,) = store.experiments.all()
    assert (found.name, found.status) == (schema.VERSION_1_NAME, "finished")
    assert found.record == {"command": ["run"], "preset": "quick"}
    assert sorted(Scored(store).by_key) == ["b"]
    assert store.recall("runs", "restarts") == {} and store.recall("runs", "latest") is None


def test_a_store_of_version_1_is_migrated_once(version_1: Path) -> None:
    for _ in range(2):
        with Store(version_1, create=False) as store:
            check_migrated(store)
    db = sqlite3.connect(version_1 / "store.sqlite")
    assert db.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
    assert db.execute("PRAGMA application_id").fetchone() == (schema.APPLICATION_ID,)
    db.close()


def test_an_interrupted_migration_leaves_version_1(version_1: Path, monkeypatch) -> None:
    def fails(db: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("disk full")

    with monkeypatch.context() as patched:
        patched.setattr(schema, "_name_the_latest_run", fails)
        with pytest.raises(InputError, match="disk full"):
            Store(version_1, create=False)
    with Store(version_1, create=False) as store:
        check_migrated(store)


@pytest.fixture
def unwritable(monkeypatch):
    """A medium that cannot be written: root may write everywhere, so os.access says it."""
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK and access(path, mode))


def test_version_1_on_a_medium_that_cannot_be_written(version_1: Path, unwritable) -> None:
    before = (version_1 / "store.sqlite").read_bytes()
    with Store(version_1, create=False) as store:
        check_migrated(store)
    assert (version_1 / "store.sqlite").read_bytes() == before
    assert [path.name for path in version_1.iterdir()] == ["store.sqlite"]


def test_what_stands_in_the_log_alone_is_read_where_nothing_can_be_written(
    tmp_path: Path, unwritable
) -> None:
    """After a kill all of a run may stand in store.sqlite-wal: rows were lost in silence."""
    writer = Store(tmp_path)
    writer.add([row(f"k{number}") for number in range(20)])
    assert (tmp_path / "store.sqlite-wal").stat().st_size > 0
    with Store(tmp_path, create=False) as store:
        assert len(store.statuses()) == 20
    writer.close()


@pytest.mark.parametrize(
    "statements",
    [
        "CREATE TABLE places (url TEXT)",
        "CREATE TABLE places (url TEXT); PRAGMA user_version=2",
        VERSION_1 + "PRAGMA application_id=77",
    ],
)
def test_the_database_of_another_program_is_left_alone(tmp_path: Path, statements: str) -> None:
    db = sqlite3.connect(tmp_path / "store.sqlite")
    db.executescript(statements)
    db.close()
    before = (tmp_path / "store.sqlite").read_bytes()
    for create in (True, False):
        with pytest.raises(InputError, match="another program"):
            Store(tmp_path, create=create)
    assert (tmp_path / "store.sqlite").read_bytes() == before


def test_a_later_version_is_refused(version_1: Path) -> None:
    db = sqlite3.connect(version_1 / "store.sqlite")
    db.execute("PRAGMA user_version=9")
    db.close()
    with pytest.raises(InputError, match="version 9, this program reads 1 to 2"):
        Store(version_1)

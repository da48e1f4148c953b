"""The layout of a store: its tables, its version, and how an older store is brought to this one.

Version 2 (sinco-bench 0.2) keeps runs apart: each is an experiment with a record and cells of its
own. Version 1 remembered the latest run alone.
"""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from benchmark.errors import InputError

VERSION = 2
APPLICATION_ID = 0x53494E43  # "SINC": tells a store from the database of another program
VERSION_1_NAME = "version-1"  # what the one run that a store of version 1 remembers is called
TABLES = """
CREATE TABLE IF NOT EXISTS cells (
    key TEXT PRIMARY KEY, status TEXT NOT NULL, reason TEXT NOT NULL, sample_hash TEXT NOT NULL,
    facts TEXT NOT NULL, bytes BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS scores (
    key TEXT NOT NULL, score_as TEXT NOT NULL, reader TEXT NOT NULL, reader_hash TEXT NOT NULL,
    metric TEXT NOT NULL, value REAL,
    PRIMARY KEY (key, score_as, reader, reader_hash, metric)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS samples (
    hash TEXT PRIMARY KEY, facts TEXT NOT NULL, image BLOB, mask BLOB, brain BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rates (key TEXT PRIMARY KEY, facts TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS runs (key TEXT PRIMARY KEY, facts TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS experiments (
    name TEXT PRIMARY KEY, status TEXT NOT NULL, started TEXT NOT NULL, ended TEXT NOT NULL,
    record TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS experiment_cells (
    experiment TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (experiment, key)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS experiments_of_a_cell ON experiment_cells (key);
"""


def version_of(db: sqlite3.Connection, path: Path) -> int:
    """The version of a store; 0 where the file is empty.

    Raises InputError where the file is another program's, or of a version that is unknown here.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (application,) = db.execute("PRAGMA application_id").fetchone()
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not tables and version == 0:
        return 0
    ours = {"cells", "scores", "samples"} <= tables
    if not ours or application not in (0, APPLICATION_ID) or version == 0:
        raise InputError(
            f"the store {path}",
            "it is a database of another program",
            "another folder, or move that file away",
        )
    if version > VERSION:
        raise InputError(
            f"the store {path}",
            f"its layout is version {version}, this program reads 1 to {VERSION}",
            "another folder, or the version of this program that wrote it",
        )
    return int(version)


def bring_up(db: sqlite3.Connection, version: int) -> None:
    """Make the tables of an empty file, or bring a store of an earlier version to this one: all or
    nothing, so that a kill leaves no file that nobody knows.
    """
    if version == VERSION:
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        for statement in TABLES.split(";"):
            db.execute(statement)
        if version == 1:
            _name_the_latest_run(db)
        db.execute(f"PRAGMA application_id={APPLICATION_ID}")
        db.execute(f"PRAGMA user_version={VERSION}")
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def _name_the_latest_run(db: sqlite3.Connection) -> None:
    """Version 1 to 2: the run that was remembered as the latest becomes a finished experiment."""
    found = db.execute("SELECT facts FROM runs WHERE key = 'latest'").fetchone()
    if found is None:
        return
    record = json.loads(found[0])
    keys = record.pop("keys", None)
    if keys is None:  # a record without keys stood for all that was stored
        keys = [key for (key,) in db.execute("SELECT key FROM cells")]
    db.execute(
        "INSERT INTO experiments VALUES (?, 'finished', '', '', ?)",
        (VERSION_1_NAME, json.dumps(record, sort_keys=True)),
    )
    db.executemany(
        "INSERT OR IGNORE INTO experiment_cells VALUES (?, ?)",
        [(VERSION_1_NAME, key) for key in keys],
    )
    db.execute("DELETE FROM runs WHERE key = 'latest'")

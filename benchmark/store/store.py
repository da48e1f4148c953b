"""The store: SQLite in WAL mode with cells, their bytes and their scores. No torch here.

Everything that a batch made is written in one transaction as soon as the batch ends, so that what
is finished stays finished whatever happens next. Scores are a long table: a new reader or metric
adds rows and touches no cell.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from benchmark.errors import InputError
from benchmark.types import Sample, VolumeStatistics

SCHEMA_VERSION = 1
SCORE_AS = "decoded"  # the one kind of scores: those of pictures as they are decoded
_SCHEMA = """
CREATE TABLE IF NOT EXISTS cells (
    key TEXT PRIMARY KEY, status TEXT NOT NULL, reason TEXT NOT NULL, sample_hash TEXT NOT NULL,
    facts TEXT NOT NULL, bytes BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS scores (
    key TEXT NOT NULL, score_as TEXT NOT NULL, reader TEXT NOT NULL, reader_hash TEXT NOT NULL, metric TEXT NOT NULL,
    value REAL, PRIMARY KEY (key, score_as, reader, reader_hash, metric)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS samples (hash TEXT PRIMARY KEY, facts TEXT NOT NULL, image BLOB, mask BLOB, brain BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rates (key TEXT PRIMARY KEY, facts TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS runs (key TEXT PRIMARY KEY, facts TEXT NOT NULL) WITHOUT ROWID;
"""


class Score(NamedTuple):
    """One number read off one decoded file. `reader` is "" for metrics that need no network."""

    key: str
    metric: str
    value: float | None
    reader: str = ""
    reader_hash: str = ""
    score_as: str = SCORE_AS


@dataclass
class Row:
    """One cell as it is stored. status: ok, diverged or failed; `reason` says why where it is not
    ok.

    facts, all plain values: dataset, sample_id, patient, method, inr, inr_args, codec, lambda,
    lambda_mean_equivalent, null, seed, fidelity, segmenter, segmenter_hash, regularizer, precision,
    recipe, bpp_requested, bits, twin, identity; where there are bytes also bpp, fit_seconds,
    encode_seconds, and for fits n_parameters, fidelity_end, penalty_end, penalty_share, device,
    kernel, batch_size, steps, evaluations (of the network), restarts, spent (seconds by part), for
    codecs bpp_allowed. Fits from a learned state have init (its hash) and init_bytes. A diverged
    fit keeps its file where it has one.
    """

    key: str
    status: str
    reason: str
    sample_hash: str
    facts: dict[str, Any] = field(default_factory=dict)
    data: bytes | None = None


class Store:
    """A folder's store.sqlite. Use as a context manager; raises InputError where the folder cannot
    be written.
    """

    def __init__(self, folder: Path, *, create: bool = True) -> None:
        self.folder, self.path = folder, folder / "store.sqlite"
        if not create and not self.path.is_file():
            raise InputError(
                f"the stored run in {folder}",
                "no store.sqlite there",
                "python -m benchmark run --out FOLDER first, or another folder",
            )
        if not create and not os.access(
            self.path, os.W_OK
        ):  # a published store on a medium that cannot be written
            self._db = sqlite3.connect(
                f"{self.path.resolve().as_uri()}?mode=ro&immutable=1",
                uri=True,
                isolation_level=None,
            )
            return
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(self.path, timeout=30, isolation_level=None)
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version not in (0, SCHEMA_VERSION):
                raise InputError(
                    f"the store {self.path}",
                    f"its layout is version {version}, this program writes {SCHEMA_VERSION}",
                    "--out ANOTHER_FOLDER, or the version of this program that wrote it",
                )
            if create:  # who only reads leaves the file as it is
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=NORMAL")
                self._db.executescript(_SCHEMA)
                self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
        except (OSError, sqlite3.Error) as error:
            raise InputError(
                f"a store in {folder}", str(error), "--out FOLDER that can be written"
            ) from error

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc: object) -> None:
        self._db.close()

    @contextmanager
    def _transaction(self) -> Any:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise InputError(
                    f"to write into {self.path}",
                    str(error),
                    "free some space or give --out ANOTHER_FOLDER; the same command goes on where"
                    " it stopped",
                ) from error
            raise

    def add(self, rows: Iterable[Row], scores: Iterable[Score] = (), *, anew: bool = False) -> None:
        """Write cells and scores in one transaction; a cell or a score that is there is replaced.

        anew: the cells' files are new, so whatever scores they had go first.
        """
        rows = list(rows)
        with self._transaction():
            if anew:
                self._db.executemany(
                    "DELETE FROM scores WHERE key = ?", [(row.key,) for row in rows]
                )
            self._db.executemany(
                "INSERT OR REPLACE INTO cells VALUES (?, ?, ?, ?, ?, ?)",
                [
                    (
                        row.key,
                        row.status,
                        row.reason,
                        row.sample_hash,
                        json.dumps(row.facts, sort_keys=True),
                        row.data,
                    )
                    for row in rows
                ],
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?, ?, ?)",
                [(s.key, s.score_as, s.reader, s.reader_hash, s.metric, s.value) for s in scores],
            )

    def remove(self, keys: Iterable[str]) -> None:
        """Forget cells and their scores."""
        wanted = [(key,) for key in keys]
        with self._transaction():
            for table in ("cells", "scores"):
                self._db.executemany(f"DELETE FROM {table} WHERE key = ?", wanted)

    def _of(
        self, columns: str, table: str, keys: Iterable[str] | None, limit: int | None = None
    ) -> sqlite3.Cursor:
        """Rows of a table in the order of their keys: all (or the first), or those of `keys` at no
        cost for the others.
        """
        if keys is None:
            return self._db.execute(
                f"SELECT {columns} FROM {table} ORDER BY key LIMIT ?",
                (-1 if limit is None else limit,),
            )
        return self._db.execute(
            f"SELECT {columns} FROM {table} WHERE key IN (SELECT value FROM json_each(?)) ORDER"
            " BY key",
            (json.dumps(list(keys)),),
        )

    def statuses(self, keys: Iterable[str] | None = None) -> dict[str, str]:
        """key -> status of stored cells."""
        return dict(self._of("key, status", "cells", keys))

    def each_row(
        self, keys: Iterable[str] | None = None, *, data: bool = True, limit: int | None = None
    ) -> Iterator[Row]:
        """Stored cells (all, or the first, or those of `keys`), in the order of their keys; without
        their bytes where not `data`.
        """
        columns = f"key, status, reason, sample_hash, facts, {'bytes' if data else 'NULL'}"
        for key, status, reason, sample, facts, found in self._of(columns, "cells", keys, limit):
            yield Row(key, status, reason, sample, json.loads(facts), found)

    def rows(self, keys: Iterable[str] | None = None) -> list[Row]:
        """`each_row` as a list."""
        return list(self.each_row(keys))

    def count(self) -> int:
        """How many cells are stored."""
        return int(self._db.execute("SELECT COUNT(*) FROM cells").fetchone()[0])

    def each_score(self, keys: Iterable[str] | None = None) -> Iterator[Score]:
        """Stored scores (all, or those of `keys`), cell by cell."""
        return map(
            Score._make,
            self._of("key, metric, value, reader, reader_hash, score_as", "scores", keys),
        )

    def scores(self) -> list[Score]:
        return list(self.each_score())

    def unscored(
        self, keys: Iterable[str], marks: Collection[tuple[str, str, str, str]]
    ) -> list[str]:
        """Those of `keys` whose files lack one of `marks`, which are (score_as, reader,
        reader_hash, metric).
        """
        keys, values = list(keys), ", ".join(["(?, ?, ?, ?)"] * len(marks))
        whole = {
            key
            for (key,) in self._db.execute(
                "SELECT key FROM scores WHERE key IN (SELECT value FROM json_each(?)) AND"
                f" (score_as, reader, reader_hash, metric) IN (VALUES {values}) GROUP BY key HAVING"
                " COUNT(*) = ?",
                (json.dumps(keys), *(text for mark in marks for text in mark), len(marks)),
            )
        }
        left = self._of(
            "key, bytes IS NOT NULL", "cells", [key for key in keys if key not in whole]
        )
        return [key for key, has_file in left if has_file]

    def add_samples(
        self, samples: Iterable[Sample], options: Mapping[str, Any] | None = None
    ) -> None:
        """Keep originals beside their fits, so that every picture can be made again from the store.

        A label may be corrected, and is no part of the hash: then what was right or wrong by the
        old one is forgotten.
        """
        known = dict(
            self._db.execute(
                "SELECT hash, COALESCE(json_extract(facts, '$.label'), '') FROM samples"
            )
        )
        with self._transaction():
            for sample in samples:
                if (
                    sample.hash not in known
                ):  # arrays into bytes take longer than all the rest of a run with nothing to do
                    self._add_sample(sample, options or {})
                elif sample.label != known[sample.hash]:
                    self._db.execute(
                        "UPDATE samples SET facts = json_set(facts, '$.label', ?) WHERE hash = ?",
                        (sample.label, sample.hash),
                    )
                    self._db.execute(
                        "DELETE FROM scores WHERE metric LIKE 'label_right%' AND key IN (SELECT key"
                        " FROM cells WHERE sample_hash = ?)",
                        (sample.hash,),
                    )

    def _add_sample(self, sample: Sample, options: Mapping[str, Any]) -> None:
        facts = {
            "id": sample.id,
            "dataset": sample.dataset,
            "patient": sample.patient,
            "shape": sample.image.shape,
            "channels": sample.channels,
            "volume": sample.volume.as_row(),
            "slice_index": sample.slice_index,
            "spacing_mm": sample.spacing_mm,
            "window": sample.window,
            **({"depth": sample.depth} if sample.depth > 1 else {}),
            **({"label": sample.label} if sample.label else {}),
            **({"prepared": dict(options)} if options else {}),
        }
        self._db.execute(
            "INSERT OR IGNORE INTO samples VALUES (?, ?, ?, ?, ?)",
            (
                sample.hash,
                json.dumps(facts),
                sample.image.astype("float32").tobytes(),
                sample.mask.astype("uint8").tobytes(),
                sample.brain.astype("uint8").tobytes(),
            ),
        )

    def preparations(self) -> set[tuple[str, str]]:
        """(data set, options of its preparation as JSON) of all samples."""
        facts = (json.loads(text) for (text,) in self._db.execute("SELECT facts FROM samples"))
        return {
            (fact["dataset"], json.dumps(fact["prepared"])) for fact in facts if "prepared" in fact
        }

    def sample(self, sample_hash: str) -> Sample | None:
        """The original of a hash; None where this store does not keep it (published stores leave
        images out).
        """
        import numpy as np

        found = self._db.execute(
            "SELECT facts, image, mask, brain FROM samples WHERE hash = ?", (sample_hash,)
        ).fetchone()
        if found is None or found[1] is None:
            return None
        facts, (height, width, _) = json.loads(found[0]), json.loads(found[0])["shape"]
        mask, brain = (
            np.frombuffer(blob, np.uint8).reshape(height, width).astype(bool) for blob in found[2:]
        )
        return Sample(
            facts["id"],
            facts["dataset"],
            facts["patient"],
            np.frombuffer(found[1], np.float32).reshape(facts["shape"]).copy(),
            mask,
            brain,
            tuple(facts["channels"]),
            VolumeStatistics(*facts["volume"]),
            facts["slice_index"],
            tuple(facts["spacing_mm"]),
            tuple(facts["window"]),
            facts.get("depth", 1),
            facts.get("label", ""),
        )

    def publish(self, folder: Path) -> Path:
        """Copy the store into `folder` without the originals' pixels and masks, which are not ours
        to pass on.

        Raises InputError where that is this store's own folder or a store is there already.
        """
        path = folder / "store.sqlite"
        if path.exists():
            raise InputError(
                f"to publish into {folder}",
                "a store is there already",
                "--out ANOTHER_FOLDER, or remove it first",
            )
        folder.mkdir(parents=True, exist_ok=True)
        copy = sqlite3.connect(path, isolation_level=None)
        self._db.backup(copy)
        copy.execute("UPDATE samples SET image = NULL, mask = NULL, brain = NULL")
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, no log beside it
        copy.execute("VACUUM")
        copy.close()
        return path

    def remember(self, table: str, key: str, facts: dict[str, Any]) -> None:
        """Keep one JSON record in `rates` or `runs`."""
        assert table in ("rates", "runs")
        with self._transaction():
            self._db.execute(
                f"INSERT OR REPLACE INTO {table} VALUES (?, ?)",
                (key, json.dumps(facts, sort_keys=True)),
            )

    def recall(self, table: str, key: str) -> dict[str, Any] | None:
        assert table in ("rates", "runs")
        found = self._db.execute(f"SELECT facts FROM {table} WHERE key = ?", (key,)).fetchone()
        return json.loads(found[0]) if found else None

"""The store: SQLite in WAL mode with cells, their bytes and their scores. No torch here.

Everything that a batch made is written in one transaction as soon as the batch ends, so that what
is finished stays finished whatever happens next. Scores are a long table: a new reader or metric
adds rows and touches no cell.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from benchmark import errors
from benchmark.errors import InputError, call
from benchmark.store import schema
from benchmark.store.experiments import Experiments
from benchmark.store.samples import row_of, sample_of
from benchmark.types import Sample

SCORE_AS = "decoded"  # the one kind of scores: those of pictures as they are decoded


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
        self._copy: TemporaryDirectory[str] | None = None
        if not create and not self.path.is_file():
            raise InputError(
                f"the stored run in {folder}",
                "no store.sqlite there",
                f"{call('run', out='FOLDER')} first, or another folder",
            )
        try:
            self._db = self._open(create)
        except (OSError, sqlite3.Error) as error:
            self._clear()
            raise InputError(
                f"a store in {folder}",
                str(error),
                f"{errors.field('out', 'FOLDER')} that can be written",
            ) from error
        self.experiments = Experiments(self._db, self._transaction)

    def _open(self, create: bool) -> sqlite3.Connection:
        """A connection to the store in this version's layout."""
        if not create and not os.access(self.path, os.W_OK):
            return self._open_unwritable()
        self.folder.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        if create:  # who only reads leaves the file as it is
            schema.version_of(db, self.path)
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("PRAGMA synchronous=NORMAL")
        schema.bring_up(db, schema.version_of(db, self.path))
        return db

    def _open_unwritable(self) -> sqlite3.Connection:
        """A published store on a medium that cannot be written.

        What a run wrote last may stand in the log beside it (-wal), which SQLite reads only where
        it can write; a store of an earlier version must be brought to this one. Both are done in a
        temporary copy.
        """
        log = self.path.with_name("store.sqlite-wal")
        uri = f"{self.path.resolve().as_uri()}?mode=ro&immutable=1"
        if not log.is_file() or log.stat().st_size == 0:
            db = sqlite3.connect(uri, uri=True, isolation_level=None)
            if schema.version_of(db, self.path) == schema.VERSION:
                return db
            db.close()
        self._copy = TemporaryDirectory(prefix="sinco-bench-")
        copy = Path(self._copy.name) / "store.sqlite"
        shutil.copyfile(self.path, copy)
        if log.is_file():
            shutil.copyfile(log, copy.with_name(log.name))
        db = sqlite3.connect(copy, isolation_level=None)
        schema.bring_up(db, schema.version_of(db, self.path))
        return db

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._db.close()
        self._clear()

    def _clear(self) -> None:
        if self._copy is not None:
            self._copy.cleanup()
            self._copy = None

    @contextmanager
    def _transaction(self) -> Iterator[None]:
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
                    f"free some space or give {errors.field('out', 'ANOTHER_FOLDER')}; the same"
                    " command goes on where it stopped",
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
        """Forget cells, their scores and their places in experiments."""
        wanted = [(key,) for key in keys]
        with self._transaction():
            for table in ("cells", "scores", "experiment_cells"):
                self._db.executemany(f"DELETE FROM {table} WHERE key = ?", wanted)

    def drop_empty_experiments(self) -> None:
        """Forget experiments that have no cell left."""
        with self._transaction():
            self._db.execute(
                "DELETE FROM experiments WHERE name NOT IN"
                " (SELECT experiment FROM experiment_cells)"
            )

    def drop_unused_samples(self) -> int:
        """Forget originals that no stored cell is of; returns how many."""
        with self._transaction():
            gone = self._db.execute(
                "DELETE FROM samples WHERE hash NOT IN (SELECT sample_hash FROM cells)"
            )
        return gone.rowcount

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
        self._db.execute(
            "INSERT OR IGNORE INTO samples VALUES (?, ?, ?, ?, ?)", row_of(sample, options)
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
        found = self._db.execute(
            "SELECT facts, image, mask, brain FROM samples WHERE hash = ?", (sample_hash,)
        ).fetchone()
        return None if found is None or found[1] is None else sample_of(*found)

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
                f"{errors.field('out', 'ANOTHER_FOLDER')}, or remove it first",
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

"""The experiments of a store: each `run` into a folder is one, with a name, a record and cells."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from benchmark.errors import InputError, call, did_you_mean

Status = Literal["running", "finished", "interrupted", "refused"]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,63}")
COLUMNS = "name, status, started, ended, record"


@dataclass(frozen=True)
class Experiment:
    """One run into a folder.

    started, ended: UTC in ISO 8601, "" where unknown. record: what was asked for and what it was
    made with, as plain values (see benchmark/runner/record.py).
    """

    name: str
    status: str
    started: str
    ended: str
    record: dict[str, Any]


class Experiments:
    """The experiments of one store. `transaction` is the store's own: all or nothing."""

    def __init__(
        self, db: sqlite3.Connection, transaction: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._db, self._transaction = db, transaction

    def all(self) -> list[Experiment]:
        """All experiments, the oldest first."""
        rows = self._db.execute(f"SELECT {COLUMNS} FROM experiments ORDER BY started, name")
        return [_experiment(row) for row in rows]

    def get(self, name: str) -> Experiment:
        """The experiment of that name; raises InputError with a did-you-mean."""
        found = self._find(name)
        if found is None:
            known = [experiment.name for experiment in self.all()]
            raise InputError(
                f"the experiment {name}",
                "no such experiment in that store",
                did_you_mean(name, known),
            )
        return found

    def last(self) -> Experiment | None:
        """The experiment that ended last, of those that are finished; where none is, the one that
        began last; None where there is none.
        """
        row = self._db.execute(
            f"SELECT {COLUMNS} FROM experiments"
            " ORDER BY status = 'finished' DESC, ended DESC, started DESC LIMIT 1"
        ).fetchone()
        return _experiment(row) if row else None

    def keys(self, name: str) -> list[str]:
        """The keys of an experiment's cells, sorted."""
        rows = self._db.execute(
            "SELECT key FROM experiment_cells WHERE experiment = ? ORDER BY key", (name,)
        )
        return [key for (key,) in rows]

    def begin(self, name: str | None, record: dict[str, Any], keys: Iterable[str]) -> str:
        """Begin an experiment, or go on with one that asks for the same; returns its name.

        name: None takes the name of an experiment that asked for the same, else the time. Raises
        InputError where the name is taken by another experiment, or is no name.
        """
        name = name or self._same(record) or self._name_of_now()
        if not NAME.fullmatch(name):
            raise InputError(
                f"an experiment called {name!r}",
                "a name has letters, digits, and . _ + - between them, at most 64 in all",
                "another name",
            )
        there = self._find(name)
        if there is not None and _asked(there.record) != _asked(record):
            raise InputError(
                f"an experiment called {name}",
                "this folder has one of that name that asks for something else",
                f"another name, or first: {call('forget', 'FOLDER', experiment=name)}",
            )
        started = there.started if there is not None else _now()
        text = json.dumps(record, sort_keys=True)
        with self._transaction():
            self._db.execute(
                "INSERT OR REPLACE INTO experiments VALUES (?, 'running', ?, '', ?)",
                (name, started, text),
            )
            self._db.execute("DELETE FROM experiment_cells WHERE experiment = ?", (name,))
            self._db.executemany(
                "INSERT OR IGNORE INTO experiment_cells VALUES (?, ?)",
                [(name, key) for key in keys],
            )
        return name

    def end(self, name: str, status: Status) -> None:
        """Say how an experiment ended."""
        with self._transaction():
            self._db.execute(
                "UPDATE experiments SET status = ?, ended = ? WHERE name = ?",
                (status, _now(), name),
            )

    def forget(self, name: str) -> list[str]:
        """Take an experiment out; returns the keys of its cells that no other experiment has."""
        self.get(name)
        own = self._db.execute(
            "SELECT key FROM experiment_cells WHERE experiment = ? AND key NOT IN"
            " (SELECT key FROM experiment_cells WHERE experiment <> ?)",
            (name, name),
        ).fetchall()
        with self._transaction():
            self._db.execute("DELETE FROM experiments WHERE name = ?", (name,))
            self._db.execute("DELETE FROM experiment_cells WHERE experiment = ?", (name,))
        return [key for (key,) in own]

    def _find(self, name: str) -> Experiment | None:
        row = self._db.execute(
            f"SELECT {COLUMNS} FROM experiments WHERE name = ?", (name,)
        ).fetchone()
        return _experiment(row) if row else None

    def _same(self, record: dict[str, Any]) -> str | None:
        """The name of the youngest experiment that asked for the same."""
        for experiment in reversed(self.all()):
            if _asked(experiment.record) == _asked(record):
                return experiment.name
        return None

    def _name_of_now(self) -> str:
        """The time in UTC, 2026-11-30T21-14-07; with a number where two begin in one second."""
        base = datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%S")
        name, count = base, 1
        while self._find(name) is not None:
            count += 1
            name = f"{base}-{count}"
        return name


def _asked(record: dict[str, Any]) -> Any:
    """What two experiments of one name must share."""
    return record.get("selection")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _experiment(row: tuple[str, str, str, str, str]) -> Experiment:
    name, status, started, ended, record = row
    return Experiment(name, status, started, ended, json.loads(record))

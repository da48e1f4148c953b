"""A store read once: cells, what was read off their files, and which cells belong together. No
pandas, no torch.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from benchmark.store.store import SCORE_AS, Row, Store
from benchmark.types import LABEL_METRICS, READER_METRICS

P = ParamSpec("P")
T = TypeVar("T")
Values = dict[str, dict[tuple[str, str], float]]  # key -> (metric, reader hash) -> value


@dataclass(frozen=True)
class Only:
    """A part of an experiment: those of some backbones, lambdas or images; () stands for all.

    What SINCO is compared with (plain fits, null twins, codecs) stays, whatever the lambda.
    """

    inr: tuple[str, ...] = ()
    lam: tuple[float, ...] = ()
    image: tuple[str, ...] = ()

    def keeps(self, facts: Mapping[str, Any]) -> bool:
        """Whether a cell of these facts belongs to the part."""
        if self.image and facts.get("sample_id") not in self.image:
            return False
        if self.inr and "inr" in facts and facts["inr"] not in self.inr:
            return False
        lam = facts.get("lambda", 0.0)
        return not self.lam or lam == 0 or bool(facts.get("codec")) or lam in self.lam


class Scored:
    """A store read once: the cells of one experiment and what was read off their files.

    experiment: its name; None is the one that was finished last. `everything` takes in all that the
    store holds; `only` leaves out what it does not keep.
    """

    def __init__(
        self,
        store: Store,
        *,
        experiment: str | None = None,
        everything: bool = False,
        only: Only | None = None,
    ) -> None:
        self.store, self.stored = store, store.count()
        known = store.experiments
        self.experiment = known.last() if experiment is None else known.get(experiment)
        self.run: dict[str, Any] = {}
        keys: list[str] | None = None
        if self.experiment is not None:
            own = known.keys(self.experiment.name)
            self.run = self.experiment.record | {"experiment": self.experiment.name, "keys": own}
            keys = own if own and not everything else None  # no cells listed: all that is stored
        share = _Shared()
        self.rows = [share.slim(row) for row in store.each_row(keys, data=False)]
        if only is not None:
            self.rows = [row for row in self.rows if only.keeps(row.facts)]
            keys = [row.key for row in self.rows]
        self.by_key = {row.key: row for row in self.rows}
        self._settings: dict[tuple[Any, ...], tuple[tuple[str, str], ...]] = {}
        self._made: dict[tuple[Any, ...], Any] = {}
        self.files: dict[str, list[Row]] = defaultdict(list)  # sample hash -> codecs' files
        for row in self.rows:
            if row.facts.get("codec") and row.status == "ok":
                self.files[row.sample_hash].append(row)
        self.names: dict[str, str] = {}  # reader hash -> name
        self.members: dict[str, list[str]] = (
            store.recall("runs", "members") or {}
        )  # of ensembles: hash -> those of its networks
        self.label_readers: set[str] = (
            set()
        )  # hashes of those that read labels; the others read masks
        self.values: Values = defaultdict(dict)
        for key, metric, value, reader, reader_hash, score_as in store.each_score(keys):
            if score_as != SCORE_AS:  # stores of version 0.1 may hold scores of changed pictures
                continue
            if reader_hash:
                self.names[reader_hash] = reader
                if metric in LABEL_METRICS:
                    self.label_readers.add(reader_hash)
            if value is not None:
                self.values[key][share((metric, reader_hash))] = value
        listed = {reader["hash"]: reader for reader in self.run.get("readers") or []}
        # Those that have no score as yet too.
        self.label_readers |= {
            hash_ for hash_, reader in listed.items() if "classes" in (reader.get("card") or {})
        }
        fitted = {
            row.facts["segmenter_hash"]: row.facts["segmenter"]
            for row in self.rows
            if is_sinco(row)
        }
        self.names.update({hash_: reader["name"] for hash_, reader in listed.items()} | fitted)
        self.readers = list(listed) or sorted(self.names)
        roles = [hash_ for hash_, reader in listed.items() if reader.get("role") == "loss"]
        self.losses = list(dict.fromkeys([*roles, *sorted(fitted)]))

    def name(self, reader_hash: str) -> str:
        """A reader's name, with the start of its hash where two have the same."""
        name = self.names[reader_hash]
        return name if list(self.names.values()).count(name) == 1 else f"{name}@{reader_hash[:6]}"

    def even(self, a: str, b: str) -> bool:
        """Whether two stored fits started again equally often: at the same learning rate."""
        first, second = (
            self.by_key[key].facts.get("restarts", 0) if key in self.by_key else None
            for key in (a, b)
        )
        return first == second

    def kin(self, a: str, b: str) -> bool:
        """Whether two readers are one network, or share one as members of an ensemble."""
        first, second = ({reader, *self.members.get(reader, ())} for reader in (a, b))
        return not first.isdisjoint(second)

    def others(self, loss: str | None, keys: Iterable[str]) -> list[str]:
        """Readers that were not in the loss, nor members of it, and have read at least one of the
        cells.
        """
        seen = {reader for key in keys for _, reader in self.values.get(key, ())}
        return [
            reader
            for reader in self.readers
            if reader in seen and (loss is None or not self.kin(reader, loss))
        ]

    def readers_of(self, metric: str, readers: Iterable[str]) -> list[str]:
        """Those of `readers` that give a metric: masks have a Dice, labels a kl."""
        return [
            reader
            for reader in readers
            if (metric in LABEL_METRICS) == (reader in self.label_readers)
        ]

    def data(self, key: str) -> bytes:
        """The file of a cell that is ok."""
        (row,) = self.store.rows([key])
        assert row.data is not None
        return row.data

    def settings(self, row: Row, *, penalty: bool) -> tuple[tuple[str, str], ...]:
        """`settings` or `penalty_settings` of a cell, sorted; worked out once for all cells that
        share them.
        """
        facts = row.facts
        shared = [
            id(facts.get(name)) for name in ("identity", "recipe", "inr_args")
        ]  # see _Shared: the same object, not an equal one
        name = (
            penalty,
            *shared,
            *(
                facts.get(name)
                for name in (
                    "bits",
                    "bpp_requested",
                    "depth",
                    "fidelity",
                    "regularizer",
                    "precision",
                )
            ),
        )
        if name not in self._settings:
            self._settings[name] = tuple(
                sorted((penalty_settings if penalty else settings)(facts).items())
            )
        return self._settings[name]

    def value(self, key: str, metric: str, loss: str | None, others: Sequence[str] = ()) -> float:
        """One number of a cell, nan where there is none: `dice` by the network in the loss,
        `dice_eval` by `others` that read masks.
        """
        values = self.values.get(key, {})
        if metric.endswith("_eval"):
            name = metric.removesuffix("_eval")
            read = [
                values.get((name, reader), math.nan)
                for reader in (self.readers_of(name, others) if self.label_readers else others)
            ]
            return sum(read) / len(read) if read else math.nan
        return values.get((metric, (loss or "") if metric in READER_METRICS else ""), math.nan)


class _Shared:
    """One object for equal texts and settings of all rows: a report then takes 7 kB a cell and not
    70, and ids tell settings apart.
    """

    def __init__(self) -> None:
        self._known: dict[Any, Any] = {}

    def __call__(self, value: T) -> T:
        return self._known.setdefault(value, value)

    def slim(self, row: Row) -> Row:
        """The row with shared facts; of its identity what the tables look at."""
        identity = row.facts.get("identity") or {}
        facts = row.facts | {
            "identity": {
                name: identity[name]
                for name in ("inr", "fit_version", "init", "codec")
                if name in identity
            }
        }
        row.facts = {self(name): self._shared(value) for name, value in facts.items()}
        row.status, row.reason, row.sample_hash = (
            self(row.status),
            self(row.reason),
            self(row.sample_hash),
        )
        return row

    def _shared(self, value: Any) -> Any:
        if isinstance(value, dict | list):
            return self._known.setdefault(("", repr(value)), value)  # a text, since 1 == 1.0
        return self(value) if isinstance(value, str) else value


def once(make: Callable[Concatenate[Scored, P], T]) -> Callable[Concatenate[Scored, P], T]:
    """Made once for each Scored: tables, pages and pictures all ask for it."""

    @wraps(make)
    def kept(scored: Scored, *args: P.args, **kwargs: P.kwargs) -> T:
        what = (make, *args, *kwargs.items())
        if what not in scored._made:
            scored._made[what] = make(scored, *args, **kwargs)
        return scored._made[what]

    return kept


def is_fit(row: Row) -> bool:
    """Neither a codec's file nor the row of an image that could not be read."""
    return "lambda" in row.facts and not row.facts.get("codec")


def is_plain(row: Row) -> bool:
    return is_fit(row) and row.facts["lambda"] == 0 and not row.facts.get("null")


def is_sinco(row: Row) -> bool:
    return is_fit(row) and row.facts["lambda"] > 0


def settings(facts: Mapping[str, Any]) -> dict[str, str]:
    """What a plain fit and the codec files beside it share, as JSON texts: backbone as asked for,
    rate and recipe.
    """
    identity = facts.get("identity") or {}
    inr = identity.get("inr") or {}  # here the size that the rate decides is still open
    recipe = {
        key: value for key, value in (facts.get("recipe") or {}).items() if key != "penalty_every"
    }
    bits = facts.get("bits") if facts.get("bpp_requested") is None else None
    return _texts(
        {
            "inr_args": dict(inr["args"]) if inr else facts.get("inr_args"),
            "inr_source": inr.get("source"),
            "fit_version": identity.get("fit_version"),
            "init": identity.get("init"),
            "untuned": True if facts.get("lr_tuned") is False else None,
            "recipe": recipe,
            "bpp_requested": facts.get("bpp_requested"),
            "bits": bits,
            "depth": facts.get("depth"),
        }
    )


def penalty_settings(facts: Mapping[str, Any]) -> dict[str, str]:
    """`settings` and what else makes a SINCO fit."""
    every = (facts.get("recipe") or {}).get("penalty_every")
    return settings(facts) | _texts(
        {"penalty_every": every}
        | {name: facts.get(name) for name in ("fidelity", "regularizer", "precision")}
    )


def _texts(values: dict[str, Any]) -> dict[str, str]:
    return {
        name: json.dumps(value, sort_keys=True)
        for name, value in values.items()
        if value not in (None, {})
    }

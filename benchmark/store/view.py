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
# Facts that set a fit apart from others, each a number or a text.
SINGLE_SETTINGS = ("bits", "bpp_requested", "depth", "fidelity", "regularizer", "precision")


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
        # Of ensembles: hash -> those of its networks.
        self.members: dict[str, list[str]] = store.recall("runs", "members") or {}
        # Hashes of those that read labels; the others read masks.
        self.label_readers: set[str] = set()
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
        self._name_readers()

    def _name_readers(self) -> None:
        """Set the readers of the run and those in a loss: listed in the run, else as cells have
        them.
        """
        listed = {reader["hash"]: reader for reader in self.run.get("readers") or []}
        fitted = {}
        for row in self.rows:
            if is_sinco(row):
                fitted[row.facts["segmenter_hash"]] = row.facts["segmenter"]
        roles = []
        for hash_, reader in listed.items():
            self.names[hash_] = reader["name"]
            if "classes" in (reader.get("card") or {}):  # those that have no score as yet too
                self.label_readers.add(hash_)
            if reader.get("role") == "loss":
                roles.append(hash_)
        self.names |= fitted
        self.readers = list(listed) or sorted(self.names)
        self.losses = list(dict.fromkeys([*roles, *sorted(fitted)]))

    def name(self, reader_hash: str) -> str:
        """A reader's name, with the start of its hash where two have the same."""
        name = self.names[reader_hash]
        return name if list(self.names.values()).count(name) == 1 else f"{name}@{reader_hash[:6]}"

    def even(self, a: str, b: str) -> bool:
        """Whether two stored fits started again equally often, so at the same learning rate."""
        return self._restarts(a) == self._restarts(b)

    def _restarts(self, key: str) -> int | None:
        """How often a fit started again; None where it is not stored."""
        if key not in self.by_key:
            return None
        count: int = self.by_key[key].facts.get("restarts", 0)
        return count

    def kin(self, a: str, b: str) -> bool:
        """Whether two readers are one network, or share one as members of an ensemble."""
        first = {a, *self.members.get(a, ())}
        second = {b, *self.members.get(b, ())}
        return not first.isdisjoint(second)

    def others(self, loss: str | None, keys: Iterable[str]) -> list[str]:
        """Readers that were not in the loss, nor members of it, and have read at least one of the
        cells.
        """
        seen = set()
        for key in keys:
            for _, reader in self.values.get(key, ()):
                seen.add(reader)
        out = []
        for reader in self.readers:
            if reader in seen and (loss is None or not self.kin(reader, loss)):
                out.append(reader)
        return out

    def readers_of(self, metric: str, readers: Iterable[str]) -> list[str]:
        """Those of `readers` that give a metric: masks have a Dice, labels a kl."""
        of_labels = metric in LABEL_METRICS
        return [reader for reader in readers if of_labels == (reader in self.label_readers)]

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
        name: list[Any] = [penalty]
        for fact in ("identity", "recipe", "inr_args"):
            name.append(id(facts.get(fact)))  # see _Shared: the same object, not an equal one
        for fact in SINGLE_SETTINGS:
            name.append(facts.get(fact))
        known = tuple(name)
        if known not in self._settings:
            found = penalty_settings(facts) if penalty else settings(facts)
            self._settings[known] = tuple(sorted(found.items()))
        return self._settings[known]

    def value(self, key: str, metric: str, loss: str | None, others: Sequence[str] = ()) -> float:
        """One number of a cell, nan where there is none: `dice` by the network in the loss,
        `dice_eval` by `others` that read masks.
        """
        values = self.values.get(key, {})
        if metric.endswith("_eval"):
            name = metric.removesuffix("_eval")
            readers = self.readers_of(name, others) if self.label_readers else others
            if not readers:
                return math.nan
            read = [values.get((name, reader), math.nan) for reader in readers]
            return sum(read) / len(read)
        reader = loss if loss and metric in READER_METRICS else ""
        return values.get((metric, reader), math.nan)


class _Shared:
    """One object for equal texts and settings of all rows: a report then takes 7 kB a cell and not
    70, and ids tell settings apart.
    """

    def __init__(self) -> None:
        self._known: dict[Any, Any] = {}

    def __call__(self, value: T) -> T:
        first: T = self._known.setdefault(value, value)
        return first

    def slim(self, row: Row) -> Row:
        """The row with shared facts; of its identity what the tables look at."""
        whole = row.facts.get("identity") or {}
        identity = {}
        for name in ("inr", "fit_version", "init", "codec"):
            if name in whole:
                identity[name] = whole[name]
        facts = row.facts | {"identity": identity}
        row.facts = {self(name): self._shared(value) for name, value in facts.items()}
        row.status = self(row.status)
        row.reason = self(row.reason)
        row.sample_hash = self(row.sample_hash)
        return row

    def _shared(self, value: Any) -> Any:
        if isinstance(value, dict | list):
            return self._known.setdefault(("", repr(value)), value)  # a text, since 1 == 1.0
        return self(value) if isinstance(value, str) else value


def once(make: Callable[Concatenate[Scored, P], T]) -> Callable[Concatenate[Scored, P], T]:
    """Made once for each Scored: tables, pages and pictures all ask for it."""

    @wraps(make)
    def kept(scored: Scored, /, *args: P.args, **kwargs: P.kwargs) -> T:
        what = (make, *args, *kwargs.items())
        if what not in scored._made:
            scored._made[what] = make(scored, *args, **kwargs)
        made: T = scored._made[what]
        return made

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
    recipe = dict(facts.get("recipe") or {})
    recipe.pop("penalty_every", None)
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
    more = {"penalty_every": (facts.get("recipe") or {}).get("penalty_every")}
    for name in ("fidelity", "regularizer", "precision"):
        more[name] = facts.get(name)
    return settings(facts) | _texts(more)


def _texts(values: dict[str, Any]) -> dict[str, str]:
    """Values as JSON, those that say nothing left out."""
    out = {}
    for name, value in values.items():
        if value not in (None, {}):
            out[name] = json.dumps(value, sort_keys=True)
    return out

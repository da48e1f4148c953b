"""A store read once: cells, what was read off their files, and which cells belong together. No pandas, no torch."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from benchmark.store import Row, Store
from benchmark.types import READER_METRICS


class Scored:
    """A store read once: the cells of its latest run and what was read off their files, as `score_as` sees them.

    `everything` takes in what earlier runs left in the same store.
    """

    def __init__(self, store: Store, score_as: str = "decoded", *, everything: bool = False) -> None:
        self.score_as = score_as
        self.rows = store.rows()
        self.stored = len(self.rows)
        self.run: dict[str, Any] = store.recall("runs", "latest") or {}
        if not everything and (keys := set(self.run.get("keys") or ())):
            self.rows = [row for row in self.rows if row.key in keys]
        self.by_key = {row.key: row for row in self.rows}
        self.files: dict[str, list[Row]] = defaultdict(list)  # sample hash -> codecs' files
        for row in self.rows:
            if row.facts.get("codec") and row.status == "ok":
                self.files[row.sample_hash].append(row)
        self.names: dict[str, str] = {}  # reader hash -> name
        self.values: dict[str, dict[tuple[str, str], float]] = defaultdict(dict)
        for score in store.scores():
            if score.reader_hash:
                self.names[score.reader_hash] = score.reader
            if score.score_as == score_as and score.value is not None:
                self.values[score.key][score.metric, score.reader_hash] = score.value
        listed = {reader["hash"]: reader for reader in self.run.get("readers") or []}
        fitted = {row.facts["segmenter_hash"]: row.facts["segmenter"] for row in self.rows if is_sinco(row)}
        self.names.update({hash_: reader["name"] for hash_, reader in listed.items()} | fitted)
        self.readers = list(listed) or sorted(self.names)
        roles = [hash_ for hash_, reader in listed.items() if reader.get("role") == "loss"]
        self.losses = list(dict.fromkeys([*roles, *sorted(fitted)]))

    def name(self, reader_hash: str) -> str:
        """A reader's name, with the start of its hash where two have the same."""
        name = self.names[reader_hash]
        return name if list(self.names.values()).count(name) == 1 else f"{name}@{reader_hash[:6]}"

    def others(self, loss: str | None, keys: Iterable[str]) -> list[str]:
        """Readers that were not in the loss and have read at least one of the cells."""
        seen = {reader for key in keys for _, reader in self.values.get(key, ())}
        return [reader for reader in self.readers if reader != loss and reader in seen]

    def value(self, key: str, metric: str, loss: str | None, others: Sequence[str] = ()) -> float:
        """One number of a cell, nan where there is none: `dice` by the network in the loss, `dice_eval` by `others`."""
        values = self.values.get(key, {})
        if metric.endswith("_eval"):
            read = [values.get((metric.removesuffix("_eval"), reader), math.nan) for reader in others]
            return float(np.mean(read)) if read else math.nan
        return values.get((metric, (loss or "") if metric in READER_METRICS else ""), math.nan)


def is_fit(row: Row) -> bool:
    """Neither a codec's file nor the row of an image that could not be read."""
    return "lambda" in row.facts and not row.facts.get("codec")


def is_plain(row: Row) -> bool:
    return is_fit(row) and row.facts["lambda"] == 0 and not row.facts.get("null")


def is_sinco(row: Row) -> bool:
    return is_fit(row) and row.facts["lambda"] > 0


def settings(facts: Mapping[str, Any]) -> dict[str, str]:
    """What a plain fit and the codec files beside it share, as JSON texts: backbone as asked for, rate and recipe."""
    identity = facts.get("identity") or {}
    inr = identity.get("inr") or {}  # here the size that the rate decides is still open
    recipe = {key: value for key, value in (facts.get("recipe") or {}).items() if key != "penalty_every"}
    bits = facts.get("bits") if facts.get("bpp_requested") is None else None
    return _texts({"inr_args": dict(inr["args"]) if inr else facts.get("inr_args"), "inr_source": inr.get("source"),
                   "fit_version": identity.get("fit_version"), "recipe": recipe,
                   "bpp_requested": facts.get("bpp_requested"), "bits": bits})


def penalty_settings(facts: Mapping[str, Any]) -> dict[str, str]:
    """`settings` and what else makes a SINCO fit."""
    every = (facts.get("recipe") or {}).get("penalty_every")
    return settings(facts) | _texts({"penalty_every": every} | {
        name: facts.get(name) for name in ("fidelity", "regularizer", "precision")})


def _texts(values: dict[str, Any]) -> dict[str, str]:
    return {name: json.dumps(value, sort_keys=True) for name, value in values.items() if value not in (None, {})}

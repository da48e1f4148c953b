"""From selections to cells, and from cells to what is missing. No torch here.

A cell's key is a hash of what the fit *is*: names, arguments, code, sample content, rate, recipe; never of when, where or
beside what it ran. At lambda 0 the segmenter and all that concerns it is left out, so that plain fits are made once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import groupby
from typing import Any

from benchmark.plugins import index
from benchmark.recipes import Recipe

# Raise by hand when the engine's arithmetic changes a fit; tests/test_fit_golden.py notices that it did.
FIT_VERSION = 1
NULL_SCALE = 1.0 + 1e-7  # a null twin's initial weights: the smallest change that a chaotic fit can answer to


@dataclass(frozen=True)
class Choice:
    """A plug-in with its arguments and the hash of its code."""

    kind: str
    name: str
    args: tuple[tuple[str, Any], ...]
    source: str

    @classmethod
    def of(cls, kind: str, name: str, **args: Any) -> Choice:
        """The plug-in with its defaults filled in; an argument given as ... is left open."""
        entry = index.get(kind, name)
        filled = {**entry.defaults, **args}
        return cls(kind, name, tuple(sorted((k, v) for k, v in filled.items() if v is not ...)), entry.source_hash())


@dataclass(frozen=True)
class Rate:
    """What was asked of the file: bits a pixel to stay below (size and bit width are searched), or a bit width alone."""

    bpp: float | None
    bits: int | None = None


@dataclass(frozen=True)
class Cell:
    """One file to be made: a fit, or a classical codec's file beside the fits of `inr` at the same bytes."""

    dataset: str
    sample_id: str
    patient: str
    sample_hash: str
    inr: Choice
    rate: Rate
    recipe: Recipe
    fidelity: str = "mean"
    lam: float = 0.0
    null: bool = False
    seed: int = 0
    segmenter: str | None = None  # name of the network in the loss
    segmenter_hash: str | None = None  # of its checkpoint
    segmenter_source: str | None = None
    regularizer: Choice | None = None
    precision: str = "float32"  # of the network in the loss
    codec: Choice | None = None
    shape: tuple[int, ...] = field(default=(), compare=False)

    def identity(self) -> dict[str, Any]:
        """All that makes this cell what it is, as plain values."""
        what = asdict(self)
        for name in ("dataset", "sample_id", "patient", "shape"):  # the sample's content hash stands for these
            del what[name]
        if self.codec is not None:
            for name in ("lam", "null", "seed"):  # fidelity stays: the size of the fits beside it depends on it
                del what[name]
        if self.lam == 0 or self.codec is not None:
            for name in ("segmenter", "segmenter_hash", "segmenter_source", "regularizer", "precision"):
                del what[name]
            del what["recipe"]["penalty_every"]
        return what | {"fit_version": FIT_VERSION}

    @cached_property
    def key(self) -> str:
        text = json.dumps(self.identity(), sort_keys=True, default=repr)
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    @property
    def method(self) -> str:
        return self.codec.name if self.codec else self.inr.name

    def batch_key(self) -> str:
        """Cells that agree here can be fitted at once."""
        what = (self.shape, self.inr, self.rate, self.recipe, self.fidelity, self.precision, self.lam > 0,
                self.segmenter_hash if self.lam > 0 else None, self.regularizer if self.lam > 0 else None)
        return repr(what)


def with_twins(cells: Iterable[Cell]) -> list[Cell]:
    """Add each cell's lambda = 0 twin and its null twin; each cell once, in a stable order (twins first)."""
    out: dict[str, Cell] = {}
    for cell in cells:
        plain = replace(cell, lam=0.0, null=False, segmenter=None, segmenter_hash=None, segmenter_source=None, regularizer=None,
                        precision="float32")
        for member in (plain, replace(plain, null=True), cell):
            out.setdefault(member.key, member)
    return list(out.values())


def batches(cells: Sequence[Cell], size: int) -> list[list[Cell]]:
    """Group cells that can be fitted at once, at most `size` together, plain fits first: what is compared with comes first."""
    fits = sorted((c for c in cells if c.codec is None),
                  key=lambda c: (c.inr.name, c.batch_key(), c.sample_id, c.seed, c.lam, c.null))
    out = []
    for _, group in groupby(fits, key=Cell.batch_key):
        members = list(group)
        out += [members[i:i + size] for i in range(0, len(members), size)]
    return sorted(out, key=lambda batch: batch[0].lam > 0)

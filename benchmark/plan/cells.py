"""From selections to cells, and from cells to what is missing. No torch here.

A cell's key is a hash of what the fit *is*: names, arguments, code, sample content, rate, recipe;
never of when, where or beside what it ran. At lambda 0 the segmenter and all that concerns it is
left out, so that plain fits are made once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from itertools import groupby
from typing import Any

from benchmark.plugins.choice import Choice
from benchmark.types import Recipe

# Raise by hand when the engine's arithmetic changes a fit; tests/test_fit_golden.py notices that it
# did.
FIT_VERSION = 1
PENALTY = (
    "segmenter",
    "segmenter_hash",
    "segmenter_source",
    "regularizer",
    "precision",
)  # means nothing at lambda 0
_json = json.JSONEncoder(sort_keys=True, default=repr).encode


@dataclass(frozen=True)
class Rate:
    """What was asked of the file: bits a pixel to stay below (size and bit width are searched), or
    a bit width alone.
    """

    bpp: float | None
    bits: int | None = None


@dataclass(frozen=True)
class Cell:
    """One file to be made: a fit, or a classical codec's file beside the fits of `inr` at the same
    bytes.
    """

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
    init: str | None = None  # hash of the file of a learned initial state; None: the backbone's own
    init_bytes: int = field(default=0, compare=False)  # of that file
    shape: tuple[int, ...] = field(default=(), compare=False)
    depth: int = field(
        default=1, compare=False
    )  # planes of a volume; shape is that of all of them, one below the other

    def identity(self) -> dict[str, Any]:
        """All that makes this cell what it is, as plain values."""
        what = asdict(self)
        for name in (
            "dataset",
            "sample_id",
            "patient",
            "shape",
            "depth",
            "init_bytes",
        ):  # the hashes of sample and state stand for these
            del what[name]
        if self.init is None:
            del what["init"]
        if self.codec is not None:
            for name in (
                "lam",
                "null",
                "seed",
            ):  # fidelity stays: the size of the fits beside it depends on it
                del what[name]
        if self.lam == 0 or self.codec is not None:
            for name in PENALTY:
                del what[name]
            del what["recipe"]["penalty_every"]
        return what | {"fit_version": FIT_VERSION}

    @cached_property
    def key(self) -> str:
        return self._hash(self.lam, self.null)

    @cached_property
    def twin(self) -> str | None:
        """The key of the plain fit that this one is compared with; None where it is that fit, or a
        codec's file.
        """
        plain = None if self.codec is not None else self._hash(0.0, False)
        return plain if plain != self.key else None

    @property
    def family(self) -> str:
        """The key of the plain fit: what this cell shares with all that it is compared with."""
        return self.twin or self.key

    def _hash(self, lam: float, null: bool) -> str:
        """The hash of `identity()` as sorted JSON, of this cell at `lam` and `null`: put together
        from texts that cells share.

        Ten times as fast as writing all of it anew; tests/test_plan.py holds the two against each
        other.
        """
        is_codec, with_penalty = self.codec is not None, lam != 0 and self.codec is None
        text = (
            f'{{"codec": {json_of(self.codec)}, "fidelity": {_json(self.fidelity)}, "fit_version":'
            f" {FIT_VERSION}"
        )
        if self.init is not None:
            text += f', "init": {_json(self.init)}'
        text += f', "inr": {json_of(self.inr)}'
        if not is_codec:
            text += f', "lam": {_json(lam)}, "null": {"true" if null else "false"}'
        if with_penalty:
            text += f', "precision": {_json(self.precision)}'
        text += (
            f', "rate": {json_of(self.rate)}, "recipe":'
            f" {json_of(self.recipe, '' if with_penalty else 'penalty_every')}"
        )
        if with_penalty:
            text += f', "regularizer": {json_of(self.regularizer)}'
        text += f', "sample_hash": {_json(self.sample_hash)}'
        if not is_codec:
            text += f', "seed": {self.seed}'
        if with_penalty:
            text += (
                f', "segmenter": {_json(self.segmenter)}, "segmenter_hash":'
                f' {_json(self.segmenter_hash)}, "segmenter_source": {_json(self.segmenter_source)}'
            )
        return hashlib.sha256(f"{text}}}".encode()).hexdigest()[:24]

    @property
    def method(self) -> str:
        return self.codec.name if self.codec else self.inr.name

    def batch_key(self) -> str:
        """Cells that agree here can be fitted at once."""
        penalty = (
            (self.precision, self.segmenter_hash, json_of(self.regularizer))
            if self.lam > 0
            else None
        )
        return repr((self.shape, self.size_key, json_of(self.recipe), penalty, self.init))

    @property
    def size_key(self) -> tuple[Any, ...]:
        """Cells that agree here have files of one size: twins too, whatever the penalty."""
        return (
            json_of(self.inr),
            json_of(self.rate),
            json_of(self.recipe, "penalty_every"),
            self.fidelity,
            self.shape,
            self.depth,
        )


def json_of(part: Any, without: str = "") -> str:
    """The JSON of a Choice, Rate or Recipe, written once an object: as many cells as there are
    share a few of them.

    Once an object and not once a value: 1 and 1.0 are equal, and their texts are not.
    """
    if part is None:
        return "null"
    known: dict[str, str] = part.__dict__.setdefault("_json", {})
    if without not in known:
        known[without] = _json(
            {name: value for name, value in asdict(part).items() if name != without}
        )
    return known[without]


def with_twins(cells: Iterable[Cell]) -> list[Cell]:
    """Add each cell's lambda = 0 twin and its null twin; each cell once, in a stable order (twins
    first).
    """
    out: dict[str, Cell] = {}
    twinned: set[str] = set()
    for cell in cells:
        if (twin := cell.twin or cell.key) not in twinned:
            twinned.add(twin)
            plain = replace(
                cell,
                lam=0.0,
                null=False,
                segmenter=None,
                segmenter_hash=None,
                segmenter_source=None,
                regularizer=None,
                precision="float32",
            )
            for member in (plain, replace(plain, null=True)):
                out.setdefault(member.key, member)
        out.setdefault(cell.key, cell)
    return list(out.values())


def batches(cells: Sequence[Cell], size: int) -> list[list[Cell]]:
    """Group cells that can be fitted at once, at most `size` together, plain fits first: what is
    compared with comes first.
    """
    fits = sorted(
        (c for c in cells if c.codec is None),
        key=lambda c: (c.inr.name, c.batch_key(), c.sample_id, c.seed, c.lam, c.null),
    )
    out = []
    for _, group in groupby(fits, key=Cell.batch_key):
        members = list(group)
        out += [members[i : i + size] for i in range(0, len(members), size)]
    return sorted(out, key=lambda batch: batch[0].lam > 0)

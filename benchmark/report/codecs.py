"""How the codecs of a store are called: by their own declarations, or by their name alone where a
codec is not here.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from benchmark.plugins import index
from benchmark.plugins.register import DECLARABLE
from benchmark.report.words import told_apart
from benchmark.store.store import Row
from benchmark.store.view import Scored, once


@dataclass(frozen=True)
class CodecNames:
    """A codec's name, its short name in tables, the suffix of its files, and whether these hold the
    true mask.
    """

    name: str
    label: str
    suffix: str
    sends_mask: bool


def names_of(codec: str) -> CodecNames:
    """What a codec declares of itself."""
    entry = index.entries("codec").get(codec)
    declared = DECLARABLE["codec"] if entry is None else entry.declared
    return CodecNames(
        codec, declared["label"] or codec, declared["suffix"], bool(declared["sends_mask"])
    )


def codecs_of(scored: Scored) -> list[CodecNames]:
    """The codecs that have a row in a store, those that send the mask last; one that was run with
    several options once for each.
    """
    found = _names(scored).values()
    return sorted(found, key=lambda codec: (codec.sends_mask, codec.name))


def codec_of_row(scored: Scored, row: Row) -> CodecNames:
    """The codec that made a stored file."""
    return _names(scored)[_which(row)]


@once
def _names(scored: Scored) -> dict[tuple[str, str], CodecNames]:
    """(codec, its options as JSON) -> its names, with the options where they tell two apart."""
    known = sorted({_which(row) for row in scored.rows if row.facts.get("codec")})
    names, options = [], []
    for codec, args in known:
        names.append(codec)
        options.append({"codec": args})
    found = {}
    for which, told in zip(known, told_apart(names, options), strict=True):
        plain = names_of(which[0])
        apart = told.removeprefix(plain.name)
        found[which] = CodecNames(told, plain.label + apart, plain.suffix, plain.sends_mask)
    return found


def _which(row: Row) -> tuple[str, str]:
    stored = (row.facts.get("identity") or {}).get("codec") or {}
    return row.facts["codec"], json.dumps(dict(stored.get("args") or ()), sort_keys=True)

"""How the codecs of a store are called: by their own declarations, or by their name alone where a
codec is not here.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmark.plugins import index
from benchmark.plugins.register import DECLARABLE
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


@once
def codecs_of(scored: Scored) -> list[CodecNames]:
    """The codecs that have a file in a store, those that send the mask last."""
    names = {row.facts["codec"] for rows in scored.files.values() for row in rows}
    return sorted(map(names_of, names), key=lambda codec: (codec.sends_mask, codec.name))

"""Decodes any file of a run: a backbone's bitstream, or what a codec wrote."""

from __future__ import annotations

from benchmark import bitstream
from benchmark.plugins import index
from benchmark.plugins.contracts import Decoded


def decode_as(data: bytes, codec: str | None) -> Decoded:
    """The image of a file. codec: the name of the codec that wrote it, None for a backbone's file.

    Raises InputError where the file is foreign, cut short or damaged.
    """
    if codec is None:
        return bitstream.decode(data)
    decoded: Decoded = index.get("codec", codec).load()().decode(data)
    return decoded

"""Decodes any file of a run: a backbone's bitstream, or what a codec wrote."""

from __future__ import annotations

from benchmark import bitstream
from benchmark.plugins import index
from benchmark.plugins.contracts import Decoded
from benchmark.plugins.magic import codec_of


def written_by(data: bytes) -> str | None:
    """The name of the codec that wrote a file; None of a backbone's file, or where nobody knows."""
    if data.startswith(bitstream.MAGIC):
        return None
    codec = codec_of(data)
    return None if codec is None else codec.name


def decode_any(data: bytes) -> Decoded:
    """The image of a file, whoever wrote it: float32 [H, W, C] in [0, 1].

    Raises InputError where the file is foreign, cut short or damaged.
    """
    return decode_as(data, written_by(data))


def decode_as(data: bytes, codec: str | None) -> Decoded:
    """The image of a file. codec: the name of the codec that wrote it, None for a backbone's file.

    Raises InputError where the file is foreign, cut short or damaged.
    """
    if codec is None:
        return bitstream.decode(data)
    decoded: Decoded = index.get("codec", codec).load()().decode(data)
    return decoded

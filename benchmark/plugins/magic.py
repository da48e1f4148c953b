"""Which codec wrote a file: by the bytes that codecs declare (`magic`), none of them imported.

A codec declares a tuple of signs, and a file is its own that has one of them. A sign is bytes with
which the file begins; or a tuple of bytes: the file begins with the first, and the others follow in
that order, with anything between.
"""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.plugins import index

Sign = bytes | tuple[bytes, ...]


def codec_of(data: bytes) -> index.Entry | None:
    """The codec that wrote a file, None where no codec that is known here says so. Where several
    do, the one whose sign is longest.
    """
    best: index.Entry | None = None
    longest = 0
    for entry in index.entries("codec").values():
        length = recognized(data, entry.declared["magic"])
        if length > longest:
            best, longest = entry, length
    return best


def recognized(data: bytes, magic: Sequence[Sign]) -> int:
    """The length of the longest sign that a file has; 0 where it has none."""
    return max((_length(data, sign) for sign in magic), default=0)


def _length(data: bytes, sign: Sign) -> int:
    parts = (sign,) if isinstance(sign, bytes) else sign
    if not parts or not data.startswith(parts[0]):
        return 0
    at = len(parts[0])
    for part in parts[1:]:
        found = data.find(part, at)
        if found < 0:
            return 0
        at = found + len(part)
    return sum(map(len, parts))

"""A codec that keeps its contract, and others that break one claim of it each; the table of them is
in wrong_plugins.py.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from benchmark.errors import CellFailed
from benchmark.plugins.contracts import Decoded
from benchmark.types import Sample


class Codec:
    """Every f-th pixel in 8 bits, for the smallest f that fits."""

    DECLARED: ClassVar[dict[str, Any]] = {
        "label": "skip",
        "magic": tuple(bytes([f]) for f in range(2, 9)),
    }
    smallest = 2

    def encode(self, sample: Sample, max_bytes: int) -> bytes:
        for f in range(self.smallest, 9):
            pixels = np.round(sample.image[f // 2 :: f, f // 2 :: f] * 255).astype(np.uint8)
            data = bytes([f, sample.image.shape[2]]) + pixels.tobytes()
            if len(data) <= max_bytes:
                return data
        raise CellFailed("a file", "nothing is that small", "a higher rate")

    def decode(self, data: bytes) -> Decoded:
        f, channels = data[0], data[1]
        side = len(range(f // 2, 64, f))
        small = (
            np.frombuffer(data[2:], np.uint8, side * side * channels)
            .reshape(side, side, channels)
            .astype(np.float32)
            / 255
        )
        index = np.minimum(np.arange(64) // f, side - 1)
        return Decoded(small[index][:, index])


class Spills(Codec):
    def encode(self, sample: Sample, max_bytes: int) -> bytes:
        return super().encode(sample, max_bytes).ljust(max_bytes + 1, b"\0")


class Empty(Codec):
    def encode(self, sample: Sample, max_bytes: int) -> bytes:
        return b"" if max_bytes < 100 else super().encode(sample, max_bytes)


class Doubles(Codec):
    def decode(self, data: bytes) -> Decoded:
        return Decoded(super().decode(data).image.astype(np.float64))


class Coarse(Codec):
    smallest = 3


class WrongMask(Codec):
    DECLARED: ClassVar[dict[str, Any]] = Codec.DECLARED | {"sends_mask": True}

    def decode(self, data: bytes) -> Decoded:
        return Decoded(super().decode(data).image, np.zeros((64, 64), bool))


class SendsNone(Codec):
    DECLARED: ClassVar[dict[str, Any]] = Codec.DECLARED | {"sends_mask": True}


class Disguised(Codec):
    DECLARED: ClassVar[dict[str, Any]] = Codec.DECLARED | {"magic": ((b"\2", b"not in it"),)}


class Wordy(Codec):
    DECLARED: ClassVar[dict[str, Any]] = Codec.DECLARED | {"label": "every f-th pixel"}


class Undotted(Codec):
    DECLARED: ClassVar[dict[str, Any]] = Codec.DECLARED | {"suffix": "skip"}


class Dims(Codec):
    def encode(self, sample: Sample, max_bytes: int) -> bytes:
        np.clip(sample.image, 0, 0.75, out=sample.image)
        return super().encode(sample, max_bytes)


class Hoards(Codec):
    def __init__(self) -> None:
        self.kept: dict[bytes, Decoded] = {}

    def encode(self, sample: Sample, max_bytes: int) -> bytes:
        data = super().encode(sample, max_bytes)
        self.kept[data] = Decoded(np.clip(sample.image + np.float32(5 / max_bytes), 0, 1))
        return data

    def decode(self, data: bytes) -> Decoded:
        return self.kept.get(data) or super().decode(data)

"""The contract of a classical codec, which stands beside the fits at the same bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from benchmark.types import Sample


@dataclass(frozen=True)
class Decoded:
    """What a decoder returns: image float32 [H, W, C] clipped to [0, 1], and the mask [H, W] where
    the file sends one.
    """

    image: np.ndarray
    mask: np.ndarray | None = None


class Codec(Protocol):
    """A classical codec, whose files stand beside those of the backbones at the same bytes.

    Constructed as `(*, options)`. The decorator says how it is called: `label` (its short name in
    tables, at most 8 characters), `suffix` (of its files: ".j2k"), `magic` (how they begin:
    benchmark/plugins/magic.py), and `sends_mask=True` where a file holds the true mask; that mask
    is then what is scored. Where no loss sees the true mask, such a codec is left out unless it is
    asked for.
    """

    def encode(self, sample: Sample, max_bytes: int) -> bytes:
        """The best file of at most `max_bytes` bytes, everything included that `decode` needs.

        sample.image: float32 [H, W, C] in [0, 1]; it stays as it is. Raises CellFailed where no
        file is that small.
        """
        ...

    def decode(self, data: bytes) -> Decoded:
        """The image, float32 [H, W, C] in [0, 1], from the bytes alone.

        Raises InputError where the file is foreign, cut short or damaged.
        """
        ...

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
    """A classical codec as a peer, constructed as `(*, options)`."""

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

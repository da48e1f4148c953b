"""JPEG 2000 as a peer: a raw codestream of as many bytes as the backbone's file."""

from __future__ import annotations

from benchmark.codecs._openjpeg import codestream, picture
from benchmark.plugins import Decoded, Sample, register


@register.codec(
    "jpeg2000",
    requires=("imagecodecs",),
    label="J2K",
    suffix=".j2k",
    magic=(b"\xff\x4f\xff\x51",),
)
class Jpeg2000:
    """JPEG 2000 (ISO/IEC 15444-1, OpenJPEG): a raw codestream, wavelet 9-7, tuned for the bytes
    that it is given.
    """

    def encode(self, sample: Sample, max_bytes: int) -> bytes:
        """The best codestream of at most `max_bytes` bytes; raises CellFailed where none is that
        small.
        """
        return codestream(sample.image, max_bytes)

    def decode(self, data: bytes) -> Decoded:
        """Image float32 [H, W, C] in [0, 1]; raises InputError where the file is foreign, cut short
        or damaged.
        """
        return Decoded(picture(data))

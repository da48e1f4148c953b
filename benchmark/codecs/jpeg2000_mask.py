"""JPEG 2000 with the mask sent beside it: the plain rival of a penalty that has seen the mask."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import TiffImageFile

from benchmark.codecs._openjpeg import codestream, picture
from benchmark.plugins import CellFailed, Decoded, InputError, Sample, register

EMPTY = 0
# After the tag: bytes of the mask, its first row, its rows.
HEADS = {1: struct.Struct("<BBB"), 2: struct.Struct("<HHH")}


@register.codec(
    "jpeg2000+mask",
    requires=("imagecodecs", "PIL"),
    label="+mask",
    suffix=".j2k",
    # The codestream stands behind the mask.
    magic=(
        b"\x00\xff\x4f\xff\x51",
        (b"\x01", b"\xff\x4f\xff\x51"),
        (b"\x02", b"\xff\x4f\xff\x51"),
    ),
    sends_mask=True,
)
class Jpeg2000Mask:
    """JPEG 2000 and the true mask without loss (CCITT group 4), its bytes counted: SINCO's encoder
    sees the mask too.

    A file is a byte 0 for an empty mask, else 1 or 2 with the length, first row and number of rows
    of the mask (1 or 2 bytes each) and those rows in group 4 coding; then the codestream. The mask
    takes 44 bytes on average in the largest slices of 28 LGG patients at 128 x 128. Tried too, on
    masks that take 39 in group 4: JPEG XL 69, lzma 76, brotli 80, zstd 82, zlib 86, WebP 101.
    """

    def encode(self, sample: Sample, max_bytes: int) -> bytes:
        """The mask, and the best codestream in what is left of `max_bytes`; raises CellFailed where
        nothing fits.
        """
        sent = _pack(sample.mask)
        return sent + codestream(sample.image, max_bytes - len(sent))

    def decode(self, data: bytes) -> Decoded:
        """Image float32 [H, W, C] in [0, 1] and mask bool [H, W]; raises InputError where the file
        is damaged.
        """
        if data[:1] == bytes([EMPTY]):
            image = picture(data[1:])
            return Decoded(image, np.zeros(image.shape[:2], bool))
        head = HEADS.get(data[0]) if data else None
        if head is None or len(data) <= head.size:
            raise _refusal(f"it starts with {data[:8].hex(' ') or 'nothing'}")
        length, first, rows = head.unpack_from(data, 1)
        start, end = 1 + head.size, 1 + head.size + length
        image = picture(data[end:])
        mask = np.zeros(image.shape[:2], bool)
        if not 0 < rows <= len(mask) - first:
            raise _refusal(f"its mask has rows {first} to {first + rows}, its image {len(mask)}")
        mask[first : first + rows] = _ungroup4(data[start:end], rows, image.shape[1])
        return Decoded(image, mask)


def _pack(mask: np.ndarray) -> bytes:
    rows = np.flatnonzero(mask.any(1))
    if not rows.size:
        return bytes([EMPTY])
    first, count = int(rows[0]), int(rows[-1] - rows[0] + 1)
    coded = _group4(mask[first : first + count])
    largest = max(len(coded), first, count)
    if largest > 0xFFFF:
        raise CellFailed(
            "jpeg2000+mask", f"the mask takes {len(coded)} bytes", "a mask with a simpler outline"
        )
    tag = 1 if largest <= 0xFF else 2
    return bytes([tag]) + HEADS[tag].pack(len(coded), first, count) + coded


def _group4(mask: np.ndarray) -> bytes:
    """Rows bool [h, w] in group 4 coding, as libtiff writes the one strip of a TIFF file."""
    file = io.BytesIO()
    Image.fromarray(mask).save(
        file, "TIFF", compression="group4", tiffinfo={278: len(mask)}
    )  # 278: rows per strip
    file.seek(0)
    tags = TiffImageFile(file).tag_v2  # 273, 279: where the strip is and how long
    return file.getvalue()[tags[273][0] : tags[273][0] + tags[279][0]]


def _ungroup4(coded: bytes, rows: int, columns: int) -> np.ndarray:
    """Rows bool [rows, columns] of a strip, read through the shortest TIFF header that libtiff
    takes.
    """
    # Width, height, bits, group 4, 0 is black, offset of the strip, samples, rows per strip, bytes
    # of the strip.
    tags = {
        256: columns,
        257: rows,
        258: 1,
        259: 4,
        262: 1,
        273: 122,
        277: 1,
        278: rows,
        279: len(coded),
    }
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    file = b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + bytes(4) + coded
    try:
        return np.array(Image.open(io.BytesIO(file)))
    except (OSError, ValueError) as error:
        raise _refusal(f"its mask is damaged ({error})") from None


def _refusal(found: str) -> InputError:
    return InputError("to decode a file of jpeg2000+mask", found, "the file, copied whole")

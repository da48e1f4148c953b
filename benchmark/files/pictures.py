"""Pictures as people keep them (PNG, JPEG, TIFF, NPY, NPZ): numbers as stored, in gray where they
are gray.
"""

from __future__ import annotations

import math
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from benchmark.errors import InputError

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".npy", ".npz")
MOST_BYTES = (
    2**32
)  # of what a TIFF or .npz unpacks to; for PNG and JPEG Pillow's own limit of pixels holds
DEFLATE_MOST = 1032  # bytes that one byte of deflate can become
# gray levels of 255 by which channels may differ and still be gray: JPEG rounds its color
# differences
SAME = 3
LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601, as in JPEG
PLAIN = {"1", "L", "I", "F", "RGB"}  # Pillow's modes, beside I;16 in either byte order


@dataclass(frozen=True, eq=False)
class Picture:
    """planes [Z, H, W], or [Z, H, W, 3] where they are in color; lossy: a JPEG; remarks:
    conversions that lose nothing.
    """

    planes: np.ndarray
    lossy: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def colored(self) -> bool:
        return self.planes.ndim == 4


def read_picture(path: Path, mask: bool = False) -> Picture:
    """Read a picture, or a stack of them; of a mask with a palette the indices, which are its label
    numbers.

    Raises InputError naming the file for: no such file or another format, damage, far more pixels
    than the file could honestly hold, partial transparency, color spaces that are neither gray nor
    RGB, NaN or infinite values, pickled or oddly shaped arrays.
    """
    suffix = path.suffix.lower()
    reader = (
        _read_array
        if suffix in (".npy", ".npz")
        else _read_tiff
        if suffix in (".tif", ".tiff")
        else _read_pillow
    )
    try:
        values, remarks = reader(path, mask)
    except FileNotFoundError:
        raise InputError(
            f"the picture {path}", "no such file", "restore it, or mend what names it"
        ) from None
    except (InputError, MemoryError):
        raise
    except Exception as error:  # a broken picture raises whatever its decoder happens to meet
        raise InputError(
            f"the picture {path}",
            f"no readable {suffix[1:].upper()} ({type(error).__name__}: {error})",
            "restore the file, or leave it out",
        ) from None
    if values.dtype.kind == "b":
        values = values.astype(np.uint8) * (1 if mask else 255)
    if values.dtype.kind not in "uif" or 0 in values.shape:
        raise InputError(
            f"the picture {path}",
            f"values of type {values.dtype}, shape {values.shape}",
            "an array of real numbers",
        )
    planes = _planes(path, values)
    if planes.dtype.kind == "f" and not np.isfinite(planes).all():
        raise InputError(
            f"the picture {path}",
            f"{(~np.isfinite(planes)).sum()} values are NaN or infinite",
            "mend the file",
        )
    if planes.ndim == 4 and _is_gray(planes):
        planes, remarks = (
            luminance(planes),
            [*remarks, "pictures that store gray as RGB are read as one channel"],
        )
    return Picture(planes, suffix in (".jpg", ".jpeg"), tuple(remarks))


def luminance(color: np.ndarray) -> np.ndarray:
    """Gray of RGB [..., 3], in the same number type."""
    gray: np.ndarray = color @ np.array(LUMINANCE)
    if color.dtype.kind != "f":
        gray = np.rint(gray)
    return gray.astype(color.dtype)


def _is_gray(planes: np.ndarray) -> bool:
    low, high = planes.min(-1), planes.max(-1)
    return bool(
        (high - low <= SAME).all() if planes.dtype == np.uint8 else (high == low).all()
    )  # a difference of signed types may wrap


def _planes(path: Path, values: np.ndarray) -> np.ndarray:
    """[H, W], [Z, H, W], either with a last axis of 1 or 3 values -> [Z, H, W] or [Z, H, W, 3]."""
    if values.ndim in (3, 4) and values.shape[-1] == 1:
        values = values[..., 0]
    color = values.ndim > 2 and values.shape[-1] == 3
    if values.ndim - color not in (2, 3) or (values.ndim > 2 and values.shape[-1] in (2, 4)):
        raise InputError(
            f"the picture {path}",
            f"an array of shape {values.shape}",
            "[rows, columns], [planes, rows, columns], or one of these with a last axis of 3 for"
            " red, green and blue",
        )
    return values[None] if values.ndim - color == 2 else values


def _too_large(path: Path, what: str) -> InputError:
    return InputError(
        f"the picture {path}",
        f"{what}: it may be a decompression bomb",
        "a smaller picture, or leave it out",
    )


def _read_pillow(path: Path, mask: bool) -> tuple[np.ndarray, list[str]]:
    from PIL import Image, ImageOps

    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(path, formats=("PNG", "JPEG")) as file:
                if (frames := getattr(file, "n_frames", 1)) > 1:
                    raise InputError(
                        f"the picture {path}",
                        f"it is a film of {frames} pictures",
                        "one picture a file",
                    )
                stored = _stored_png(path, file, mask) if file.format == "PNG" else None
                if stored is not None:
                    return stored
                picture = ImageOps.exif_transpose(
                    file
                )  # what the camera wrote as "turn me", turned
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise _too_large(path, str(error).partition(",")[0]) from None
    remarks = []
    if picture.mode == "P" and mask:
        return np.asarray(picture), []
    if picture.mode == "P" or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        remarks.append("pictures with a palette are read through it")
    if picture.mode in ("RGBA", "LA"):
        picture = _without_alpha(path, picture)
        remarks.append("alpha channels that are opaque everywhere are left out")
    if picture.mode not in PLAIN and not picture.mode.startswith("I;16"):
        raise InputError(
            f"the picture {path}", f"its colors are {picture.mode}", "save it as gray or RGB"
        )
    return np.asarray(picture), remarks


def _stored_png(path: Path, file: Any, mask: bool) -> tuple[np.ndarray, list[str]] | None:
    """What Pillow would change of a PNG: it halves 16 bits in color or with alpha, and spreads
    numbers of 2 or 4 bits over 0 to 255.
    """
    with path.open("rb") as header:
        depth, kind = header.read(26)[
            24:
        ]  # of IHDR, which comes first; kind: 0 gray, 2 RGB, 4 and 6 with alpha
    if depth in (2, 4) and kind == 0 and mask:
        from PIL import ImageOps

        return np.asarray(ImageOps.exif_transpose(file)) // (255 // (2**depth - 1)), []
    if depth < 16 or kind == 0:
        return None
    import imagecodecs

    if file.getexif().get(274, 1) != 1:
        raise InputError(
            f"the picture {path}",
            "16 bits in color, to be turned by its EXIF orientation",
            "save it turned",
        )
    values, remarks = imagecodecs.png_decode(path.read_bytes()), []
    if values.shape[-1] in (2, 4):
        if clear := int((values[..., -1] != np.iinfo(values.dtype).max).sum()):
            raise _transparent(path, clear)
        values, remarks = (
            values[..., :-1],
            ["alpha channels that are opaque everywhere are left out"],
        )
    return values, remarks


def _transparent(path: Path, clear: int) -> InputError:
    return InputError(
        f"the picture {path}",
        f"{clear} of its pixels are transparent: what they show is not stated",
        "save it flat, without an alpha channel",
    )


def _without_alpha(path: Path, picture: Any) -> Any:
    clear = int((np.asarray(picture)[..., -1] != 255).sum())
    if clear:
        raise _transparent(path, clear)
    return picture.convert(picture.mode[:-1])


def _read_tiff(path: Path, mask: bool) -> tuple[np.ndarray, list[str]]:
    import tifffile

    with tifffile.TiffFile(path) as file:
        series, page = file.series[0], file.pages[0]
        if len(file.series) > 1:
            raise InputError(
                f"the picture {path}",
                f"{len(file.series)} pictures of unequal sizes or types in it",
                "one picture a file",
            )
        if series.nbytes > MOST_BYTES:
            raise _too_large(path, f"its header promises {series.nbytes:,} bytes")
        kind, values = page.photometric.name, series.asarray()  # type: ignore[union-attr]
        if "S" in series.axes:
            values = np.moveaxis(values, series.axes.index("S"), -1)
        if kind == "PALETTE" and not mask:
            colors = np.asarray(page.colormap).T >> 8  # type: ignore[union-attr]
            remark = "pictures with a palette are read through it"
            return colors.astype(np.uint8)[values], [remark]
    if kind not in ("MINISBLACK", "MINISWHITE", "RGB", "YCBCR", "PALETTE") or values.shape[-1] in (
        2,
        4,
    ):
        raise InputError(
            f"the picture {path}",
            f"its colors are {kind}, its shape {values.shape}",
            "save it as gray or RGB, without alpha",
        )
    if kind == "MINISWHITE":  # black is stored as the largest value
        values = ~values  # the largest less the value of unsigned types; signed ones do not wrap
    return values, []


def _read_array(path: Path, _mask: bool) -> tuple[np.ndarray, list[str]]:
    size = path.stat().st_size
    if path.suffix.lower() == ".npy":
        with path.open("rb") as file:
            _believable(path, file, size)
        return np.load(path, mmap_mode="r", allow_pickle=False), []
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    if len(members) != 1:
        names = ", ".join(member.filename.removesuffix(".npy") for member in members)
        raise InputError(
            f"the picture {path}", f"it holds {len(members)} arrays: {names}", "one array a file"
        )
    if members[0].file_size > MOST_BYTES:
        raise _too_large(path, f"it unpacks to {members[0].file_size:,} bytes")
    if (
        members[0].compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        and members[0].file_size > DEFLATE_MOST * size
    ):
        raise _too_large(
            path,
            f"it claims to unpack to {members[0].file_size:,} bytes, more than its {size:,} can"
            " hold",
        )
    with zipfile.ZipFile(path) as archive, archive.open(members[0]) as member:
        _believable(path, member, members[0].file_size)
    with np.load(path, allow_pickle=False) as arrays:
        return arrays[arrays.files[0]], []


def _believable(path: Path, file: IO[bytes], size: int) -> None:
    """Raises InputError where the header of an array of `size` bytes claims more: numpy would ask
    for the memory first.
    """
    version = np.lib.format.read_magic(file)
    read = (
        np.lib.format.read_array_header_1_0
        if version == (1, 0)
        else np.lib.format.read_array_header_2_0
    )
    shape, _, dtype = read(file)
    due = file.tell() + math.prod(shape) * dtype.itemsize
    if due > size and not dtype.hasobject:
        raise InputError(
            f"the picture {path}",
            f"its header claims {due:,} bytes (shape {shape} of {dtype}), and it holds {size:,}",
            "restore the file, or leave it out",
        )

"""Where the voxels of a NIfTI file lie, and the reading of a span of them: nibabel reads the
header, zlib-ng unpacks.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from nibabel import Nifti1Header, Nifti2Header
from zlib_ng import gzip_ng, zlib_ng

from benchmark.errors import InputError

HEADER = 540  # bytes, of NIfTI-2; NIfTI-1 has 348
CHUNK = 1 << 16  # bytes unpacked at a time: they stay in the processor's cache
SLACK = 1 << 20  # bytes that may follow the voxels; more says that the header is of another file
DEFLATE_MOST = 1032  # bytes that one byte of deflate can become: zlib.net/zlib_tech.html
SILENT = logging.Logger("nifti", logging.CRITICAL)  # nibabel would print what it mends


@dataclass(frozen=True)
class Nifti:
    """The header of a .nii or .nii.gz. `shape`: three axes, then one that counts channels where the
    file has it.

    `scale`: (slope, intercept), None where the file has none; the format's own word for none is a
    slope of 0, and nibabel's NaN. `placed`: whether the file says how it lies (sform or qform).
    """

    path: Path
    compressed: bool
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    offset: int
    scale: tuple[float, float] | None
    affine: np.ndarray
    placed: bool
    spacing_mm: tuple[float, float, float]

    @classmethod
    def open(cls, path: Path) -> Nifti:
        """Raises InputError for what is no NIfTI, or a header that cannot be true."""
        try:
            compressed, header = _header(path)
            x, y, z = map(float, header["pixdim"][1:4])
            spacing = x, y, z
            if not all(math.isfinite(size) and size > 0 for size in spacing):
                raise _bad(
                    path,
                    f"its voxels are {' x '.join(f'{size:g}' for size in spacing)} mm in size",
                    "mend pixdim in its header",
                )
            header.check_fix(logger=SILENT)
            nifti = cls(
                path,
                compressed,
                tuple(map(int, header.get_data_shape())),
                header.get_data_dtype(),
                int(header.get_data_offset()),
                _scale(path, header),
                header.get_best_affine(),
                bool(header["sform_code"] or header["qform_code"]),
                spacing,
            )
        except InputError:
            raise
        except Exception as error:  # a broken header raises whatever nibabel or zlib happen to meet
            raise _bad(path, f"no readable NIfTI ({type(error).__name__}: {error})") from None
        nifti._believable()
        return nifti

    @cached_property
    def due(self) -> int:
        """Bytes of the unpacked file, by its header."""
        return self.offset + math.prod(self.shape) * self.dtype.itemsize

    def _believable(self) -> None:
        if len(self.shape) not in (3, 4) or min(self.shape) < 1:
            raise _bad(
                self.path,
                f"its shape is {self.shape}",
                "volumes have 3 axes, or 4 of which the last counts the channels",
            )
        if self.dtype.kind not in "iuf":
            raise _bad(
                self.path, f"its voxels are {self.dtype}", "volumes of whole or real numbers"
            )
        if self.offset < Nifti1Header.single_vox_offset:
            raise _bad(
                self.path,
                f"its voxels begin at byte {self.offset}, inside its header",
                "mend vox_offset, or join header and image",
            )
        size = self.path.stat().st_size
        if self.compressed and self.due > DEFLATE_MOST * size:
            raise _bad(
                self.path,
                f"its header promises {self.due:,} bytes, more than {size:,} compressed bytes can"
                " hold",
            )
        if not self.compressed and size > self.due + SLACK:
            raise _bad(
                self.path,
                f"it has {size:,} bytes where its header has {self.due:,}: {self.shape} voxels of"
                f" {self.dtype}",
            )

    def channel(self, channel: int | None) -> np.ndarray:
        """All voxels of a channel, scaled, in the file's own order [i, j, k]; the file must be
        whole.
        """
        first, count = self._where(channel)
        if not self.compressed and (size := self.path.stat().st_size) < self.due:
            raise _bad(self.path, f"it is cut short: {size:,} bytes of {self.due:,}")
        return self._scaled(self._span(first, count).reshape(self.shape[:3], order="F"))

    def _where(self, channel: int | None) -> tuple[int, int]:
        """The number of a channel's first voxel, and how many follow."""
        channels, count = math.prod(self.shape[3:]), math.prod(self.shape[:3])
        if channel is None and channels > 1:
            raise InputError(
                f"the volume {self.path}",
                f"its shape is {self.shape}",
                f"one of its channels, 0 to {channels - 1}",
            )
        if channel is not None and (len(self.shape) < 4 or not 0 <= channel < channels):
            raise InputError(
                f"channel {channel} of {self.path}",
                f"its shape is {self.shape}",
                (
                    f"channel 0 to {channels - 1}"
                    if len(self.shape) > 3
                    else "a file with 4 axes: the last counts the channels"
                ),
            )
        return (channel or 0) * count, count

    def _span(self, first: int, count: int) -> np.ndarray:
        """`count` voxels from the `first` on, as stored: mapped from a .nii, unpacked from a
        .nii.gz.
        """
        start, size = self.offset + first * self.dtype.itemsize, count * self.dtype.itemsize
        if not self.compressed:
            return np.asarray(np.memmap(self.path, self.dtype, "r", start, count))
        voxels = np.empty(count, self.dtype)
        try:
            with gzip_ng.open(self.path) as file:
                _skip(file, start)
                _fill(file, voxels.view(np.uint8))
                # What ends the file has a checksum to meet, and must not go on and on.
                if start + size == self.due and _skip(file, SLACK + 1) > SLACK:
                    raise _bad(
                        self.path, f"it unpacks to more than the {self.due:,} bytes of its header"
                    )
        except EOFError:
            raise _bad(
                self.path,
                f"it is cut short: it unpacks to less than the {self.due:,} bytes of its header",
            ) from None
        # zlib-ng's stubs type its error as a plain object.
        except (OSError, zlib_ng.error) as error:  # type: ignore[misc]
            raise _bad(self.path, f"damaged: {error}") from None
        return voxels

    def _scaled(self, voxels: np.ndarray) -> np.ndarray:
        """Native byte order; with slope and intercept float32, or float64 where numpy would (int32,
        float64).
        """
        native = self.dtype.newbyteorder("=")
        if self.scale is None:
            return voxels.astype(native, copy=False)
        slope, intercept = self.scale
        scaled = np.empty_like(voxels, np.result_type(native, np.float32))
        for k in range(voxels.shape[-1]):  # in float64, without a float64 copy of all
            scaled[..., k] = voxels[..., k].astype(np.float64) * slope + intercept
        return scaled


def _header(path: Path) -> tuple[bool, Any]:
    with path.open("rb") as file:
        start = file.read(HEADER)
    if compressed := start.startswith(b"\x1f\x8b"):  # whatever the file is called
        with gzip_ng.open(path) as file:
            start = file.read(HEADER)
    kind: Any = Nifti1Header  # nibabel does not type its headers
    if len(start) == HEADER and Nifti2Header.may_contain_header(start):
        kind = Nifti2Header
    if not kind.may_contain_header(start):
        raise _bad(path, "no NIfTI" if start else "it is empty")
    return compressed, kind(start[: kind.template_dtype.itemsize], check=False)


def _scale(path: Path, header: Any) -> tuple[float, float] | None:
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or math.isnan(slope) or (slope, intercept) == (1, 0):
        return None
    if not (math.isfinite(slope) and math.isfinite(intercept)):
        raise _bad(
            path,
            f"its slope is {slope:g} and its intercept {intercept:g}",
            "mend scl_slope and scl_inter in its header",
        )
    return slope, intercept


def _skip(file: Any, count: int) -> int:
    """Bytes that were skipped: fewer than `count` only at the end of the file."""
    left = count
    while left and (got := len(file.read(min(left, CHUNK)))):
        left -= got
    return count - left


def _fill(file: Any, into: np.ndarray) -> None:
    at = 0
    while at < into.size:
        if not (chunk := file.read(min(into.size - at, CHUNK))):
            raise EOFError
        into[at : at + len(chunk)] = np.frombuffer(chunk, np.uint8)
        at += len(chunk)


def _bad(
    path: Path, found: str, todo: str = "fetch the file again, or take it out of the data set"
) -> InputError:
    return InputError(f"the volume {path}", found, todo)

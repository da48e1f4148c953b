"""Volumes as the field stores them (.nii, .nii.gz, .mha, a folder of DICOM slices), turned to
right-anterior-superior.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from benchmark.errors import InputError
from benchmark.files.itk import read_itk, read_itk_header
from benchmark.files.nifti import Nifti

WHOLE = 1e-3  # how far a label may lie from a whole number: float32 scaling leaves 0.99999997
# Voxels by which a corner of one grid may miss that of another: directions that a header rounds to
# three digits come to that over 256 voxels, programs that rewrite headers to 1e-5. From half a
# voxel on, a label would be its neighbour's.
APART = 0.25


@dataclass(frozen=True, eq=False)
class Geometry:
    """How a volume lies. `shape` and `spacing_mm` in canonical order (x to the right, y to the
    front, z up); `channels` is 0 for a file of 3 axes; `orientation` of the file's own axes, such
    as LPS, or "unknown" where the file does not say.
    """

    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    orientation: str
    channels: int = 0


@dataclass(frozen=True, eq=False)
class Volume:
    """One channel: `voxels` [x to the right, y to the front, z up], a read-only view in the file's
    number type.

    `affine` [4, 4] takes the indices of a voxel to mm to the right, front and up. Voxels of an
    uncompressed .nii are mapped from the file, which must not shrink meanwhile.
    """

    voxels: np.ndarray
    spacing_mm: tuple[float, float, float]
    orientation: str
    path: Path
    affine: np.ndarray


@dataclass(frozen=True)
class Turn:
    """From a file's axes to canonical ones: canonical axis n is the file's `axes[n]`, backwards
    where `flips[n]`.
    """

    axes: tuple[int, ...] = (0, 1, 2)
    flips: tuple[bool, ...] = (False, False, False)
    orientation: str = "unknown"

    def __call__(self, voxels: np.ndarray) -> np.ndarray:
        return voxels.transpose(self.axes)[
            tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)
        ]

    def sorted(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(values[axis] for axis in self.axes)

    def affine(self, affine: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """The affine of turned voxels, by that of the file's axes; shape: of the turned voxels."""
        turned = np.zeros((4, 4))
        turned[:, 3] = affine[:, 3]
        for n, (axis, flip) in enumerate(zip(self.axes, self.flips, strict=True)):
            turned[:, n] = affine[:, axis] * (-1 if flip else 1)
            turned[:, 3] += affine[:, axis] * (shape[n] - 1) * flip
        return turned


def read_geometry(path: Path) -> Geometry:
    """Shape, spacing and orientation; but for DICOM series without the voxels. Raises InputError as
    `read_volume` does.
    """
    if not _is_nifti(path):
        shape, affine, spacing, placed = read_itk_header(path)
        turn = _turn(affine, placed)
        return Geometry(turn.sorted(shape), turn.sorted(spacing), turn.orientation)
    nifti, turn = _open(path)
    return Geometry(
        turn.sorted(nifti.shape),
        turn.sorted(nifti.spacing_mm),
        turn.orientation,
        sum(nifti.shape[3:]),
    )


def read_volume(path: Path, channel: int | None = None, like: Path | None = None) -> Volume:
    """A whole volume, or one channel of a 4-D one; numbers as stored, scaled only where the file
    has a slope.

    like: the image that a file of labels belongs to, and is taken to lie as, with a warning, where
    it does not say how it lies.

    Raises InputError naming the file for: no such file, another format, cut short or damaged data,
    a wrong number of axes, voxels that are NaN or infinite, a header that does not fit the file's
    size (decompression bombs), a slope or spacing that cannot be. A file that does not say how it
    lies, and has none to lie like, is warned of and taken as nibabel takes it.
    """
    if _is_nifti(path):
        nifti, turn = _open(path)
        voxels, affine, spacing = nifti.channel(channel), nifti.affine, nifti.spacing_mm
    else:
        if channel is not None:
            raise InputError(
                f"channel {channel} of {path}",
                "a file of one channel",
                "the volume without a channel",
            )
        voxels, affine, spacing, placed = read_itk(path)
        turn = _turn(affine, placed)
    if (
        turn.orientation == "unknown"
        and like
        and (known := _turn_of(like))[1].orientation != "unknown"
    ):
        warnings.warn(
            f"{path} does not say how it lies: taken to lie as {like.name} does", stacklevel=2
        )
        affine, turn = known
    _warn_unknown(path, turn)
    canonical = turn(voxels)
    canonical.flags.writeable = False
    _finite(path, canonical)
    return Volume(
        canonical,
        turn.sorted(spacing),
        turn.orientation,
        path,
        turn.affine(affine, canonical.shape),
    )


def planes(volume: Volume) -> np.ndarray:
    """All axial slices as pictures [Z, H, W], a view: row 0 is anterior, column 0 the patient's
    right.
    """
    return volume.voxels.transpose(2, 1, 0)[:, ::-1, ::-1]


def same_grid(image: Volume, others: Iterable[Volume]) -> None:
    """Raises InputError naming both files where voxels of `others` are not where those of `image`
    are: by shape, size or place.
    """
    for other in others:
        if other.voxels.shape == image.voxels.shape and np.allclose(
            other.spacing_mm, image.spacing_mm, rtol=1e-3
        ):
            apart = _apart(image, other)
            if apart <= APART:
                continue
            found = (
                f"{other.path} lies {_place(other)}, {image.path} {_place(image)}: their corners"
                f" are up to {apart:.3g} voxels apart"
            )
        else:
            found = f"{other.path} has {_grid(other)}, {image.path} {_grid(image)}"
        raise InputError(
            f"{other.path.name} on the grid of {image.path.name}",
            found,
            "files of one case in one space: restore them, "
            "or, where a header alone is wrong, write the affine of the image into it",
        )


def _apart(image: Volume, other: Volume) -> float:
    """Voxels of the image by which corners of the two arrays miss each other at most; no voxel
    between them misses by more.
    """
    if np.array_equal(
        image.affine, other.affine, equal_nan=True
    ):  # affines of zeros or NaN, too: both say nothing
        return 0.0
    corners = np.array(
        [(*corner, 1) for corner in product(*((0, n - 1) for n in image.voxels.shape))]
    ).T
    try:
        return float(np.abs(np.linalg.solve(image.affine, other.affine @ corners) - corners).max())
    except np.linalg.LinAlgError:  # zeros
        return np.inf


def _grid(volume: Volume) -> str:
    return (
        f"{' x '.join(map(str, volume.voxels.shape))} voxels of"
        f" {' x '.join(f'{size:g}' for size in volume.spacing_mm)} mm"
    )


def _place(volume: Volume) -> str:
    """LPS, left lower back corner at (0, 1, 2) mm."""
    return (
        f"{volume.orientation}, from ({', '.join(f'{mm:g}' for mm in volume.affine[:3, 3])}) mm on"
    )


def as_labels(voxels: np.ndarray, what: str = "the labels") -> np.ndarray:
    """Whole numbers from labels that a file stores scaled or as floats (0.99999997 is 1): int32;
    integers stay as they are.

    Raises InputError naming `what` where a value is further than 0.001 from a whole number, as
    after linear resampling.
    """
    if voxels.dtype.kind in "iu":
        return voxels
    rounded: np.ndarray = np.rint(voxels)
    with np.errstate(invalid="ignore"):  # infinity less infinity
        good = (np.abs(voxels - rounded) <= WHOLE) & (np.abs(rounded) < 2**31)
    if not good.all():
        raise InputError(
            f"label numbers in {what}",
            f"{(~good).sum()} values that are none, such as {voxels[~good][0]:g}",
            "a segmentation in whole numbers (where it was resampled: by nearest neighbour)",
        )
    return rounded.astype(np.int32)


def _is_nifti(path: Path) -> bool:
    if not path.exists():
        raise InputError(f"the volume {path}", "no such file", "restore it, or mend what names it")
    if path.is_dir() or path.suffix.lower() in (".mha", ".dcm"):
        return False
    if not path.name.lower().endswith((".nii", ".nii.gz")):
        raise InputError(
            f"the volume {path}",
            "a file of another format",
            "a .nii, .nii.gz, .mha or .dcm file, or a folder of slices",
        )
    return True


def _open(path: Path) -> tuple[Nifti, Turn]:
    nifti = Nifti.open(path)
    return nifti, _turn(nifti.affine, nifti.placed)


def _turn_of(path: Path) -> tuple[np.ndarray, Turn]:
    """The affine of a file's own axes, and how they are turned."""
    if _is_nifti(path):
        nifti, turn = _open(path)
        return nifti.affine, turn
    _, affine, _, placed = read_itk_header(path)
    return affine, _turn(affine, placed)


def _warn_unknown(path: Path, turn: Turn) -> None:
    if turn.orientation == "unknown" and _is_nifti(
        path
    ):  # DICOM has none where it is a picture, a secondary capture
        warnings.warn(
            f"{path} does not say how it lies (no sform, no qform, or one of zeros): orientation"
            " unknown, sides may be swapped",
            stacklevel=3,
        )


def _turn(affine: np.ndarray, placed: bool) -> Turn:
    turn = _turn_by(affine.tobytes())
    return turn if placed else Turn(turn.axes, turn.flips)


@lru_cache(maxsize=64)  # files of one release lie alike, and this takes longer than a header
def _turn_by(affine: bytes) -> Turn:
    matrix = np.frombuffer(affine).reshape(4, 4)
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:3, :3])) < 1e-9:
        return Turn()
    orientation = nibabel.io_orientation(matrix)
    axes = tuple(int(np.flatnonzero(orientation[:, 0] == axis)[0]) for axis in range(3))
    return Turn(
        axes,
        tuple(bool(orientation[axis, 1] < 0) for axis in axes),
        "".join(nibabel.orientations.ornt2axcodes(orientation)),
    )


def _finite(path: Path, voxels: np.ndarray) -> None:
    if voxels.dtype.kind != "f":
        return
    # The extremes are NaN or infinite if any voxel is, and need no array of truths beside the
    # volume; forwards they take half the time.
    forwards = voxels[
        tuple(slice(None, None, -1 if stride < 0 else 1) for stride in voxels.strides)
    ]
    if np.isfinite(forwards.min()) and np.isfinite(forwards.max()):
        return
    bad = np.argwhere(~np.isfinite(voxels))
    raise InputError(
        f"the volume {path}",
        f"{len(bad)} voxels are NaN or infinite, the first at x, y, z = {tuple(map(int, bad[0]))}"
        " (counted from the left, back and bottom)",
        "mend the file, or take the case out of the data set",
    )

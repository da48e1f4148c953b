"""Volumes: every format and orientation reads as the same voxels, only what is needed is read, and
every lie of a file is named.
"""

from __future__ import annotations

import gzip
import struct
import tracemalloc
import warnings
from itertools import permutations, product
from pathlib import Path

import nibabel
import numpy as np
import pytest

from benchmark.errors import InputError
from benchmark.files import nifti as _nifti
from benchmark.files.volumes import (
    as_labels,
    planes,
    read_geometry,
    read_volume,
    same_grid,
)
from benchmark.images.steps import radiological

ORIENTATIONS = list(product(permutations(range(3)), product((1, -1), repeat=3)))
SPACING = (1.0, 2.0, 3.0)
DIM, PIXDIM, SLOPE, CODES, SFORM = 40, 76, 112, 252, 280  # bytes of the NIfTI-1 header


def canonical(dtype: type = np.int16) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 900, (4, 5, 6)).astype(dtype)


def write(
    path: Path,
    voxels: np.ndarray,
    affine: np.ndarray | None = None,
    kind=nibabel.Nifti1Image,
    **header,
) -> Path:
    image = kind(voxels, np.diag([*SPACING, 1]) if affine is None else affine)
    for name, value in header.items():
        getattr(image.header, f"set_{name}")(*value)
    nibabel.save(image, path)
    return path


def poke(path: Path, *changes: tuple[int, str, tuple]) -> Path:
    """Write numbers into the header: (byte, struct format, values)."""
    data = bytearray(
        gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    )
    for at, form, values in changes:
        struct.pack_into("<" + form, data, at, *values)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.fixture(params=[".nii", ".nii.gz"])
def path(tmp_path, request) -> Path:
    return tmp_path / f"case{request.param}"


@pytest.mark.parametrize(("order", "signs"), ORIENTATIONS)
def test_every_orientation_reads_as_the_same_voxels(order, signs, path) -> None:
    due = canonical()
    stored = due.transpose(order)[tuple(slice(None, None, sign) for sign in signs)]
    affine = np.zeros((4, 4))
    affine[order, range(3)] = np.array(signs) * np.array(SPACING)[list(order)]
    affine[3, 3] = 1
    write(path, stored, affine)
    volume = read_volume(path)
    assert np.array_equal(volume.voxels, due) and volume.voxels.dtype == np.int16
    assert (
        volume.spacing_mm == read_geometry(path).spacing_mm == SPACING
        and read_geometry(path).shape == due.shape
    )
    assert volume.orientation == "".join(nibabel.aff2axcodes(affine))
    assert np.allclose(volume.affine, nibabel.as_closest_canonical(nibabel.load(path)).affine)


def test_pictures_lie_as_a_radiologist_sees_them(path) -> None:
    volume = read_volume(write(path, canonical()))
    pictures = planes(volume)
    assert pictures.shape == (6, 5, 4) and np.shares_memory(pictures, volume.voxels)
    assert all(np.array_equal(pictures[z], radiological(canonical()[..., z])) for z in range(6))
    with pytest.raises(ValueError, match="read-only"):
        volume.voxels[0, 0, 0] = 1


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("dtype", ["u1", "<i2", ">i2", ">i4", "<f4", ">f4", ">f8", "<u2"])
def test_number_types_stay(dtype, kind, path) -> None:
    voxels = canonical().astype(dtype) // 4 if dtype == "u1" else canonical().astype(dtype)
    image = kind(voxels, np.eye(4), dtype=voxels.dtype)
    if dtype.startswith(">"):
        image = kind(voxels, np.eye(4), kind.header_class(endianness=">"), dtype=voxels.dtype)
    nibabel.save(image, path)
    if dtype.startswith(">") and path.suffix == ".nii":
        assert path.read_bytes()[:4] in (b"\0\0\1\x5c", b"\0\0\2\x1c")
    read = read_volume(path).voxels
    assert np.array_equal(read, voxels) and read.dtype == voxels.dtype.newbyteorder("=")


@pytest.mark.parametrize(
    ("dtype", "scaled"), [("i2", "f4"), ("u1", "f4"), ("i4", "f8"), ("f4", "f4")]
)
def test_slope_and_intercept(dtype, scaled, path) -> None:
    voxels = (canonical() // 4).astype(dtype)
    poke(write(path, voxels), (SLOPE, "ff", (0.25, -3)))
    assert (
        np.array_equal(read_volume(path).voxels, voxels * 0.25 - 3)
        and read_volume(path).voxels.dtype == scaled
    )
    assert np.array_equal(read_volume(path).voxels, nibabel.load(path).get_fdata())


@pytest.mark.parametrize("slope", [0.0, np.nan, 1.0])
def test_a_slope_of_zero_means_none(slope, path) -> None:
    """BraTS 2018's own segmentations have it; the format's definition says so, nibabel writes NaN
    for the same.
    """
    poke(write(path, canonical()), (SLOPE, "ff", (slope, 0)))
    assert (
        np.array_equal(read_volume(path).voxels, canonical())
        and read_volume(path).voxels.dtype == np.int16
    )


def test_a_brain_mask_of_brats_2015(path) -> None:
    """Its header: int32, slope 2**-32, intercept 0.5, so that 1 is stored as the largest int32."""
    mask = canonical() > 450
    stored = np.where(mask, 2**31 - 1, -(2**31)).astype(np.int32)
    poke(write(path, stored), (SLOPE, "ff", (2.3283064365386963e-10, 0.5)))
    voxels = read_volume(path).voxels
    assert not (voxels == 1).any() and voxels.max() > 0.999  # the trap
    assert np.array_equal(as_labels(voxels), mask) and as_labels(voxels).dtype == np.int32


def test_labels_that_are_none() -> None:
    whole = np.array([0, 1, 4], np.uint8)
    assert as_labels(whole) is whole
    assert as_labels(np.array([0.0009, 3.9995, -1])).tolist() == [0, 4, -1]
    for value in (0.5, 1.002, np.nan, np.inf, 3e9):
        with pytest.raises(InputError, match="seg.nii.*\n.*1 values that are none"):
            as_labels(np.array([0, 1, value]), "seg.nii")


def test_channels(path) -> None:
    voxels = np.stack([canonical() + k for k in range(3)], axis=-1)
    write(path, voxels[:, ::-1, ::-1], np.diag([1, -1, -1, 1]))
    assert read_geometry(path).channels == 3
    for k in range(3):
        assert np.array_equal(read_volume(path, k).voxels, voxels[..., k])
    for channel in (None, 3, -1):
        with pytest.raises(InputError, match="channel.* 0 to 2"):
            read_volume(path, channel)
    write(path, voxels[..., :1])  # a fourth axis of length 1 is a volume
    assert np.array_equal(read_volume(path).voxels, read_volume(path, 0).voxels)
    write(path, voxels[..., 0])
    with pytest.raises(InputError, match="channel 0 of .*\n.*\n.*4 axes"):
        read_volume(path, 0)


def test_unpacking_ends_with_the_channel(tmp_path, monkeypatch) -> None:
    rng = np.random.default_rng(0)
    voxels = rng.integers(0, 255, (64, 64, 32, 4)).astype(np.uint8)
    path = write(tmp_path / "case.nii.gz", voxels)
    path.write_bytes(
        path.read_bytes()[: path.stat().st_size * 5 // 8]
    )  # half way through the third channel
    assert np.array_equal(read_volume(path, 1).voxels, voxels[..., 1])
    with pytest.raises(InputError, match="cut short"):
        read_volume(path, 2)
    count = []
    monkeypatch.setattr(_nifti, "_fill", lambda file, into: count.append(into.size))
    read_volume(path, 1)
    assert count == [64 * 64 * 32]


def test_many_gzip_members(tmp_path) -> None:
    """As bgzip writes them."""
    raw = write(tmp_path / "case.nii", canonical()).read_bytes()
    path = tmp_path / "case.nii.gz"
    path.write_bytes(b"".join(gzip.compress(raw[at : at + 100]) for at in range(0, len(raw), 100)))
    assert np.array_equal(read_volume(path).voxels, canonical())


def test_compressed_or_not_is_read_from_the_file(tmp_path) -> None:
    path = write(tmp_path / "case.nii", canonical())
    path.write_bytes(gzip.compress(path.read_bytes()))
    assert np.array_equal(read_volume(path).voxels, canonical())
    write(path, canonical())
    assert np.array_equal(read_volume(path.rename(tmp_path / "case.nii.gz")).voxels, canonical())


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("dtype", ["i2", "f4"])
def test_memory_of_a_channel(dtype, scaled, path) -> None:
    voxels = np.zeros((128, 128, 64, 2), dtype)
    poke(write(path, voxels), *([(SLOPE, "ff", (0.5, 0))] if scaled else []))
    read_volume(path, 1)
    tracemalloc.start()
    volume = read_volume(path, 1)
    peak, size = tracemalloc.get_traced_memory()[1], voxels[..., 0].nbytes
    tracemalloc.stop()
    result = volume.voxels.nbytes if scaled else 0
    assert (
        peak < result + (size if path.suffix == ".gz" else 0) + 1.2e6
    )  # the channel once, and a few chunks


# --- what is wrong with a file
# --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ([(DIM, "5h", (2, 4, 30, 1, 1))], "its shape is"),
        ([(DIM, "6h", (5, 4, 5, 3, 2, 1))], "its shape is"),
        ([(DIM, "4h", (3, 4, 5, 0))], "its shape is"),
        ([(DIM, "4h", (3, 4, 5, 7))], "cut short"),
        ([(DIM, "4h", (3, 30000, 30000, 30000))], "header promises|cut short"),
        ([(PIXDIM, "4f", (1, 1, 0, 1))], "1 x 0 x 1 mm"),
        ([(PIXDIM, "4f", (1, 1, -2, 1))], "1 x -2 x 1 mm"),
        ([(PIXDIM, "4f", (1, np.nan, 1, 1))], "nan x 1 x 1 mm"),
        ([(SLOPE, "ff", (np.inf, 0))], "slope is inf"),
        ([(SLOPE, "ff", (2, np.nan))], "intercept nan"),
        ([(70, "hh", (128, 24))], "its voxels are"),  # RGB
        ([(70, "hh", (999, 16))], "no readable NIfTI"),
        ([(344, "4s", (b"none",))], "no NIfTI"),
        ([(108, "f", (0,))], "begin at byte 0, inside its header"),
    ],
)
def test_headers_that_lie(changes, found, path) -> None:
    poke(write(path, canonical()), *changes)
    with pytest.raises(InputError, match=rf"case\.nii(.|\n)*({found})"):
        read_volume(path)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_voxels_that_are_no_numbers(dtype, value, path) -> None:
    voxels = canonical(dtype)
    voxels[1, 2, 3] = voxels[3, 2, 3] = value
    write(path, voxels[::-1], np.diag([-1, 1, 1, 1]))
    with pytest.raises(
        InputError,
        match=r"case\.nii(.|\n)*2 voxels are NaN or infinite, the first at x, y, z = \(1, 2, 3\)",
    ):
        read_volume(path)


@pytest.mark.parametrize(
    "data", [b"", b"x", b"no NIfTI at all", b"\x1f\x8b", b"\x1f\x8b\x08no gzip either", b"a" * 1000]
)
def test_files_that_are_no_nifti(data, path) -> None:
    path.write_bytes(data)
    for read in (read_volume, read_geometry):
        with pytest.raises(InputError, match=r"case\.nii"):
            read(path)


def test_names_that_cannot_be_read(tmp_path, path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_volume(path)
    (tmp_path / "case.npy").write_bytes(b"")
    with pytest.raises(InputError, match="another format"):
        read_volume(tmp_path / "case.npy")


def test_a_file_cut_short_or_damaged(path) -> None:
    whole = write(path, np.random.default_rng(0).normal(size=(20, 20, 20))).read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(InputError, match="cut short"):
        read_volume(path)
    if path.suffix == ".gz":
        path.write_bytes(whole[:-5] + bytes(5))  # checksum and length
        with pytest.raises(InputError, match="damaged"):
            read_volume(path)


def test_a_file_cut_short_behind_the_channel(tmp_path) -> None:
    voxels = np.stack([canonical()] * 3, axis=-1)
    path = write(tmp_path / "case.nii", voxels)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match="cut short: 1,071 bytes of 1,072"):
        read_volume(path, 1)


def test_a_qfac_of_zero_is_one(path) -> None:
    """So the format says; nibabel's qform alone would refuse it."""
    poke(write(path, canonical()), (PIXDIM, "f", (0,)), (CODES, "hh", (1, 0)))
    assert (
        np.array_equal(read_volume(path).voxels, canonical())
        and read_volume(path).orientation == "RAS"
    )


def test_a_decompression_bomb_is_refused(tmp_path) -> None:
    path = write(tmp_path / "case.nii.gz", canonical())
    small = path.stat().st_size
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()) + bytes(200 << 20), 1))
    assert path.stat().st_size > small
    tracemalloc.start()
    with pytest.raises(InputError, match="unpacks to more than the"):
        read_volume(path)
    assert tracemalloc.get_traced_memory()[1] < 4e6
    tracemalloc.stop()
    plain = write(tmp_path / "case.nii", canonical())
    plain.write_bytes(plain.read_bytes() + bytes(2 << 20))
    with pytest.raises(InputError, match="where its header has"):
        read_volume(plain)


@pytest.mark.parametrize(
    "changes",
    [
        [(CODES, "hh", (0, 0))],
        [(CODES, "hh", (0, 1)), (SFORM, "12f", (0,) * 12)],
        [(CODES, "hh", (0, 1)), (SFORM, "12f", (np.nan,) * 12)],
    ],
)
def test_unknown_orientation_is_warned_of(changes, path) -> None:
    poke(write(path, canonical()), *changes)
    with pytest.warns(UserWarning, match=r"case\.nii.*orientation unknown"):
        volume = read_volume(path)
    assert volume.orientation == "unknown" and volume.voxels.shape == (4, 5, 6)
    same_grid(volume, [volume])  # both say nothing
    if len(changes) == 1:
        due = nibabel.as_closest_canonical(nibabel.load(path))
        assert np.array_equal(volume.voxels, due.dataobj)
    else:
        assert np.array_equal(volume.voxels, canonical())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_volume(write(path, canonical()))

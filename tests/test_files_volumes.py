"""Volumes: every format and orientation reads as the same voxels, only what is needed is read, and
every lie of a file is named.
"""

from __future__ import annotations

import gzip
import locale
import struct
import sys
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


OBLIQUE = np.array(
    [[0.96, -0.2, 0.1, -40], [0.25, 1.9, 0.3, 12], [-0.1, -0.4, 2.9, 7], [0, 0, 0, 1]]
)


def lies(folder: Path, affine: np.ndarray, name: str = "seg.nii") -> None:
    """Whether labels with this affine are taken to lie as an oblique image does; raises InputError
    where not.
    """
    image = read_volume(write(folder / "flair.nii", canonical(), OBLIQUE))
    same_grid(image, [image, read_volume(write(folder / name, canonical(), affine))])


def test_grids_that_are_the_same(tmp_path) -> None:
    rounded = OBLIQUE.copy()
    rounded[:3, :3] += 4e-4
    moved = OBLIQUE.copy()
    moved[:3, 3] += 0.2 * OBLIQUE[:3, 0]
    for affine in (OBLIQUE, rounded, moved, OBLIQUE.astype(np.float32)):
        lies(tmp_path, affine)
    stored = canonical()[::-1].transpose(2, 0, 1)  # the same voxels in another order
    image = nibabel.Nifti1Image(canonical(), OBLIQUE)
    turned = image.as_reoriented(np.array([[1, -1], [2, 1], [0, 1]]))
    assert np.array_equal(turned.dataobj, stored)
    nibabel.save(turned, tmp_path / "turned.nii")
    same_grid(read_volume(tmp_path / "flair.nii"), [read_volume(tmp_path / "turned.nii")])


@pytest.mark.parametrize("wrong", ["mirrored", "eye", "shifted", "turned", "zoomed"])
def test_grids_that_are_not(wrong, tmp_path) -> None:
    affine = OBLIQUE.copy()
    if wrong == "mirrored":
        affine[:3, 0] *= -1
    elif wrong == "eye":
        affine = np.eye(4)
    elif wrong == "shifted":
        affine[:3, 3] += 0.5 * OBLIQUE[:3, 2]
    elif wrong == "turned":  # by 6 degrees: two voxels agree, the farthest corner does not
        c, s = np.cos(0.1), np.sin(0.1)
        affine[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ OBLIQUE[:3, :3]
    elif wrong == "zoomed":
        affine[:3, 1] *= 1.2
    with pytest.raises(InputError) as error:
        lies(tmp_path, affine)
    assert (
        str(tmp_path / "seg.nii") in error.value.found
        and str(tmp_path / "flair.nii") in error.value.found
    )
    assert ("voxels of" if wrong in ("eye", "zoomed") else "voxels apart") in error.value.found


def test_labels_that_do_not_say_how_they_lie_lie_as_their_image(tmp_path, path) -> None:
    """The image is stored to the back, down and left; nibabel would take such labels to lie left,
    front and up.
    """
    affine = np.array([[0, 0, -3.0, 9], [-1, 0, 0, 8], [0, -2, 0, 7], [0, 0, 0, 1]])
    image = read_volume(write(tmp_path / "image.nii", canonical(), affine))
    poke(write(path, canonical(), affine), (CODES, "hh", (0, 0)))
    with pytest.warns(
        UserWarning, match=r"case\.nii.* does not say how it lies: taken to lie as image.nii does"
    ) as told:
        labels = read_volume(path, like=image.path)
    assert (
        len(told) == 1
        and np.array_equal(labels.voxels, image.voxels)
        and labels.orientation == image.orientation == "PIL"
    )
    same_grid(image, [labels])
    with (
        pytest.warns(UserWarning, match="sides may be swapped"),
        pytest.raises(InputError, match="unknown, from"),
    ):
        poke(write(path, canonical()[:, :, :4], np.diag([1, 1, 1, 1])), (CODES, "hh", (0, 0)))
        same_grid(
            read_volume(write(tmp_path / "b.nii", canonical()[:, :, :4], np.eye(4))),
            [read_volume(path)],
        )
    with pytest.warns(UserWarning, match="sides may be swapped"):  # nor does the image
        assert read_volume(path, like=path).orientation == "unknown"


# --- MetaImage and DICOM
# --------------------------------------------------------------------------------------------


@pytest.fixture
def sitk():
    spoken = locale.setlocale(locale.LC_ALL)
    yield pytest.importorskip("SimpleITK", reason="pip install SimpleITK: it reads .mha and DICOM")
    locale.setlocale(locale.LC_ALL, spoken)  # its DICOM writer leaves the process in the locale C


def itk_image(sitk, voxels: np.ndarray):
    """Canonical voxels as ITK has them: to the left, posterior and up."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(voxels[::-1, ::-1].T))
    image.SetSpacing(SPACING)
    return image


@pytest.mark.parametrize("compressed", [True, False])
@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.uint8])
def test_metaimage_reads_as_nifti(dtype, compressed, sitk, tmp_path) -> None:
    image = itk_image(sitk, canonical(dtype))
    turned = sitk.DICOMOrient(image, "PSR")
    for name, stored in (("a", image), ("b", turned)):
        sitk.WriteImage(stored, tmp_path / f"{name}.mha", compressed)
        sitk.WriteImage(stored, tmp_path / f"{name}.nii")
        mha, nii = read_volume(tmp_path / f"{name}.mha"), read_volume(tmp_path / f"{name}.nii")
        assert np.array_equal(mha.voxels, canonical(dtype)) and np.array_equal(
            nii.voxels, mha.voxels
        )
        assert mha.voxels.dtype == dtype and mha.spacing_mm == nii.spacing_mm == SPACING
        assert mha.orientation == nii.orientation == {"a": "LPS", "b": "PSR"}[name]
    assert read_geometry(tmp_path / "b.mha").shape == (4, 5, 6)


def test_metaimages_that_are_wrong(sitk, tmp_path) -> None:
    path = tmp_path / "case.mha"
    image = itk_image(sitk, canonical())
    sitk.WriteImage(image, path, True)
    with pytest.raises(InputError, match="channel 0"):
        read_volume(path, 0)
    whole = path.read_bytes()
    for data, found in (
        (whole[:-20], "cut short"),
        (b"", "another format"),
        (b"NDims = 3\n" * 9, "another format"),
        (
            whole.replace(b"DimSize = 4 5 6", b"DimSize = 400 500 600"),
            "header promises 120,000,000 voxels",
        ),
    ):
        path.write_bytes(data)
        with pytest.raises(InputError, match=rf"case\.mha(.|\n)*{found}"):
            read_volume(path)
    sitk.WriteImage(sitk.Compose(image, image), path)
    with pytest.raises(InputError, match="2 values a voxel"):
        read_volume(path)
    voxels = canonical(np.float32)
    voxels[0, 0, 0] = np.nan
    sitk.WriteImage(itk_image(sitk, voxels), path)
    with pytest.raises(InputError, match="1 voxels are NaN"):
        read_volume(path)


def dicom(
    sitk,
    folder: Path,
    places: list[int],
    series: str = "1.2.3.4",
    rescale: tuple[str, str] = ("1", "0"),
) -> Path:
    """Slices of the canonical volume, 3 mm apart, under names in an order of their own."""
    folder.mkdir(exist_ok=True)
    stored, spoken = canonical()[::-1, ::-1], locale.setlocale(locale.LC_ALL)
    for name, z in zip(np.random.default_rng(1).permutation(100), places, strict=False):
        image = sitk.GetImageFromArray(np.ascontiguousarray(stored[:, :, z].T[None]))
        # The writer gives MR no rescaling and, as a secondary capture instead, no position.
        modality = "MR" if rescale == ("1", "0") else "CT"
        for key, value in {
            "0008|0060": modality,
            "0020|000d": "1.2.3",
            "0020|000e": series,
            "0020|0013": str(name),
            "0028|1053": rescale[0],
            "0028|1052": rescale[1],
            "0020|0032": f"0\\0\\{3 * z}",
            "0020|0037": "1\\0\\0\\0\\1\\0",
        }.items():
            image.SetMetaData(key, value)
        image.SetSpacing(SPACING)
        writer = sitk.ImageFileWriter()
        writer.KeepOriginalImageUIDOn()
        writer.SetFileName(str(folder / f"{series}-{name}.dcm"))
        writer.Execute(image)
    locale.setlocale(locale.LC_ALL, spoken)  # GDCM's writer leaves the process in the locale C
    return folder


def test_a_dicom_series_lies_by_position_not_by_name(sitk, tmp_path) -> None:
    before = locale.setlocale(locale.LC_ALL)
    folder = dicom(sitk, tmp_path / "series", [3, 0, 5, 1, 4, 2])
    (folder / "README.txt").write_text("no slice")
    volume = read_volume(folder)
    assert np.array_equal(volume.voxels, canonical()) and volume.voxels.dtype == np.int16
    assert volume.spacing_mm == SPACING and volume.orientation == "LPS" and volume.path == folder
    assert locale.setlocale(locale.LC_ALL) == before


def test_a_dicom_series_is_rescaled(sitk, tmp_path) -> None:
    folder = dicom(sitk, tmp_path / "series", list(range(6)), rescale=("3", "-1000"))
    voxels = read_volume(folder).voxels  # the writer stores (value + 1000) / 3 in whole numbers
    assert np.abs(voxels - canonical()).max() <= 2 and set(np.unique((voxels + 1000) % 3)) == {0}


def test_dicom_series_that_are_wrong(sitk, tmp_path, capfd) -> None:
    def found(folder: Path) -> str:
        with pytest.raises(InputError) as error:
            read_volume(folder)
        return str(error.value)

    (tmp_path / "empty").mkdir()
    assert "0 series" in found(tmp_path / "empty")
    assert "3 to 6 mm apart" in found(dicom(sitk, tmp_path / "gap", [0, 1, 2, 4, 5]))
    two = dicom(sitk, tmp_path / "two", [0, 1, 2])
    assert "2 series: 1.2.3.4, 1.2.3.5" in found(dicom(sitk, two, [0, 1, 2], "1.2.3.5"))
    broken = dicom(sitk, tmp_path / "broken", [0, 1, 2])
    for at in (-30, 200):  # in its voxels, in its header
        last = broken / "1.2.3.4-16.dcm"
        last.write_bytes(last.read_bytes()[:at])
        assert f"1 slices are cut short or damaged: {last.name}" in found(broken)
    assert "WARNING" not in capfd.readouterr().err


def test_without_simpleitk_it_says_what_to_type(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "SimpleITK", None)
    (tmp_path / "case.mha").write_bytes(b"")
    with pytest.raises(InputError, match=r"pip install 'sinco-bench\[volumes\]'"):
        read_volume(tmp_path / "case.mha")


def test_what_itk_reads_has_its_place(sitk, tmp_path) -> None:
    image = itk_image(sitk, canonical())
    image.SetOrigin((10.0, 20.0, 30.0))
    for name, stored in (("a", image), ("b", sitk.DICOMOrient(image, "PSR"))):
        sitk.WriteImage(stored, tmp_path / f"{name}.mha")
        sitk.WriteImage(stored, tmp_path / f"{name}.nii")
        mha, nii = read_volume(tmp_path / f"{name}.mha"), read_volume(tmp_path / f"{name}.nii")
        same_grid(mha, [nii])
        assert np.allclose(mha.affine, nii.affine) and np.allclose(
            mha.affine[:3, 3], (-10 - 3, -20 - 4 * 2, 30)
        )
        geometry = read_geometry(tmp_path / f"{name}.mha")
        assert (geometry.shape, geometry.spacing_mm, geometry.orientation) == (
            mha.voxels.shape,
            mha.spacing_mm,
            mha.orientation,
        )
    image.SetOrigin((10.0, 22.0, 30.0))
    sitk.WriteImage(image, tmp_path / "c.mha")
    with pytest.raises(InputError, match="up to 1 voxels apart"):
        same_grid(mha, [read_volume(tmp_path / "c.mha")])


def test_the_geometry_of_a_file_needs_no_voxels(sitk, tmp_path) -> None:
    sitk.WriteImage(itk_image(sitk, canonical()), tmp_path / "case.mha")
    (tmp_path / "case.mha").write_bytes((tmp_path / "case.mha").read_bytes()[:-20])
    assert read_geometry(tmp_path / "case.mha").shape == (4, 5, 6)
    with pytest.raises(InputError, match="cut short"):
        read_volume(tmp_path / "case.mha")


def test_a_dicom_picture_without_a_place_lies_as_its_image(sitk, tmp_path) -> None:
    """The mask is a secondary capture, which has no orientation; the image runs to the right and to
    the front.
    """
    plane = canonical()[:, :, :1]
    image = sitk.GetImageFromArray(np.ascontiguousarray(plane.T))
    sitk.WriteImage(
        image, tmp_path / "mask.dcm"
    )  # the writer keeps the tag of the file before, if that had one
    (tmp_path / "mask.dcm").write_bytes(
        (tmp_path / "mask.dcm").read_bytes().replace(b"\x20\0\x37\0", b"\x20\0\x39\0")
    )
    for tag, value in {
        "0008|0060": "MR",
        "0020|0032": "0\\0\\0",
        "0020|0037": "-1\\0\\0\\0\\-1\\0",
    }.items():
        image.SetMetaData(tag, value)
    sitk.WriteImage(image, tmp_path / "image.dcm")
    first = read_volume(tmp_path / "image.dcm")
    assert np.array_equal(first.voxels, plane) and first.orientation == "RAS"
    with pytest.warns(
        UserWarning, match="mask.dcm does not say how it lies: taken to lie as image.dcm does"
    ):
        mask = read_volume(tmp_path / "mask.dcm", like=first.path)
    assert np.array_equal(mask.voxels, plane)
    same_grid(first, [mask])

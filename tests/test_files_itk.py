"""MetaImage and DICOM: the same voxels as NIfTI, slices by their place, every lie named."""

from __future__ import annotations

import locale
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmark.errors import InputError
from benchmark.files.volumes import read_geometry, read_volume, same_grid
from tests.test_files_volumes import SPACING, canonical


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

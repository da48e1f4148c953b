"""MetaImage files (.mha) and DICOM series (a folder of slices), read by SimpleITK, which is
imported only here.
"""

from __future__ import annotations

import locale
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.errors import InputError

POSITION, ORIENTATION = "0020|0032", "0020|0037"  # ImagePositionPatient, ImageOrientationPatient
# of the distance of slices: positions in headers are rounded, a missing slice doubles the distance
UNEVEN = 0.1
DEFLATE_MOST = 1032  # bytes that one byte of deflate can become


Spacing = tuple[float, float, float]


def read_itk(path: Path) -> tuple[np.ndarray, np.ndarray, Spacing, bool]:
    """Voxels [i, j, k] in the file's own order, the affine to right-anterior-superior mm, the
    spacing in mm, and whether the file says how it lies (DICOM pictures need not).
    """
    with _quiet(path) as sitk:
        image = _series(sitk, path) if path.is_dir() else _header(sitk, path).Execute()
        return sitk.GetArrayFromImage(image).T, *_geometry(path, image)[1:]


def read_itk_header(path: Path) -> tuple[tuple[int, int, int], np.ndarray, Spacing, bool]:
    """The shape, and all but the voxels as `read_itk` has it: of a file from its header, of a
    series from all its slices.
    """
    with _quiet(path) as sitk:
        return _geometry(path, _series(sitk, path) if path.is_dir() else _header(sitk, path))


@contextmanager
def _quiet(path: Path) -> Iterator[Any]:
    """SimpleITK, whose errors become InputErrors that name the file."""
    try:
        import SimpleITK as sitk
    except ImportError:
        raise InputError(
            f"the volume {path}",
            "SimpleITK, which reads .mha and DICOM, is not installed",
            "pip install 'sinco-bench[volumes]'",
        ) from None
    warned, spoken = sitk.ProcessObject.GetGlobalWarningDisplay(), locale.setlocale(locale.LC_ALL)
    sitk.ProcessObject.GlobalWarningDisplayOff()  # what it warns of is an error below
    try:
        yield sitk
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise InputError(
            f"the volume {path}",
            f"cut short, damaged or of another format ({reason})",
            "fetch the file again, or take it out of the data set",
        ) from None
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(warned)
        locale.setlocale(
            locale.LC_ALL, spoken
        )  # GDCM may leave the process in the locale C, where Python writes ASCII


def _geometry(path: Path, image: Any) -> tuple[tuple[int, int, int], np.ndarray, Spacing, bool]:
    """Of an image, or of a reader that has read its header."""
    components = (
        getattr(image, "GetNumberOfComponentsPerPixel", None) or image.GetNumberOfComponents
    )
    if image.GetDimension() != 3 or components() != 1:
        raise InputError(
            f"the volume {path}",
            f"its shape is {image.GetSize()} with {components()} values a voxel",
            "volumes have 3 axes and one value a voxel",
        )
    spacing = image.GetSpacing()
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * spacing
    affine[:3, 3] = image.GetOrigin()
    affine[:2] *= -1  # ITK's axes run to left and posterior
    return (
        image.GetSize(),
        affine,
        spacing,
        path.is_dir() or path.suffix.lower() != ".dcm" or image.HasMetaDataKey(ORIENTATION),
    )


def _header(sitk: Any, path: Path) -> Any:
    """A reader that has read the header, and believes it."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    due, size = math.prod(reader.GetSize()), path.stat().st_size
    if due > DEFLATE_MOST * size:
        raise InputError(
            f"the volume {path}",
            f"its header promises {due:,} voxels, more than {size:,} bytes can hold",
            "fetch the file again, or take it out of the data set",
        )
    return reader


def _series(sitk: Any, folder: Path) -> Any:
    """The one series of a folder, slices in the order of their positions, rescaled."""
    series = sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder))
    if len(series) != 1:
        raise InputError(
            f"the DICOM series {folder}",
            f"the folder holds {len(series)} series{': ' if series else ''}{', '.join(series)}",
            "a folder with the slices of one series in it",
        )
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), series[0])
    # GDCM passes over a slice that is cut short, which would make the volume a slice lower.
    if passed := sorted(set(_dicoms(folder)) - {Path(name).name for name in names}):
        raise InputError(
            f"the DICOM series {folder}",
            f"{len(passed)} slices are cut short or damaged: {', '.join(passed[:3])}",
            "fetch them again, or take the case out of the data set",
        )
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(names)
    reader.MetaDataDictionaryArrayUpdateOn()
    image = reader.Execute()
    places = [
        [float(mm) for mm in reader.GetMetaData(k, POSITION).split("\\")]
        for k in range(image.GetDepth())
    ]
    steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
    if len(steps) and steps.max() - steps.min() > UNEVEN * np.median(steps):
        raise InputError(
            f"the DICOM series {folder}",
            f"its slices lie {steps.min():g} to {steps.max():g} mm apart: missing, or double",
            "all slices of the series, each once",
        )
    return image


def _dicoms(folder: Path) -> Iterator[str]:
    """Names of the files that say they are DICOM (`DICM` after a preamble of 128 bytes), slices or
    not.
    """
    for path in folder.iterdir():
        if path.is_file() and path.name != "DICOMDIR":
            with path.open("rb") as file:
                if file.read(132)[128:] == b"DICM":
                    yield path.name

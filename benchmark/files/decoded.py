"""Writes a decoded image as a file that other programs read: PNG, NPY, TIFF or NIfTI."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from benchmark.errors import InputError
from benchmark.files.writing import replacing
from benchmark.types import planes

FORMATS = (".png", ".npy", ".tif", ".tiff", ".nii", ".nii.gz")


def format_of(path: Path) -> str:
    """The suffix that names a file's format: one of FORMATS, or another one."""
    return ".nii.gz" if path.name.lower().endswith(".nii.gz") else path.suffix.lower()


def write_image(path: Path, image: np.ndarray, bits: int = 8, depth: int = 1) -> None:
    """Write an image, whole or not at all.

    image: float32 [depth * H, W, C]; a PNG takes values in [0, 1]. bits: 8 or 16 a channel of a
    PNG. depth: planes of a volume, which lie one below the other in a PNG. Raises InputError where
    the format cannot hold the channels.
    """
    channels = image.shape[2]
    shaped = image if depth == 1 else planes(image, depth)
    kind = format_of(path)
    if kind == ".png" and channels not in (1, 3):
        raise InputError(
            f"-o {path}", f"a PNG has 1 or 3 channels, this image {channels}", "-o image.npy"
        )
    with replacing(path) as beside:
        if kind == ".npy":
            np.save(beside, shaped)
        elif kind == ".png":
            _write_png(beside, image, bits)
        elif kind in (".nii", ".nii.gz"):
            _write_nifti(beside, planes(image, depth))
        else:
            _write_tiff(beside, shaped)


def _write_png(path: Path, image: np.ndarray, bits: int) -> None:
    import imagecodecs

    values = np.rint(image * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)
    path.write_bytes(imagecodecs.png_encode(values if image.shape[2] == 3 else values[..., 0]))


def _write_nifti(path: Path, volume: np.ndarray) -> None:
    """volume: [D, H, W, C]. Row 0 is anterior and column 0 the patient's right; a compressed file
    knows no spacing, so a voxel is 1 mm.
    """
    import nibabel

    voxels = volume.transpose(2, 1, 0, 3)
    if voxels.shape[3] == 1:
        voxels = voxels[..., 0]
    nibabel.save(nibabel.Nifti1Image(voxels, np.diag([-1.0, -1.0, 1.0, 1.0])), path)


def _write_tiff(path: Path, shaped: np.ndarray) -> None:
    import tifffile

    color = shaped.shape[-1] == 3
    tifffile.imwrite(
        path,
        shaped if color else np.moveaxis(shaped, -1, -3),
        photometric="rgb" if color else "minisblack",
    )

"""Small volumes written as releases have them: left-posterior-superior, of pictures [Z, H, W]."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import nibabel
import numpy as np

SLOPE = 112  # the byte of a NIfTI-1 header at which slope and intercept lie


def save_volume(
    path: Path, pictures: np.ndarray, spacing_mm: tuple[float, float, float] = (1, 1, 1)
) -> Path:
    """Write pictures [Z, H, W] (row 0 anterior, column 0 the patient's right); spacing_mm: (plane,
    row, column).
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    voxels = np.ascontiguousarray(
        pictures.transpose(2, 1, 0)
    )  # x to the left, y to the back: how LPS files lie
    if path.suffix == ".mha":
        import SimpleITK as sitk

        image = sitk.GetImageFromArray(np.ascontiguousarray(pictures))
        image.SetSpacing([float(size) for size in spacing_mm[::-1]])
        sitk.WriteImage(image, str(path), True)
    else:
        nibabel.save(
            nibabel.Nifti1Image(
                voxels, np.diag([-spacing_mm[2], -spacing_mm[1], spacing_mm[0], 1])
            ),
            path,
        )
    return path


def save_scaled_mask(path: Path, pictures: np.ndarray) -> Path:
    """A mask as BRATS 2015's copy by DeepMedic has it: int32 with slope 2**-32 and intercept 0.5,
    so that 1 reads as 0.99999997.
    """
    whole = path.with_name("whole.nii")
    save_volume(whole, np.where(pictures, 2**31 - 1, -(2**31)).astype(np.int32))
    content = bytearray(whole.read_bytes())
    struct.pack_into("ff", content, SLOPE, 2.3283064365386963e-10, 0.5)
    path.write_bytes(gzip.compress(bytes(content), 1))
    whole.unlink()
    return path

"""The MNI152 tissue maps that ship with nilearn, loaded once a process."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nibabel
import numpy as np
from scipy import ndimage

from benchmark.plugins import InputError

CENTER = (
    98.0,
    117.0,
    88.0,
)  # the middle of the brain, in voxels of 1 mm; axes point right, anterior, superior


@dataclass(frozen=True)
class Atlas:
    """Maps in [0, 1], float32 [x, y, z] at 1 mm; `ventricle` is smoothed and at 2 mm."""

    gray: np.ndarray
    white: np.ndarray
    brain: np.ndarray
    ventricle: np.ndarray

    def at(self, name: str, points: np.ndarray) -> np.ndarray:
        """A map at `points` [3, ...], in voxels of 1 mm; linear between voxels, 0 outside."""
        places = points / 2 if name == "ventricle" else points
        values: np.ndarray = ndimage.map_coordinates(getattr(self, name), places, order=1)
        return values


def folder() -> Path:
    """nilearn's data folder, found without importing nilearn (which takes seconds)."""
    spec = importlib.util.find_spec("nilearn")
    if spec is None or not spec.submodule_search_locations:
        raise InputError(
            "the MNI152 maps of mni-lesion", "nilearn is not installed", "pip install nilearn"
        )
    return Path(spec.submodule_search_locations[0]) / "datasets" / "data"


@cache
def atlas() -> Atlas:
    """Read the maps (ICBM 2009a nonlinear symmetric); raises InputError where nilearn's wheel does
    not carry them.
    """
    maps = {}
    for name in ("t1", "gm", "wm"):
        path = folder() / f"mni_icbm152_{name}_tal_nlin_sym_09a_converted.nii.gz"
        try:
            image = nibabel.load(path)
            assert isinstance(image, nibabel.Nifti1Image)  # what nilearn's wheel carries
            maps[name] = np.asarray(image.dataobj, np.float32) / 255
        except (OSError, nibabel.filebasedimages.ImageFileError) as error:
            raise InputError(
                f"the MNI152 map {path}", str(error), "pip install --force-reinstall nilearn"
            ) from None
    brain = (maps["t1"] > 0).astype(np.float32)
    # Ventricles: fluid more than 22 mm below the surface. Half the resolution is enough, and 8
    # times as fast.
    half = brain[::2, ::2, ::2] > 0
    fluid = (1 - maps["gm"] - maps["wm"])[::2, ::2, ::2] > 0.5
    deep = ndimage.distance_transform_edt(half, sampling=2) > 22
    ventricle = ndimage.gaussian_filter((fluid & deep).astype(np.float32), 2.5)
    return Atlas(maps["gm"], maps["wm"], ndimage.gaussian_filter(brain, 0.7), ventricle)

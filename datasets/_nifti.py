"""One axial slice of a NIfTI file in canonical orientation, without loading the volume where the file allows it."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from benchmark.plugins import InputError


class Volume:
    """One channel of a 3-D or 4-D NIfTI file, seen as canonical (right, anterior, superior) axial planes.

    `plane(z)` reads only that plane's bytes from an uncompressed .nii. A .nii.gz must be unpacked up to the plane, so
    the channel is unpacked once and kept with this object. Raises InputError naming a file that is no NIfTI.
    """

    def __init__(self, path: Path, channel: int | None = None) -> None:
        self.path, self.channel = path, channel
        try:
            self._image: Any = nibabel.load(path)
            self._orientation = nibabel.io_orientation(self._image.affine)
            zooms = np.asarray(self._image.header.get_zooms()[:3], float)
        except FileNotFoundError:
            raise InputError(f"the volume {path}", "no such file", "restore it, or mend dataset.json") from None
        except Exception as error:  # a broken header raises whatever nibabel happens to meet
            raise self._broken(error) from None
        if len(self._image.shape) != (3 if channel is None else 4):
            raise InputError(f"the volume {path}", f"its shape is {self._image.shape}",
                             "a label volume has 3 axes, an image volume 4 (the last counts the channels)")
        axis = [int(np.flatnonzero(self._orientation[:, 0] == k)[0]) for k in range(3)]
        self.shape = tuple(int(self._image.shape[a]) for a in axis)  # canonical
        self.zooms_mm = tuple(float(zooms[a]) for a in axis)
        self._axis, self._flip = axis, [self._orientation[a, 1] < 0 for a in axis]
        self.axial_axis, self.upside_down = axis[2], self._flip[2]  # of the file's own order
        self._kept: np.ndarray | None = None

    def plane(self, z: int) -> np.ndarray:
        """Axial plane z (0 is the lowest), float32 [x to the right, y to the front]."""
        depth = self.shape[2]
        if not 0 <= z < depth:
            raise InputError(f"slice {z} of {self.path}", f"it has slices 0 to {depth - 1}", "another slice")
        at: list[Any] = [slice(None)] * 3
        at[self._axis[2]] = depth - 1 - z if self._flip[2] else z
        plane = self._read(tuple(at)) if self.path.suffix == ".nii" else self.voxels()[tuple(at)]
        if self._axis[0] > self._axis[1]:
            plane = plane.T
        return plane[:: -1 if self._flip[0] else 1, :: -1 if self._flip[1] else 1]

    def voxels(self) -> np.ndarray:
        """All voxels of the channel, float32, in the file's own order; raises InputError where one is not finite."""
        if self._kept is not None:
            return self._kept
        voxels = self._read((slice(None),) * 3)
        if not np.isfinite(voxels).all():
            bad = np.argwhere(~np.isfinite(voxels))
            where = tuple(map(int, bad[0])) + (() if self.channel is None else (self.channel,))
            raise InputError(f"the volume {self.path}", f"{len(bad)} voxels are NaN or infinite, the first at {where}",
                             "mend the file, or take the case out of dataset.json")
        if self.path.suffix != ".nii":
            self._kept = voxels
        return voxels

    def _read(self, at: tuple[Any, ...]) -> np.ndarray:
        try:
            where = at if self.channel is None else (*at, self.channel)
            return np.asarray(self._image.dataobj[where], np.float32)
        except Exception as error:  # truncated or damaged data: zlib.error, OSError, ValueError, EOFError ...
            raise self._broken(error) from None

    def _broken(self, error: Exception) -> InputError:
        return InputError(f"the volume {self.path}", f"no readable NIfTI ({type(error).__name__}: {error})",
                          "fetch the file again, or take it out of dataset.json")


@lru_cache(maxsize=4)
def volume(path: Path, channel: int | None = None) -> Volume:
    """A volume that was opened lately: slices of one case come one after another."""
    return Volume(path, channel)

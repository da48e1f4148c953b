"""Skull-stripped scans as files that the data set `folder` reads: images, masks of lesions, and
brains, each a NIfTI a case.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.errors import InputError, field
from benchmark.files.writing import whole
from benchmark.images.scan import Scan

PARTS = ("brains", "masks", "images")  # written in this order: a case whose image is there is whole
NOTE = "strip.json"
HELD = ("u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8")  # number types that NIfTI readers agree on


def open_folder(out: Path, made: Mapping[str, Any]) -> None:
    """Make the folder, or go on in one that was made alike; raises InputError where it is
    another's.

    made: what all of its cases are made by, as JSON holds it.
    """
    note = out / NOTE
    if note.is_file():
        try:
            before = json.loads(note.read_text(encoding="utf-8"))
        except ValueError:
            before = {}
        if before != made:
            other = []
            for name, now in made.items():
                if before.get(name) != now:
                    other.append(f"{name} {before.get(name)}, now {now}")
            raise InputError(
                field("out", out),
                f"its cases were stripped otherwise: {'; '.join(other)}",
                f"another {field('out')}",
            )
    elif out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(
            field("out", out),
            "it is there, and not what `data strip` wrote",
            f"{field('out')} with a new folder",
        )
    for part in PARTS:
        (out / part).mkdir(parents=True, exist_ok=True)
    whole(note, (json.dumps(made, indent=1) + "\n").encode())


def file_of(out: Path, part: str, name: str) -> Path:
    return out / part / f"{name}.nii.gz"


def is_written(out: Path, name: str) -> bool:
    """Whether a case is there whole; one without a mask where no other has one either."""
    masks = any((out / "masks").glob("*.nii.gz"))
    parts = PARTS if masks else ("brains", "images")
    return all(file_of(out, part, name).is_file() for part in parts)


def write_stripped(scan: Scan, brain: np.ndarray, out: Path, name: str) -> None:
    """Write one case: intensities as they are inside the brain [Z, H, W], each channel's background
    outside.

    Planes lie at their numbers, and those that the scan has not are background: a slice keeps its
    number. Several channels become one 4-D file. Place and orientation are not kept, spacing is. Of
    lesions all that count are 1; without labels no mask is written.
    """
    channels = []
    background = []
    for channel, voxels in scan.channels.items():
        dark = outside(scan, channel)
        background.append(dark)
        channels.append(np.where(brain, voxels, np.asarray(dark, voxels.dtype)))
    several = len(channels) > 1
    image = np.stack(channels, -1) if several else channels[0]
    empty = np.array(background) if several else np.float64(background[0])

    def write(part: str, planes: np.ndarray, around: Any) -> None:
        content = _nifti(_at_numbers(planes, scan.numbers, around), scan.spacing_mm)
        whole(file_of(out, part, name), content)

    # In the order of PARTS.
    write("brains", brain, 0)
    if scan.labels is not None:
        write("masks", np.isin(scan.labels, scan.lesion), 0)
    write("images", image, empty)


def outside(scan: Scan, channel: str) -> float:
    """The intensity of what is no brain: the channel's background, or the darkest there can be
    where none is known.
    """
    if channel in scan.background:
        return scan.background[channel]
    return scan.full[0] if scan.full is not None else float(scan.channels[channel].min())


def _at_numbers(stack: np.ndarray, numbers: tuple[int, ...], empty: Any) -> np.ndarray:
    out = np.empty((numbers[-1] + 1, *stack.shape[1:]), stack.dtype)
    out[:] = empty
    out[list(numbers)] = stack
    return out


def _nifti(pictures: np.ndarray, spacing_mm: tuple[float, float, float]) -> bytes:
    """A .nii.gz of pictures [Z, H, W] or [Z, H, W, C], right-anterior-superior; numbers as they are
    where the format has their type.
    """
    import nibabel
    from zlib_ng import gzip_ng

    if pictures.dtype.str[1:] not in HELD:
        pictures = pictures.astype(np.uint8 if pictures.dtype == bool else np.float64)
    # To the right, to the front, up.
    voxels = np.moveaxis(pictures[:, ::-1, ::-1], (0, 1, 2), (2, 1, 0))
    content: bytes = nibabel.Nifti1Image(voxels, np.diag([*spacing_mm[::-1], 1.0])).to_bytes()
    compressed: bytes = gzip_ng.compress(content, 6, mtime=0)
    return compressed

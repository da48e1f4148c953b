"""What a scan is known by: digests of its pixels and of its lesion, and an average hash of each
plane that shows much.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from benchmark.datacheck.cases import Case
from benchmark.images.scan import Scan

SIDE = 16  # of the average hash
LEAST_LESION = 100  # voxels; fewer have one shape too easily
TRIM = (
    0.02  # share of the tissue beyond each edge of the box: JPEG noise in a corner must not move it
)


@dataclass(frozen=True, eq=False)
class Fingerprint:
    """planes: (number, digest of its pixels) of each plane that is not one value, in the channel
    `flair` or the first.

    hashes: bool [n, 16, 16] of the planes with at least half the tissue of the fullest, and hashed:
    their numbers. label: its class. lesion: digest of the mask cut to its box, the same when the
    picture is flipped in its axes; "" where it is small.
    """

    case: Case
    planes: tuple[tuple[int, bytes], ...]
    hashes: np.ndarray
    hashed: tuple[int, ...]
    lesion: str
    label: str
    depth: int


def fingerprint(case: Case, scan: Scan) -> Fingerprint:
    voxels = next(
        (v for name, v in scan.channels.items() if name.lower() == "flair"),
        next(iter(scan.channels.values())),
    )
    held = [
        k
        for k, plane in enumerate(voxels)
        if plane.min() != plane.max() and np.isfinite(plane).all()
    ]
    digests = tuple((scan.numbers[k], _digest(voxels[k].astype(np.float32))) for k in held)
    floor = min((float(voxels[k].min()) for k in held), default=0.0)
    top = max((float(np.percentile(voxels[k], 99)) for k in held), default=0.0)
    tissue = {k: int((voxels[k] > floor + 0.1 * (top - floor)).sum()) for k in held}
    full = [k for k in held if 2 * tissue[k] >= max(tissue.values())]
    hashes = {k: made for k in full if (made := average_hash(voxels[k])) is not None}
    stack = np.array(list(hashes.values()), bool).reshape(-1, SIDE, SIDE)
    return Fingerprint(
        case,
        digests,
        stack,
        tuple(scan.numbers[k] for k in hashes),
        _lesion(scan),
        scan.label,
        scan.shape[0],
    )


def average_hash(plane: np.ndarray) -> np.ndarray | None:
    """Which of 16 x 16 equal parts of the box around the tissue are brighter than their mean: bool
    [16, 16].

    The box leaves out a fiftieth of the tissue (pixels above half the mean) at each edge, so that
    padding, cropping and resizing change little. None where the box is smaller than 16 pixels. A
    linear change of intensities changes nothing.
    """
    low, high = float(plane.min()), float(np.percentile(plane, 99))
    image = np.clip(plane.astype(np.float32), low, high) - low
    inside = image > 0.5 * image.mean()
    if not inside.any():
        return None
    (top, bottom), (left, right) = (_box(inside.sum(axis)) for axis in (1, 0))
    if min(bottom - top, right - left) < SIDE:
        return None
    part = image[top:bottom, left:right]
    small = _shares(part.shape[0]) @ part @ _shares(part.shape[1]).T
    return small > small.mean()


def _box(profile: np.ndarray) -> tuple[int, int]:
    """From and to, between which all but TRIM of the profile's mass at either end lies; the same,
    mirrored, for a mirrored profile.
    """
    mass = np.cumsum(profile) / profile.sum()
    behind = np.cumsum(profile[::-1]) / profile.sum()
    return int(np.searchsorted(mass, TRIM)), len(profile) - int(np.searchsorted(behind, TRIM))


def _shares(length: int) -> np.ndarray:
    """[16, length]: the share of each pixel in each of 16 equal parts."""
    edge, at = np.linspace(0, length, SIDE + 1), np.arange(length)
    inside = np.minimum(edge[1:, None], at + 1) - np.maximum(edge[:-1, None], at)
    return (np.clip(inside, 0, None) * (SIDE / length)).astype(np.float32)


def _digest(array: np.ndarray) -> bytes:
    return hashlib.blake2b(
        np.ascontiguousarray(array).tobytes(),
        digest_size=16,
        person=repr(array.shape).encode()[:16],
    ).digest()


def _lesion(scan: Scan) -> str:
    masks = {k: mask for k in range(scan.shape[0]) if (mask := scan.mask(k)).any()}
    if sum(int(mask.sum()) for mask in masks.values()) < LEAST_LESION:
        return ""
    union = np.logical_or.reduce(list(masks.values()))
    rows, columns = np.flatnonzero(union.any(1)), np.flatnonzero(union.any(0))
    box = np.stack(
        [
            masks[k] if k in masks else np.zeros_like(union)
            for k in range(min(masks), max(masks) + 1)
        ]
    )
    box = box[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return min(
        _digest(flipped).hex()
        for flipped in (box, box[:, ::-1], box[:, :, ::-1], box[:, ::-1, ::-1])
    )

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
# Share of the tissue beyond each edge of the box: JPEG noise in a corner must not move it.
TRIM = 0.02


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
    voxels = _shown_channel(scan)
    planes = []
    digests = []
    for k, plane in enumerate(voxels):
        if plane.min() != plane.max() and np.isfinite(plane).all():
            planes.append(k)
            digests.append((scan.numbers[k], _digest(plane.astype(np.float32))))
    hashes = []
    hashed = []
    for k in _full_planes(voxels, planes):
        made = average_hash(voxels[k])
        if made is not None:
            hashes.append(made)
            hashed.append(scan.numbers[k])
    return Fingerprint(
        case=case,
        planes=tuple(digests),
        hashes=np.array(hashes, bool).reshape(-1, SIDE, SIDE),
        hashed=tuple(hashed),
        lesion=_lesion(scan),
        label=scan.label,
        depth=scan.shape[0],
    )


def _shown_channel(scan: Scan) -> np.ndarray:
    """Voxels of the channel `flair`, or of the first."""
    for name, voxels in scan.channels.items():
        if name.lower() == "flair":
            return voxels
    return next(iter(scan.channels.values()))


def _full_planes(voxels: np.ndarray, planes: list[int]) -> list[int]:
    """Those of some planes that have at least half the tissue of the fullest."""
    if not planes:
        return []
    floor = min(float(voxels[k].min()) for k in planes)
    top = max(float(np.percentile(voxels[k], 99)) for k in planes)
    tissue = [int((voxels[k] > floor + 0.1 * (top - floor)).sum()) for k in planes]
    full = []
    for k, count in zip(planes, tissue, strict=True):
        if 2 * count >= max(tissue):
            full.append(k)
    return full


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
    top, bottom = _box(inside.sum(1))
    left, right = _box(inside.sum(0))
    if min(bottom - top, right - left) < SIDE:
        return None
    part = image[top:bottom, left:right]
    small: np.ndarray = _shares(part.shape[0]) @ part @ _shares(part.shape[1]).T
    brighter: np.ndarray = small > small.mean()
    return brighter


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
    shares: np.ndarray = np.clip(inside, 0, None) * (SIDE / length)
    return shares.astype(np.float32)


def _digest(array: np.ndarray) -> bytes:
    return hashlib.blake2b(
        np.ascontiguousarray(array).tobytes(),
        digest_size=16,
        person=repr(array.shape).encode()[:16],
    ).digest()


def _lesion(scan: Scan) -> str:
    """The digest of the mask in its box, the least of those of its four flips."""
    if scan.labels is None:
        return ""
    mask = np.stack([scan.mask(k) for k in range(scan.shape[0])])
    if np.count_nonzero(mask) < LEAST_LESION:
        return ""
    planes = np.flatnonzero(mask.any((1, 2)))
    rows = np.flatnonzero(mask.any((0, 2)))
    columns = np.flatnonzero(mask.any((0, 1)))
    box = mask[
        planes[0] : planes[-1] + 1,
        rows[0] : rows[-1] + 1,
        columns[0] : columns[-1] + 1,
    ]
    flipped = (box, box[:, ::-1], box[:, :, ::-1], box[:, ::-1, ::-1])
    return min(_digest(one).hex() for one in flipped)

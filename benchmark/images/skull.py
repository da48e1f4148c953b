"""Skull stripping: by threshold, erosion, the largest piece, dilation, holes filled; and the brain
in what a trained network marks.

The former is tuned by eye on LGG FLAIR of the 12 patients that trained and validated networks; no
mask of a brain was at hand to measure it by.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

TISSUE = 0.55  # of the brain's median intensity: brain lies above it, CSF, skull and air below
# of the head's width: bridges from brain to scalp are thinner, and so are the sulci that are closed
BRIDGE = 0.045
# of the head's width: how far the brain may reach beyond that of the plane before, away from the
# middle
GROWTH = 0.03
DARKEST = 0.4  # of the middle plane's median: a plane that is darker shows no brain
PIECE = 0.15  # of the largest piece of a plane: the falx parts a brain in two
FEWEST = 0.05  # of the middle plane's brain: where less is left, brain ends


def brain_mask(volume: np.ndarray) -> np.ndarray:
    """Brain as bool [Z, H, W] of one channel float [Z, H, W] in any unit, planes in order; a
    picture is a volume of one plane.

    Goes from the middle plane, whose largest piece of tissue is taken for brain, to both ends; each
    plane's brain overlaps that of the plane before. All False where nothing looks like a head.
    """
    smooth = ndimage.gaussian_filter(volume.astype(np.float32), (0, 1, 1))
    middle = len(volume) // 2
    head = ndimage.binary_fill_holes(smooth[middle] > 0.1 * np.percentile(smooth[middle], 99))
    out = np.zeros(volume.shape, bool)
    if not head.any():
        return out
    width = 2 * np.sqrt(head.sum() / np.pi)
    bridge, growth = _radius(BRIDGE * width), _radius(GROWTH * width)
    inner = ndimage.distance_transform_edt(head) > 0.15 * width  # within scalp and skull
    likely = inner if inner.any() else head
    least = DARKEST * float(np.median(smooth[middle][likely]))
    out[middle] = _brain(smooth[middle], likely, np.ones(head.shape, bool), bridge, least)
    for step in (1, -1):
        for z in range(middle + step, len(volume) if step > 0 else -1, step):
            out[z] = _brain(
                smooth[z], out[z - step], _dilated(out[z - step], growth), bridge, least
            )
            if out[z].sum() < FEWEST * out[middle].sum():
                out[z] = False
                break
    return out


def one_piece(marked: np.ndarray) -> np.ndarray:
    """The largest piece of a mask [D, H, W], without holes: of a volume those enclosed on all
    sides, of one plane those within it.
    """
    pieces, count = ndimage.label(marked)
    if count > 1:
        pieces = pieces == 1 + np.bincount(pieces.ravel())[1:].argmax()
    if len(marked) == 1:
        return _filled(pieces[0] > 0)[None]
    return _filled(pieces > 0)


def _brain(
    plane: np.ndarray, near: np.ndarray, within: np.ndarray, bridge: float, least: float
) -> np.ndarray:
    """The brain [H, W] of a plane: large pieces of tissue without thin bridges, `within` what is
    allowed; near: where it is likely.
    """
    # Of each plane: coils see the top of a head darker.
    tissue = plane > TISSUE * max(float(np.median(plane[near])), least)
    label, count = ndimage.label(_eroded(tissue, bridge) & within)
    if not count:
        return np.zeros(tissue.shape, bool)
    areas = np.bincount(label.ravel())
    areas[0] = 0
    core = np.isin(label, np.flatnonzero(areas >= PIECE * areas.max()))
    around = int(2 * bridge)  # a closing must not see the border of the picture
    grown = _dilated(np.pad(_dilated(core, bridge), around), bridge)
    brain: np.ndarray = _filled(_eroded(grown, bridge)[around:-around, around:-around])
    brain = brain & within
    return brain


def _filled(mask: np.ndarray) -> np.ndarray:
    """A mask with its holes filled."""
    filled: np.ndarray = ndimage.binary_fill_holes(mask)
    return filled


def _radius(radius: float) -> float:
    """Of a disc of whole pixels: what lies at most so far from its center. The half makes a disc
    round.
    """
    return max(1, round(radius)) + 0.5


# By distances: the time of an erosion by a disc grows with the disc, and its memory with the square
# of it (a picture of 4096 pixels a side took more than there was). Bit by bit the same.
def _eroded(plane: np.ndarray, radius: float) -> np.ndarray:
    """A mask [H, W] without what lies within `radius` of its outside; beyond the border is
    outside.
    """
    inside: np.ndarray = ndimage.distance_transform_edt(np.pad(plane, 1))[1:-1, 1:-1] > radius
    return inside


def _dilated(plane: np.ndarray, radius: float) -> np.ndarray:
    """A mask [H, W] and all within `radius` of it."""
    if not plane.any():
        return plane
    near: np.ndarray = ndimage.distance_transform_edt(~plane) <= radius
    return near

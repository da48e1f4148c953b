"""Skull stripping on made heads whose brain is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from benchmark.images.skull import _dilated, _eroded, _radius, brain_mask, one_piece


def head(depth: int = 5, size: int = 96) -> tuple[np.ndarray, np.ndarray]:
    """A brain (0.5) with a ventricle (0.1) in a dark skull and a bright scalp; bridges of tissue
    two pixels wide between them.
    """
    y, x = np.mgrid[:size, :size] - size / 2
    volume, truth = [], []
    for z in range(depth):
        r = np.hypot(y / 1.15, x) / (1 - 0.06 * abs(z - depth // 2))
        plane = np.where(r < 28, 0.5, np.where(r < 33, 0.08, np.where(r < 37, 0.9, 0.0)))
        plane[r < 8] = 0.1
        plane[(np.abs(x) < 1.5) & (y < 0) & (r > 26) & (r < 34)] = 0.5
        volume.append(plane + 0.01 * np.random.default_rng(z).standard_normal(plane.shape))
        truth.append(r < 28)
    return np.clip(volume, 0, 1).astype(np.float32), np.array(truth)


def test_the_skull_is_stripped_and_holes_are_brain():
    volume, truth = head()
    found = brain_mask(volume)
    scores = [2 * (f & t).sum() / (f.sum() + t.sum()) for f, t in zip(found, truth, strict=True)]
    assert min(scores) > 0.95 and not found[volume > 0.8].any() and found[:, 48, 48].all()


def test_a_brain_is_found_in_any_unit_and_in_one_plane_and_none_where_there_is_none():
    volume, _ = head()
    assert np.array_equal(brain_mask(1000 * volume), brain_mask(volume))
    assert np.array_equal(brain_mask(volume[2:3])[0], brain_mask(volume)[2])
    assert not brain_mask(np.zeros((3, 32, 32), np.float32)).any()


def test_a_plane_of_air_ends_the_brain():
    volume, _ = head()
    dark = np.concatenate([volume, 0.02 * volume[-1:]])
    assert not brain_mask(dark)[-1].any()


@pytest.mark.parametrize("width", [2, 7, 21, 60])
def test_erosion_and_dilation_by_distances_are_those_by_a_disc(width):
    radius = _radius(0.1 * width)
    r = int(radius)
    y, x = np.mgrid[-r : r + 1, -r : r + 1]
    disc = x**2 + y**2 <= radius**2
    for seed in range(5):
        plane = (
            ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((40, 31)), 2 + seed)
            > -0.05
        )
        np.testing.assert_array_equal(_eroded(plane, radius), ndimage.binary_erosion(plane, disc))
        np.testing.assert_array_equal(
            _dilated(~plane, radius), ndimage.binary_dilation(~plane, disc)
        )
    assert (
        not _dilated(np.zeros((5, 5), bool), radius).any()
        and _dilated(np.ones((5, 5), bool), radius).all()
    )


@pytest.mark.parametrize("depth", [1, 3])
def test_one_piece_is_the_largest_without_the_holes_that_are_enclosed(depth):
    marked = np.zeros((depth, 16, 16), bool)
    marked[:, 3:12, 3:12] = marked[:, 14:, 14:] = True
    expected = marked & (np.arange(16) < 14)
    marked[depth // 2, 6, 6] = False  # within a volume: the planes before and after close it
    np.testing.assert_array_equal(one_piece(marked), expected)
    marked[:, 6, 6] = False  # through all planes, open at both ends of a volume
    assert one_piece(marked)[:, 6, 6].all() == (depth == 1)
    assert not one_piece(np.zeros_like(marked)).any()

"""Post-processing of masks, on made volumes whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.errors import InputError
from benchmark.images.postprocess import (
    NAMES,
    STEPS,
    consistent,
    largest,
    parse_chain,
    postprocess,
    small,
)

MM = (1.0, 1.0)


def boxes(depth: int, *places: tuple[slice | int, slice, slice]) -> np.ndarray:
    volume = np.zeros((depth, 40, 40), bool)
    for place in places:
        volume[place] = True
    return volume


BIG = (slice(1, 4), slice(5, 15), slice(5, 15))  # 300 voxels in planes 1, 2, 3
FLAT = (
    3,
    slice(20, 36),
    slice(20, 36),
)  # 256 pixels in plane 3 alone: more than BIG has in any plane
DOT = (2, slice(30, 33), slice(2, 5))  # 9 pixels in plane 2


def test_largest_is_that_of_the_volume_not_of_a_slice():
    assert np.array_equal(largest(boxes(5, BIG, FLAT), range(5), MM), boxes(5, BIG))


def test_largest_does_not_reach_across_a_missing_slice():
    found = boxes(5, BIG, FLAT)
    kept = largest(found, [0, 1, 2, 9, 10], MM)  # plane 3 is far from plane 2: a volume of its own
    assert np.array_equal(kept[:3], boxes(5, BIG)[:3]) and np.array_equal(
        kept[3], boxes(5, FLAT)[3]
    )


def test_small_counts_square_millimetres():
    found = boxes(5, BIG, DOT)
    assert np.array_equal(small(found, range(5), MM), boxes(5, BIG))
    assert np.array_equal(small(found, range(5), (2.5, 2.5)), found)  # the dot has 56 mm2


def test_consistent_drops_what_its_neighbors_do_not_hold():
    assert np.array_equal(consistent(boxes(5, BIG, FLAT, DOT), range(5), MM), boxes(5, BIG))


def test_consistent_looks_at_both_sides_keeps_whole_objects_and_lone_slices():
    low, high = (1, slice(0, 4), slice(0, 4)), (2, slice(3, 9), slice(3, 9))  # they share one pixel
    assert np.array_equal(consistent(boxes(5, low, high), range(5), MM), boxes(5, low, high))
    assert np.array_equal(consistent(boxes(5, FLAT), [0, 1, 2, 5, 9], MM), boxes(5, FLAT))
    assert not consistent(
        boxes(5, low, high), [0, 1, 3, 4, 5], MM
    ).any()  # each has a neighbor, but not the other


@pytest.mark.parametrize("name", STEPS)
def test_every_step_only_takes_away_leaves_its_input_and_takes_nothing_from_nothing(name):
    found = np.random.default_rng(0).random((6, 40, 40)) > 0.7
    before, numbers = found.copy(), [3, 4, 5, 8, 10, 11]
    kept = STEPS[name](found, numbers, MM)
    assert (
        kept.dtype == bool
        and kept.shape == found.shape
        and not (kept & ~found).any()
        and np.array_equal(found, before)
    )
    assert not STEPS[name](np.zeros_like(found), numbers, MM).any()


def test_chains_are_read_and_done_in_order():
    assert parse_chain("stripped+small+largest") == ("stripped", "small", "largest")
    assert np.array_equal(
        postprocess(boxes(5, BIG, FLAT, DOT), ("consistent", "small"), range(5), MM), boxes(5, BIG)
    )
    with pytest.raises(InputError, match="did you mean 'largest'"):
        parse_chain("largst")
    with pytest.raises(InputError, match="stripped\\+largest"):
        parse_chain("largest+stripped")
    assert all(parse_chain(name) == (name,) for name in NAMES)

"""Slices, windows, brain, crop and size of a scan: each option alone and together."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.errors import InputError
from benchmark.images.prepare import Preparation, box_of, picture, view_of
from benchmark.images.scan import Scan

SHAPE = (5, 40, 48)


def scan(**changes) -> Scan:
    """Brain of 20..320 in rows 4 to 35 and columns 8 to 39 of planes 1 to 3, on a background of -7;
    a lesion in planes 1 and 2.
    """
    rng = np.random.default_rng(0)
    image = np.full(SHAPE, -7.0, np.float32)
    image[1:4, 4:36, 8:40] = rng.uniform(20, 320, (3, 32, 32))
    labels = np.zeros(SHAPE, np.uint8)
    labels[1, 10:14, 12:16], labels[2, 10:20, 20:30], labels[2, 12, 22] = 1, 2, 4
    return Scan(
        **{
            "case": "case",
            "channels": {"flair": image},
            "numbers": tuple(range(10, 15)),
            "labels": labels,
            "lesion": (1, 2, 4),
            "spacing_mm": (3.0, 1.0, 2.0),
            "background": {"flair": -7.0},
        }
        | changes
    )


def make(source: Scan | None = None, k: int = 2, **options):
    source, how = source or scan(), Preparation(**{"size": 0, **options})
    view = view_of(source, how, k if how.per == "slice" else None)
    return picture(
        source, k, how, view, box_of(source, how), sample_id="case-012", dataset="d", patient="p"
    )


def test_choices_of_slices() -> None:
    areas = scan().areas()
    assert areas == [0, 16, 100, 0, 0]
    assert Preparation(slices="middle").choose(areas) == [2]
    assert Preparation(slices="largest").choose(areas) == [2]
    assert Preparation(slices="tumour").choose(areas) == [1, 2]
    assert Preparation(slices="all", every=2).choose(areas) == [0, 2, 4]
    assert Preparation(slices="tumour", every=2).choose(areas) == [1]
    assert [scan().shows(k) for k in range(5)] == [False, True, True, True, False]


def test_windows_are_over_tissue_and_recorded() -> None:
    source = scan()
    tissue = source.channels["flair"][source.channels["flair"] != -7]
    low, high = np.percentile(tissue, [0.5, 99.5])
    assert make().window == pytest.approx((low, high)) and low > 20
    assert make(window="minmax").window == pytest.approx((-7, tissue.max()))
    assert make(window="full").window == make(window="minmax").window  # the scan states no range
    assert make(scan(full=(0.0, 400.0)), window="full").window == (0.0, 400.0)
    assert make(window="zscore").window == pytest.approx(
        (tissue.mean() - 3 * tissue.std(), tissue.mean() + 3 * tissue.std())
    )
    inside = source.channels["flair"][2][source.channels["flair"][2] != -7]
    assert make(per="slice").window == pytest.approx(tuple(np.percentile(inside, [0.5, 99.5])))
    sample = make()
    assert sample.image.dtype == np.float32 and sample.image.min() == 0 and sample.image.max() == 1
    assert sample.image[20, 20, 0] == pytest.approx(
        np.clip((source.channels["flair"][2, 20, 20] - low) / (high - low), 0, 1)
    )


def test_without_a_background_everything_counts() -> None:
    assert make(scan(background={})).window[0] == -7
    assert make(scan(background={})).brain.all()
    assert make().brain.sum() == 32 * 32


def test_strip_sets_zero_outside_the_brain() -> None:
    source = scan(background={}, brain=np.broadcast_to(np.arange(48) < 20, SHAPE))
    assert make(source).image[10, 30, 0] > 0
    stripped = make(source, strip=True).image
    assert (stripped[:, 20:] == 0).all() and np.array_equal(
        stripped[:, :20], make(source).image[:, :20]
    )


def test_crops() -> None:
    brain = make(crop="brain")
    assert brain.image.shape == (32, 32, 1) and brain.brain.all() and brain.mask.sum() == 100
    lesion = make(crop="lesion", extent=16)
    assert lesion.image.shape == (16, 16, 1) and lesion.mask.sum() == 100
    assert np.array_equal(
        lesion.image, make().image[7:23, 17:33]
    )  # the lesion's center is row 14.5, column 24.5
    assert make(crop="lesion", extent=64).image.shape == (40, 48, 1)  # never beyond the picture
    corner = np.zeros(SHAPE, np.uint8)
    corner[2, :3, 45:] = 1
    assert make(scan(labels=corner), crop="lesion", extent=16).mask[:3, 13:].all()
    with pytest.raises(InputError, match="no lesion"):
        make(scan(labels=None), crop="lesion")
    with pytest.raises(InputError, match="brain is empty"):
        make(scan(brain=np.zeros(SHAPE, bool)), crop="brain")


def test_resize_and_pad() -> None:
    resized = make(size=24)
    assert resized.image.shape == (24, 24, 1) and resized.spacing_mm == (2.0, 4.0)
    assert resized.image[:2].max() == 0  # 40 x 48 was padded to 48 x 48 first
    small = make(size=32, fit="pad")
    assert small.image.shape == (32, 32, 1) and small.spacing_mm == (1.0, 2.0)
    assert np.array_equal(small.image, make().image[4:36, 8:40]) and small.mask.dtype == bool
    large = make(size=64, fit="pad")
    assert large.image.shape == (64, 64, 1) and np.array_equal(
        large.image[12:52, 8:56], make().image
    )
    assert large.image.sum() == pytest.approx(make().image.sum()) and large.mask.sum() == 100


def test_channels_have_windows_of_their_own() -> None:
    flair = scan().channels["flair"]
    both = make(
        scan(channels={"flair": flair, "t1": 3 * flair}, background={"flair": -7.0, "t1": -21.0})
    )
    assert (
        both.image.shape == (40, 48, 2)
        and both.channels == ("flair", "t1")
        and both.window == (0.0, 1.0)
    )
    assert np.allclose(both.image[..., 0], both.image[..., 1], atol=1e-6)
    assert make(
        scan(full=(0.0, 9.0), channels={"a": flair, "b": flair}, background={}), window="full"
    ).window == (0.0, 9.0)


def test_what_shows_nothing_is_named() -> None:
    with pytest.raises(InputError, match="every voxel is background"):
        make(scan(channels={"flair": np.full(SHAPE, -7.0)}))


@pytest.mark.parametrize(
    "options",
    [
        {"slices": "first"},
        {"window": "z"},
        {"per": "case"},
        {"crop": "skull"},
        {"fit": "stretch"},
        {"every": 0},
        {"extent": 3},
        {"size": 8},
        {"size": 100_000},
        {"planes": -1},
    ],
)
def test_values_that_are_none_are_refused(options) -> None:
    ((name, value),) = options.items()
    with pytest.raises(InputError, match=f"{name}={value}"):
        Preparation(**options)

"""Windows, resizing by area, choice of slices, orientation, splits, and the contact sheet."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from benchmark.images.sheet import CAPTION, OUTLINE, TILE, contact_sheet, outline, save_sheet
from benchmark.images.steps import (
    apply_window,
    area_average,
    area_mask,
    choose_slices,
    percentile_window,
    radiological,
    split_of,
)


def test_window_maps_its_ends_to_0_and_1_and_clips() -> None:
    image = apply_window(np.array([[-5.0, 10.0, 20.0, 30.0, 99.0]]), (10.0, 30.0))
    assert image.dtype == np.float32
    assert image.tolist() == [[0.0, 0.0, 0.5, 1.0, 1.0]]


def test_percentile_window_of_a_constant_has_a_width() -> None:
    assert percentile_window(np.arange(201.0)) == (1.0, 199.0)
    low, high = percentile_window(np.full(10, 7.0))
    assert low == 7.0 < high
    assert np.isfinite(apply_window(np.full((2, 2), 7.0), (low, high))).all()


def test_area_average_by_hand() -> None:
    image = np.arange(16.0).reshape(4, 4)
    assert area_average(image, 2).tolist() == [[2.5, 4.5], [10.5, 12.5]]
    # 3 -> 2: each new pixel takes one old pixel and half of its neighbour
    assert np.allclose(
        area_average(np.diag([3.0, 6.0, 9.0]), 2), np.array([[4 * 3 + 6, 6], [6, 6 + 4 * 9]]) / 9
    )
    assert area_average(np.full((240, 240, 3), 0.25), 128) == pytest.approx(0.25, abs=1e-7)
    assert area_average(image, 0).tolist() == image.tolist()


def test_area_average_pads_what_is_not_square() -> None:
    wide = area_average(np.ones((2, 4, 1)), 4)
    assert wide.shape == (4, 4, 1)
    assert wide[..., 0].tolist() == [[0] * 4, [1] * 4, [1] * 4, [0] * 4]


def test_a_mask_pixel_needs_half_of_its_area() -> None:
    mask = np.array([[1, 0, 1, 0], [0, 0, 0, 1], [1, 1, 0, 0], [1, 0, 0, 0]], bool)
    assert area_mask(mask, 2).tolist() == [[False, True], [True, False]]
    assert area_mask(mask, 0).tolist() == mask.tolist()


def test_choice_of_slices() -> None:
    areas = [0, 3, 9, 9, 0, 1]
    assert choose_slices(areas, "middle") == [3]
    assert choose_slices([0] * 155, "middle") == [77]
    assert choose_slices(areas, "largest") == [2]
    assert choose_slices([0, 0], "largest") == []
    assert choose_slices(areas, "tumour") == [1, 2, 3, 5]
    assert choose_slices(areas, "all") == [0, 1, 2, 3, 4, 5]
    with pytest.raises(ValueError, match="smallest"):
        choose_slices(areas, "smallest")


def test_radiological_view() -> None:
    plane = np.zeros((3, 5))  # x to the right, y to the front
    plane[2, 4] = 1  # right and anterior
    plane[0, 4] = 2  # left and anterior
    picture = radiological(plane)
    assert picture.shape == (5, 3)
    assert picture[0, 0] == 1 and picture[0, 2] == 2


def test_splits_by_hash_have_their_shares() -> None:
    splits = [split_of(f"case {i}", "salt") for i in range(4000)]
    assert splits == [split_of(f"case {i}", "salt") for i in range(4000)]
    assert [splits.count(s) / 4000 for s in ("train", "val", "test")] == pytest.approx(
        [0.60, 0.12, 0.28], abs=0.025
    )


def test_outline_is_inside_the_mask() -> None:
    mask = np.zeros((7, 7), bool)
    mask[1:6, 1:6] = True
    edge = outline(mask)
    assert edge.sum() == 16 and not edge[2:5, 2:5].any()
    assert outline(np.ones((3, 3), bool)).sum() == 8  # the picture's border is an outside


def test_contact_sheet_shows_image_and_outline(tiny_samples, tmp_path) -> None:
    sheet = contact_sheet(tiny_samples, columns=2)
    height = 2 * (TILE + CAPTION) + CAPTION  # the last line says how the tiles were brightened
    assert sheet.shape == (height, 2 * 2 * TILE, 3) and sheet.dtype == np.uint8
    red = (sheet == OUTLINE).all(axis=-1)
    for i, sample in enumerate(tiny_samples):
        y, x = i // 2 * (TILE + CAPTION) + CAPTION, i % 2 * 2 * TILE
        plain = sheet[y : y + TILE, x : x + TILE]
        shown = plain[:: TILE // 32, :: TILE // 32, 0]
        gray = sample.image[..., 0].ravel()
        assert (
            np.diff(shown.ravel()[np.argsort(gray)].astype(int)) >= 0
        ).all()  # brighter, in order
        assert shown.max() == 255
        assert red[y : y + TILE, x + TILE : x + 2 * TILE].any() == sample.has_lesion
        assert not red[y : y + TILE, x : x + TILE].any()
    path = save_sheet(tiny_samples, tmp_path / "new" / "sheet.png")
    assert Image.open(path).mode == "RGB"

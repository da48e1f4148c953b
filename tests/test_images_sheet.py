"""Contact sheets: captions by kind of data set, pictures of different sizes, one tile each where
nothing has a lesion.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmark.images.sheet import (
    CAPTION,
    OUTLINE,
    TILE,
    WINDOW,
    brightened,
    caption,
    contact_sheet,
)


def test_captions_name_the_class_or_the_slice_and_its_lesion(tiny_samples) -> None:
    first = tiny_samples[0]
    assert caption(replace(first, slice_index=77)) == (
        first.id,
        f"   slice 77   lesion {int(first.mask.sum())} px   32 x 32",
    )
    assert (
        caption(tiny_samples[2])[1]
        == f"   slice {tiny_samples[2].slice_index}   no lesion   32 x 32"
    )
    assert caption(replace(tiny_samples[2], label="glioma"))[1] == "   class glioma   32 x 32"


def test_pictures_without_lesions_are_shown_once_and_of_any_size(tiny_samples) -> None:
    plain = tiny_samples[2]
    wide = replace(
        plain,
        image=np.ones((20, 50, 1), np.float32),
        mask=np.zeros((20, 50), bool),
        brain=np.ones((20, 50), bool),
    )
    sheet = contact_sheet([plain, wide, plain], columns=1)
    assert sheet.shape == (2 * (TILE + CAPTION) + CAPTION, 2 * TILE, 3)
    shown = sheet[CAPTION : CAPTION + TILE, TILE:]
    assert abs((shown == 255).all(-1).mean() - 0.4) < 0.02  # 20 of 50 rows
    with_lesion = contact_sheet([tiny_samples[0], wide], columns=2)
    assert (
        with_lesion.shape == (TILE + 2 * CAPTION, 4 * TILE, 3)
        and (with_lesion == OUTLINE).all(-1).any()
    )


def test_a_long_id_keeps_its_ends_and_stays_in_its_tile(tiny_samples) -> None:
    long = replace(tiny_samples[2], id="START" + "x" * 200 + "END")
    sheet = contact_sheet(
        [long, replace(tiny_samples[2], image=tiny_samples[2].image * 0, id="")], columns=1
    )
    assert (
        not sheet[:CAPTION, TILE - 6 : TILE + 2].any() and sheet[:CAPTION, TILE - 60 : TILE].any()
    )


def test_a_dark_image_is_shown_bright_and_the_sheet_says_so(tiny_samples) -> None:
    first = tiny_samples[0]
    dark = replace(first, image=first.image / 10)
    sheets = [contact_sheet([sample])[:-CAPTION] for sample in (first, dark)]
    assert np.array_equal(*sheets) and sheets[0].max() == 255
    kept = brightened(dark.image, dark.brain)
    assert dark.image.max() < 0.11 and kept.max() == 1
    assert contact_sheet([dark])[-CAPTION:].any()  # the sentence below
    assert "97th percentile" in WINDOW


def test_colors_keep_their_hue(tiny_samples) -> None:
    color = np.full((4, 4, 3), 0.1) * (1, 2, 3)
    shown = brightened(color, np.zeros((4, 4), bool))
    np.testing.assert_allclose(shown / shown.max(), color / color.max())
    assert not brightened(color * 0, np.ones((4, 4), bool)).any()

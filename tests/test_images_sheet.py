"""Contact sheets: captions by kind of data set, pictures of different sizes, one tile each where
nothing has a lesion.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmark.images.sheet import CAPTION, OUTLINE, TILE, caption, contact_sheet


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
    assert sheet.shape == (2 * (TILE + CAPTION), 2 * TILE, 3)
    shown = sheet[CAPTION : CAPTION + TILE, TILE:]
    assert abs((shown == 255).all(-1).mean() - 0.4) < 0.02  # 20 of 50 rows
    with_lesion = contact_sheet([tiny_samples[0], wide], columns=2)
    assert (
        with_lesion.shape == (TILE + CAPTION, 4 * TILE, 3)
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

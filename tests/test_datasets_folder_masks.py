"""The data set folder: masks, their label numbers, and what is none of an image."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from PIL import Image

from benchmark.errors import InputError
from benchmark.files import pictures as _pictures
from tests.own_folders import GRAY, MASK, SIDE, all_ids, folder, only, pair, refused, save


def test_masks_find_their_images(tmp_path) -> None:
    """scan_1* matches the masks of scan_12 and of scan_1b, which are not those of scan_1."""
    for i, stem in enumerate(("scan_1", "scan_12", "scan_1b")):
        pair(tmp_path, stem, mask=np.roll(MASK, 2 * i, 0))
    save(tmp_path / "masks" / "scan_19.png", MASK)  # of an image that is not there
    dataset = folder(tmp_path, patient="(scan)")
    for i, stem in enumerate(("scan_1", "scan_12", "scan_1b")):
        assert np.array_equal(dataset.load(f"{stem}-000").mask, np.roll(MASK, 2 * i, 0) > 0)


def test_masks_beside_their_images_are_no_images(tmp_path) -> None:
    for stem in ("a", "b"):
        save(tmp_path / f"{stem}.png", GRAY)
        save(tmp_path / f"{stem}_mask.png", MASK)
        (tmp_path / f".{stem}.png").write_bytes(b"resource fork")
    dataset = folder(tmp_path, images="*", masks="{stem}_mask.*")
    assert sorted(all_ids(dataset)) == ["a-000", "b-000"] and dataset.load("b-000").has_lesion
    assert sorted(all_ids(folder(tmp_path, images="*", masks="{stem}*"))) == ["a-000", "b-000"]


def test_an_image_without_a_mask_or_with_two(tmp_path) -> None:
    pair(tmp_path, "a")
    pair(tmp_path, "b", mask=None)
    pair(tmp_path, "c")
    save(tmp_path / "masks" / "c-reader2.png", MASK)
    dataset = folder(tmp_path)
    assert dataset.load("a-000").has_lesion
    with pytest.raises(InputError, match=r"images/b.png\n.*0 files match masks/\{stem\}\*\n"):
        dataset.load("b-000")
    with pytest.raises(InputError, match="2 files match .*: c-reader2.png, c.png"):
        dataset.load("c-000")
    assert not folder(tmp_path, masks="").load("a-000").has_lesion


@pytest.mark.parametrize("one", [1, 255, 7])
def test_an_empty_mask_and_masks_of_one_number(tmp_path, one) -> None:
    pair(tmp_path, "a", mask=(MASK > 0).astype(np.uint8) * one)
    assert np.array_equal(only(tmp_path).mask, MASK > 0)
    pair(tmp_path, "a", mask=np.zeros_like(MASK))
    assert not only(tmp_path).has_lesion
    assert all_ids(folder(tmp_path, slices="tumour")) == []


def test_label_numbers_that_count(tmp_path) -> None:
    labels = np.zeros((SIDE, SIDE), np.uint8)
    labels[4:8], labels[8:12], labels[12:14] = 1, 2, 4
    pair(tmp_path, "a", mask=labels)
    assert np.array_equal(only(tmp_path).mask, labels > 0)
    assert np.array_equal(only(tmp_path, lesion="1,4").mask, np.isin(labels, (1, 4)))
    with pytest.warns(UserWarning, match="label numbers 1, 2, 4, none of lesion=3"):
        assert not folder(tmp_path, lesion="3").load("a-000").has_lesion
    palette = Image.fromarray(labels)
    palette.putpalette([200] * 768)
    palette.save(tmp_path / "masks" / "a.png")  # colors say nothing: the index is the label
    assert np.array_equal(only(tmp_path, lesion="4").mask, labels == 4)


def test_shades_at_the_edge_of_a_mask(tmp_path) -> None:
    smooth = np.asarray(
        Image.fromarray(MASK)
        .resize((64, 64), Image.Resampling.BICUBIC)
        .rotate(10, Image.Resampling.BICUBIC)
        .resize((SIDE, SIDE), Image.Resampling.BOX)
    )
    assert len(np.unique(smooth)) > 33
    pair(tmp_path, "a", mask=smooth)
    with pytest.warns(UserWarning, match="those from 128 on count"):
        assert np.array_equal(folder(tmp_path).load("a-000").mask, smooth >= 128)
    few = np.where(np.roll(MASK, 1, 0) != MASK, 128, MASK).astype(np.uint8)
    pair(tmp_path, "a", mask=few)
    with pytest.warns(UserWarning, match="values 0, 128, 255: all above 0 count"):
        assert np.array_equal(folder(tmp_path).load("a-000").mask, few > 0)
    assert np.array_equal(only(tmp_path, lesion="255").mask, few == 255)


def test_masks_that_are_none_of_this_image(tmp_path) -> None:
    pair(tmp_path, "a", mask=MASK[:, :16])
    assert (
        "masks/a.png" in (message := refused(tmp_path))
        and "1 x 32 x 16" in message
        and "1 x 32 x 32" in message
    )
    pair(tmp_path, "a", mask=np.stack([MASK, GRAY, GRAY], -1))
    assert "it is in color: an overlay" in refused(tmp_path)
    (tmp_path / "masks" / "a.png").unlink()
    np.save(tmp_path / "masks" / "a.npy", MASK / 300)
    assert "label numbers in the mask" in refused(tmp_path)
    np.save(tmp_path / "masks" / "a.npy", MASK / np.float32(255) * np.float32(0.99999997))
    assert np.array_equal(only(tmp_path).mask, MASK > 0)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_masks_of_few_bits_keep_their_numbers(tmp_path, bits) -> None:
    numbers = (np.arange(64).reshape(8, 8) % 2**bits).astype(np.uint8)
    rows = np.packbits(
        np.unpackbits(numbers[..., None], axis=-1)[..., -bits:].reshape(8, -1), axis=-1
    )
    ihdr = (8).to_bytes(4, "big") * 2 + bytes((bits, 0, 0, 0, 0))
    chunks = [
        (b"IHDR", ihdr),
        (b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))),
        (b"IEND", b""),
    ]
    path = tmp_path / "a.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")
            for name, data in chunks
        )
    )
    assert np.array_equal(_pictures.read_picture(path, mask=True).planes[0], numbers)
    assert np.array_equal(_pictures.read_picture(path).planes[0], numbers * (255 // (2**bits - 1)))


def test_numbers_below_zero_in_a_mask_are_said(tmp_path) -> None:
    pair(tmp_path, "a", mask=None)
    (tmp_path / "masks").mkdir()
    np.save(tmp_path / "masks" / "a.npy", np.where(MASK > 0, np.int16(-3), np.int16(0)))
    with pytest.warns(UserWarning, match="numbers below 0, down to -3"):
        assert not folder(tmp_path).load("a-000").mask.any()

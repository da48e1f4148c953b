"""folder: every format, names with spaces and brackets, pairs of image and mask, and every way in
which one of them can be wrong.
"""

from __future__ import annotations

import os
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image

from benchmark.errors import InputError
from benchmark.files import pictures as _pictures
from tests.own_folders import GRAY, MASK, SIDE, all_ids, folder, only, pair, refused, save, write


@pytest.mark.parametrize("suffix", [".png", ".tif", ".npy", ".npz", ".nii.gz", ".mha", ".dcm"])
def test_each_format_gives_its_pixels(tmp_path, suffix) -> None:
    write(tmp_path / "images" / f"a{suffix}", GRAY)
    write(tmp_path / "masks" / f"a{suffix}", MASK)
    sample = only(tmp_path)
    assert sample.id == "a-000" and sample.channels == ("image",)
    assert np.array_equal(sample.image[..., 0], (GRAY / 255).astype(np.float32))
    assert np.array_equal(sample.mask, MASK > 0) and sample.brain.all()
    assert sample.spacing_mm == (
        (1, 1) if suffix in (".png", ".tif", ".npy", ".npz") else (0.5, 0.5)
    )


def test_a_jpeg_and_a_mask_that_it_blurred(tmp_path) -> None:
    save(tmp_path / "images" / "a.jpg", GRAY)
    blurred = save(tmp_path / "masks" / "a.jpg", MASK, quality=60)
    assert set(np.unique(np.asarray(Image.open(blurred)))) - {0, 255}
    with pytest.warns(
        UserWarning, match="pixels of its mask lie between 0 and 255: those from 128 on count"
    ):
        sample = folder(tmp_path).load("a-000")
    assert np.array_equal(sample.mask, MASK > 0)
    assert "do not survive JPEG" in refused(tmp_path, lesion="255")
    save(blurred, (MASK > 0).astype(np.uint8) * 3, quality=60)
    assert "values up to 3, which JPEG has blurred" in refused(tmp_path)


def test_a_dicom_series_in_a_folder_of_its_own(tmp_path) -> None:
    sitk = pytest.importorskip("SimpleITK")
    stack = np.stack([GRAY // 2 + z for z in range(3)]).astype(np.int16)
    for z, plane in enumerate(stack):
        image = sitk.GetImageFromArray(plane[None])
        for tag, value in {
            "0008|0060": "MR",
            "0020|000e": "1.2.3",
            "0020|0032": f"0\\0\\{4 * z}",
            "0020|0037": "1\\0\\0\\0\\1\\0",
        }.items():
            image.SetMetaData(tag, value)
        (tmp_path / "scans" / "p 1").mkdir(parents=True, exist_ok=True)
        writer = sitk.ImageFileWriter()
        writer.KeepOriginalImageUIDOn()
        writer.SetFileName(str(tmp_path / "scans" / "p 1" / f"{9 - z}.dcm"))
        writer.Execute(image)
    save(tmp_path / "scans" / "pictures" / "x.png", GRAY)
    (tmp_path / "scans" / "notes.txt").write_text("-")
    with pytest.warns(
        UserWarning, match="1 files that match .* are left out, no pictures: notes.txt"
    ):
        dataset = folder(tmp_path, images="scans/*", masks="", slices="all")
        assert all_ids(dataset) == ["p_1-000", "p_1-001", "p_1-002"]
    span = stack.max() - stack.min()
    assert np.allclose(
        dataset.load("p_1-002").image[..., 0], (stack[2] - stack.min()) / span, atol=1e-6
    )


def test_sixteen_bits_and_stacks(tmp_path) -> None:
    deep = GRAY.astype(np.uint16) * 16
    save(tmp_path / "images" / "a.png", deep)
    assert np.array_equal(
        only(tmp_path, masks="").image[..., 0], (deep / deep.max()).astype(np.float32)
    )
    (tmp_path / "images" / "a.png").unlink()
    stack = np.stack([deep, deep.T, deep[::-1]])
    tifffile.imwrite(tmp_path / "images" / "b.tif", stack, photometric="minisblack")
    dataset = folder(tmp_path, masks="", slices="all", planes=0)
    ids = all_ids(dataset)
    assert ids == ["b-000", "b-001", "b-002"]
    assert np.array_equal(
        dataset.load("b-001").image[..., 0], (deep.T / deep.max()).astype(np.float32)
    )
    assert dataset.load_volume("b").depth == 3


def test_the_background_is_what_the_corners_share(tmp_path) -> None:
    image = np.full((SIDE, SIDE), 9, np.uint8)
    image[4:-4, 4:-4] = GRAY[4:-4, 4:-4]
    pair(tmp_path, "a", image, None)
    sample = only(tmp_path, masks="", window="percentile")
    assert not sample.brain[0, 0] and sample.brain[4:-4, 4:-4].mean() > 0.9
    inside = image[image != 9]
    assert sample.window == tuple(np.percentile(inside, [0.5, 99.5]))
    pair(tmp_path, "a", np.full((SIDE, SIDE), 9, np.uint8), None)
    assert "one value everywhere" in refused(tmp_path, masks="")


@pytest.mark.parametrize(
    ("kind", "remark"), [("RGB", "gray as RGB"), ("RGBA", "opaque"), ("P", "palette")]
)
def test_gray_that_is_stored_in_color_is_one_channel(tmp_path, kind, remark) -> None:
    picture = Image.fromarray(GRAY)
    (tmp_path / "images").mkdir()
    if kind == "P":
        picture.putpalette(
            [255 - value // 3 for value in range(768)]
        )  # an inverting palette: an index is no intensity
    (picture if kind == "P" else picture.convert(kind)).save(tmp_path / "images" / "a.png")
    with pytest.warns(UserWarning, match=remark):
        sample = folder(tmp_path, masks="").load("a-000")
    assert sample.channels == ("image",)
    assert np.array_equal(
        sample.image[..., 0], ((255 - GRAY if kind == "P" else GRAY) / 255).astype(np.float32)
    )


def test_color_is_three_channels_or_its_luminance(tmp_path) -> None:
    color = np.stack([GRAY, GRAY.T, 255 - GRAY], -1)
    pair(tmp_path, "a", color, None)
    sample = only(tmp_path, masks="")
    assert sample.channels == ("red", "green", "blue")
    assert np.array_equal(sample.image, (color / 255).astype(np.float32))
    luma = np.asarray(Image.fromarray(color).convert("L"))
    assert np.abs(only(tmp_path, masks="", color="gray").image[..., 0] * 255 - luma).max() <= 1


def test_pictures_that_lie_otherwise(tmp_path) -> None:
    exif = Image.Exif()
    exif[274] = 6  # turn by 90 degrees
    save(tmp_path / "images" / "a.png", GRAY, exif=exif)
    assert np.array_equal(
        only(tmp_path, masks="").image[..., 0], (np.rot90(GRAY, -1) / 255).astype(np.float32)
    )
    (tmp_path / "images" / "a.png").unlink()
    tifffile.imwrite(tmp_path / "images" / "a.tif", 255 - GRAY, photometric="miniswhite")
    assert np.array_equal(only(tmp_path, masks="").image[..., 0], (GRAY / 255).astype(np.float32))
    Image.fromarray(GRAY > 99).save(tmp_path / "images" / "a.tif")
    assert np.array_equal(only(tmp_path, masks="").image[..., 0] == 1, GRAY > 99)


def test_volumes_lie_alike_whatever_their_files_say(tmp_path) -> None:
    """A mask stored along other axes is turned to the image; one of other voxels is said; several
    channels are kept.
    """
    rng = np.random.default_rng(1)
    voxels, seg = (
        rng.integers(1, 99, (20, 18, 5, 2)).astype(np.int16),
        np.zeros((20, 18, 5), np.uint8),
    )
    seg[3:6, 4:12, 2], seg[8:10, 4, 4] = 1, 4
    nibabel.save(
        nibabel.Nifti1Image(voxels, np.diag([1, 1, 2, 1])), image := tmp_path / "s1_img.nii.gz"
    )
    turned = nibabel.Nifti1Image(seg, np.diag([1, 1, 2, 1])).as_reoriented(
        nibabel.io_orientation(np.diag([-1, -1, 1, 1]))
    )
    nibabel.save(turned, tmp_path / "s1_seg.nii.gz")
    options = {"images": "*_img.nii.gz", "masks": "s1_seg.nii.gz", "slices": "largest"}
    sample = only(tmp_path, **options)
    assert sample.id == "s1_img-002" and sample.channels == ("channel-0", "channel-1")
    assert np.array_equal(sample.mask, (seg[:, :, 2].T > 0)[::-1, ::-1])
    assert np.argmax(sample.image[..., 1]) == np.argmax(voxels[:, :, 2, 1].T[::-1, ::-1])
    assert only(tmp_path, **options, lesion="4").id == "s1_img-004"
    shifted = np.array([[1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]])
    for affine, found in (
        (np.diag([1, 1, 3, 1]), "20 x 18 x 5 voxels of 1 x 1 x 3 mm"),
        (np.diag([-1, -1, 2, 1]), "s1_seg.nii.gz lies LPS"),
        (shifted, "1 voxels apart"),
    ):
        nibabel.save(nibabel.Nifti1Image(seg, affine), tmp_path / "s1_seg.nii.gz")
        assert found in (message := refused(tmp_path, **options)) and "s1_img.nii.gz" in message
    header = nibabel.Nifti1Header()
    header.set_data_shape(seg.shape)
    header.set_zooms((1, 1, 2))
    nibabel.save(nibabel.Nifti1Image(seg, None, header), tmp_path / "s1_seg.nii.gz")
    with pytest.warns(
        UserWarning,
        match="s1_seg.nii.gz does not say how it lies: taken to lie as s1_img.nii.gz does",
    ):
        assert np.array_equal(
            folder(tmp_path, **options).load("s1_img-002").mask, (seg[:, :, 2].T > 0)[::-1, ::-1]
        )
    nibabel.save(nibabel.Nifti1Image(voxels[:, :1, :, 0], np.eye(4)), image)
    assert "1 x 20 pixels" in refused(tmp_path, **options | {"masks": ""})


@pytest.mark.skipif(
    not os.environ.get("SINCO_BENCH_DATA"), reason="SINCO_BENCH_DATA is not set: no real TCIA case"
)
def test_the_real_case() -> None:
    """FLAIR in BraTS space with fused labels; the native FLAIR beside it has other voxels, and that
    mask is not its own.
    """
    root, masks = (
        Path(os.environ["SINCO_BENCH_DATA"]) / "tcia_brats_space",
        "{parent}/fusion_simple.nii.gz",
    )
    dataset = folder(
        root, images="*/*_fla_bet.nii.gz", masks=masks, slices="largest", window="percentile"
    )
    (sample_id,) = dataset.ids("test")
    assert (
        sample_id == "TCGA-FG-6692_OtherEXampleFromTCIA_fla_bet-087"
        and dataset.person(sample_id) == "TCGA_FG_6692"
    )
    areas = dataset.scan(next(iter(dataset.files))).areas()
    assert sum(areas) == 2477 + 20862 + 6840 and np.flatnonzero(areas)[[0, -1]].tolist() == [
        61,
        112,
    ]
    assert dataset.load(sample_id).mask.sum() == max(areas)
    assert "fusion_simple.nii.gz" in refused(root, images="*/MRHR*", masks=masks)


@pytest.mark.parametrize("kind", ["RGB", "RGBA", "LA", "gray as RGB"])
def test_sixteen_bits_in_color_stay_sixteen(tmp_path, kind) -> None:
    imagecodecs = pytest.importorskip("imagecodecs")
    deep = np.random.default_rng(1).integers(0, 2**16, (SIDE, SIDE, 4)).astype(np.uint16)
    deep[..., 3] = 65535
    deep = {
        "RGB": deep[..., :3],
        "RGBA": deep,
        "LA": deep[..., 2:],
        "gray as RGB": deep[..., [0, 0, 0]],
    }[kind]
    path = tmp_path / "a.png"
    path.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(deep)))
    planes = _pictures.read_picture(path).planes
    gray = kind in ("LA", "gray as RGB")
    assert planes.dtype == np.uint16 and np.array_equal(
        planes[0], deep[..., 0] if gray else deep[..., :3]
    )
    if kind in ("RGBA", "LA"):
        deep[3, 3, -1] = 65534
        path.write_bytes(imagecodecs.png_encode(np.ascontiguousarray(deep)))
        with pytest.raises(InputError, match="1 of its pixels are transparent"):
            _pictures.read_picture(path)


def test_signed_numbers_do_not_wrap(tmp_path) -> None:
    color = np.zeros((SIDE, SIDE, 3), np.int16)
    color[..., 0], color[..., 1] = -32768, 32767  # their difference is -1 in 16 bits
    np.save(tmp_path / "a.npy", color)
    assert _pictures.read_picture(tmp_path / "a.npy").colored
    signed = np.linspace(-30000, 30000, SIDE * SIDE).astype(np.int16).reshape(SIDE, SIDE)
    tifffile.imwrite(tmp_path / "a.tif", signed, photometric="miniswhite")
    assert np.array_equal(_pictures.read_picture(tmp_path / "a.tif").planes[0], -1 - signed)


def test_volumes_with_a_fourth_axis_of_one(tmp_path) -> None:
    for part, plane in (("images", GRAY), ("masks", MASK)):
        (tmp_path / part).mkdir()
        nibabel.save(
            nibabel.Nifti1Image(plane.T[..., None, None], np.diag([-1, -1, 1, 1])),
            tmp_path / part / "a.nii.gz",
        )
    sample = only(tmp_path)
    assert sample.channels == ("image",) and np.array_equal(sample.mask, MASK > 0)


@pytest.mark.parametrize("window", ["percentile", "zscore", "minmax", "full"])
def test_binary_images_show_what_they_show(tmp_path, window) -> None:
    (tmp_path / "images").mkdir()
    np.save(tmp_path / "images" / "a.npy", MASK > 0)
    image = only(tmp_path, masks="", window=window).image[..., 0]
    assert image[MASK > 0].min() > image[MASK == 0].max()

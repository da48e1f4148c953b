"""folder: every format, names with spaces and brackets, pairs of image and mask, and every way in
which one of them can be wrong.
"""

from __future__ import annotations

import io
import os
import warnings
import zipfile
import zlib
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image

from benchmark.checks import Subject, run_checks
from benchmark.errors import InputError
from benchmark.files import pictures as _pictures
from benchmark.plugins.index import get
from tests.volume_files import save_volume

SIDE = 32
GRAY = np.random.default_rng(0).integers(1, 256, (SIDE, SIDE)).astype(np.uint8)
GRAY[0, 0] = 0  # corners that differ: no background
MASK = np.zeros((SIDE, SIDE), np.uint8)
MASK[8:16, 4:20] = 255


def save(path: Path, array: np.ndarray, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def pair(root: Path, stem: str, image: np.ndarray = GRAY, mask: np.ndarray | None = MASK) -> None:
    save(root / "images" / f"{stem}.png", image)
    if mask is not None:
        save(root / "masks" / f"{stem}.png", mask)


def folder(root: Path, **options):
    return get("dataset", "folder").load()(root, **{"size": 0, "window": "full", **options})


def all_ids(dataset) -> list[str]:
    return [sample_id for split in ("train", "val", "test") for sample_id in dataset.ids(split)]


def only(root: Path, **options):
    """The sample of the one image in a folder; a warning that the test does not wait for is an
    error.
    """
    dataset = folder(root, **options)
    (sample_id,) = all_ids(dataset)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return dataset.load(sample_id)


def refused(root: Path, **options) -> str:
    """What the error about a folder says."""
    dataset = folder(root, **options)
    with pytest.raises(InputError) as error:
        for sample_id in all_ids(dataset):
            dataset.load(sample_id)
    return str(error.value)


def write(path: Path, plane: np.ndarray) -> None:
    """A plane in the format of the suffix; volumes so that they are turned back to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, plane)
    elif path.suffix == ".npz":
        np.savez_compressed(path, plane)
    elif path.suffix in (".tif", ".png"):
        tifffile.imwrite(path, plane) if path.suffix == ".tif" else save(path, plane)
    elif path.suffix == ".gz":  # axes run left, back and up: LPS
        nibabel.save(nibabel.Nifti1Image(plane.T[..., None], np.diag([-0.5, -0.5, 3, 1])), path)
    else:
        sitk = pytest.importorskip("SimpleITK")
        image = sitk.GetImageFromArray(plane[None])
        image.SetSpacing((0.5, 0.5, 3.0))
        sitk.WriteImage(image, str(path))


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


@pytest.mark.parametrize(
    "kind",
    [
        "transparent",
        "CMYK",
        "film",
        "arrays",
        "text",
        "shape",
        "NaN",
        "two sizes",
        "pickle",
        "zipped",
    ],
)
def test_what_no_picture_is_here_is_refused_by_name(tmp_path, kind) -> None:
    there = tmp_path / "images"
    there.mkdir()
    picture = Image.fromarray(GRAY)
    if kind == "transparent":
        clear = picture.convert("RGBA")
        clear.putpixel((3, 3), (0, 0, 0, 7))
        clear.save(there / "a.png")
        out = "1 of its pixels are transparent"
    elif kind == "CMYK":
        picture.convert("CMYK").save(there / "a.jpg")
        out = "its colors are CMYK"
    elif kind == "film":
        picture.save(there / "a.png", save_all=True, append_images=[Image.fromarray(GRAY.T)])
        out = "film of 2 pictures"
    elif kind == "arrays":
        np.savez(there / "a.npz", first=GRAY, second=GRAY)
        out = "2 arrays: first, second"
    elif kind == "two sizes":
        tifffile.imwrite(there / "a.tif", GRAY)
        tifffile.imwrite(there / "a.tif", GRAY[:16], append=True)
        out = "2 pictures of unequal sizes"
    else:
        values = {
            "text": np.array([["a"]]),
            "shape": np.ones((4, 4, 2)),
            "NaN": np.where(GRAY > 9, GRAY, np.nan),
        }
        array = values.get(kind, np.array([[{}]], dtype=object))
        (
            np.savez(there / "a.npz", array)
            if kind == "zipped"
            else np.save(there / "a.npy", array, allow_pickle=True)
        )
        out = {
            "text": "of type <U1",
            "shape": "(4, 4, 2)",
            "pickle": "Python objects",
            "zipped": "allow_pickle=False",
        }.get(kind, kind)
    message = refused(tmp_path, masks="")
    assert out in message and str(there / "a.") in message


@pytest.mark.parametrize(
    "suffix", [".png", ".jpg", ".tif", ".npy", ".npz", ".nii.gz", ".mha", ".dcm"]
)
@pytest.mark.parametrize("size", [0, 40, 0.6])
def test_a_damaged_file_is_named_and_the_others_are_read(tmp_path, suffix, size) -> None:
    path = tmp_path / "images" / f"a{suffix}"
    save(path, GRAY) if suffix == ".jpg" else write(path, GRAY)
    data = path.read_bytes()
    path.write_bytes(data[: size if size in (0, 40) else int(size * len(data))])
    save(tmp_path / "images" / "b.png", GRAY)
    dataset = folder(tmp_path, masks="")
    assert all_ids(dataset) in (["a-000", "b-000"], ["b-000", "a-000"])
    assert dataset.load("b-000").image.max() == 1
    with pytest.raises(InputError, match=f"a{suffix}"):
        dataset.load("a-000")


def test_bombs_are_refused(tmp_path, monkeypatch) -> None:
    save(tmp_path / "images" / "a.png", np.zeros((64, 64), np.uint8))
    for limit in (
        1500,
        3000,
    ):  # Pillow raises above twice its limit, and between it and that only warns
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        assert "decompression bomb" in refused(tmp_path, masks="")
    (tmp_path / "images" / "a.png").unlink()
    monkeypatch.setattr(_pictures, "MOST_BYTES", 5000)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (100, 100)}
    )
    with zipfile.ZipFile(tmp_path / "images" / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header.getvalue() + bytes(10_000))
    assert "unpacks to 10,128 bytes" in refused(tmp_path, masks="")
    (tmp_path / "images" / "a.npz").unlink()
    tifffile.imwrite(
        tmp_path / "images" / "a.tif", np.zeros((100, 100), np.uint8), compression="zlib"
    )
    assert "promises 10,000 bytes" in refused(tmp_path, masks="")
    (tmp_path / "images" / "a.tif").unlink()
    (tmp_path / "images" / "a.npy").write_bytes(
        header.getvalue().replace(b"(100, 100)", b"(9999,9999)"[:10]) + bytes(100)
    )
    assert "no readable NPY" in refused(tmp_path, masks="")


def test_names_with_spaces_and_brackets_are_safe_and_unique(tmp_path) -> None:
    for i, stem in enumerate(
        ("image (1)", "image[2]", "Äther 3", "a b", "a_b", "c (1)", "C_1", "x*?")
    ):
        pair(tmp_path, stem, np.roll(GRAY, i, 0))
    dataset = folder(tmp_path, patient="images/(.+)[.]")
    ids = all_ids(dataset)
    assert {"image_1-000", "image_2-000", "Äther_3-000", "x-000"} <= set(ids)
    assert (
        len(ids) == 8 == len({i.casefold() for i in ids})
    )  # for file systems that take c_1 and C_1 for one name
    assert all(i.replace("_", "").replace("-", "").replace(".", "").isalnum() for i in ids)
    for sample_id in ids:
        sample = dataset.load(sample_id)
        assert sample.has_lesion and sample_id.startswith(sample.patient)
    assert (
        dataset.load("image_2-000").image[1, 0, 0] == 0
    )  # rolled by one: image[2] is not read as a pattern
    (tmp_path / "images" / "a b.png").unlink()
    assert "a_b-000" in all_ids(folder(tmp_path, patient="images/(.+)[.]"))


def test_equal_names_in_several_folders(tmp_path) -> None:
    for i, who in enumerate(("p1", "p2")):
        save(tmp_path / "images" / who / "x.png", GRAY)
        save(tmp_path / "masks" / who / "x.png", np.roll(MASK, i, 0))
        save(tmp_path / "images" / who / "x.png.mask" / "1.png", np.roll(MASK, i, 0))
    for masks in ("masks/{folder}/{stem}.*", "{parent}/{name}.mask/*", "*/{folder}/x.png"):
        dataset = folder(tmp_path, images="images/*/x*", masks=masks)
        assert sorted(all_ids(dataset)) == ["p1_x-000", "p2_x-000"]
        if not masks.startswith("*"):
            assert np.array_equal(dataset.load("p2_x-000").mask, np.roll(MASK, 1, 0) > 0)


def test_slices_of_a_patient_stay_together(tmp_path) -> None:
    for n in range(5):
        for stem in (f"p1_{n}", f"p10-{n:03d}", f"p2 ({n})", f"p{n + 20}"):
            pair(tmp_path, stem, GRAY, None)
    dataset = folder(tmp_path, masks="")
    assert len(all_ids(dataset)) == 20 and dataset.load("p10-003-000").patient == "p10"
    who = {case: dataset.patient(case) for case in dataset.files}
    assert set(who.values()) == {"p1", "p10", "p2", *(f"p{n + 20}" for n in range(5))}
    homes = {
        patient: {dataset.split(case) for case in who if who[case] == patient}
        for patient in who.values()
    }
    assert all(len(home) == 1 for home in homes.values()) and set.union(*homes.values()) == {
        "train",
        "test",
    }
    (tmp_path / "volumes").mkdir()
    for i in range(12):  # the volume of a patient is one file: its number says who it is
        nibabel.save(
            nibabel.Nifti1Image(np.stack([GRAY, GRAY.T], -1), np.eye(4)),
            tmp_path / "volumes" / f"sub-{i:02d}.nii.gz",
        )
    volumes = folder(tmp_path, images="volumes/*", masks="")
    assert {volumes.patient(case) for case in volumes.files} == {f"sub-{i:02d}" for i in range(12)}


@pytest.mark.parametrize("suffix", [".nii.gz", ".mha", ".dcm"])
def test_slices_in_formats_of_volumes_stay_together(tmp_path, suffix) -> None:
    for n in range(12):
        write(tmp_path / "images" / f"pat1_{n:03d}{suffix}", GRAY)
        write(tmp_path / "images" / f"pat2_{n:03d}{suffix}", GRAY)
    dataset = folder(tmp_path, masks="")
    assert {dataset.patient(case) for case in dataset.files} == {"pat1", "pat2"}
    for who in ("pat1", "pat2"):
        assert len({dataset.split(case) for case in dataset.files if case.startswith(who)}) == 1
    if suffix != ".dcm":
        shape = (3, SIDE, SIDE)
        for n in range(2):
            save_volume(tmp_path / "images" / f"pat3_{n}{suffix}", np.broadcast_to(GRAY, shape))
        dataset = folder(tmp_path, masks="")
        assert {dataset.patient(case) for case in dataset.files} == {
            "pat1",
            "pat2",
            "pat3_0",
            "pat3_1",
        }


def test_a_name_never_passes_to_another_file(tmp_path) -> None:
    for suffix in (".png", ".tif", ".npy"):
        write(tmp_path / "images" / f"scan_1{suffix}", GRAY)
        ids = all_ids(folder(tmp_path, masks=""))
        assert ("scan_1-000" in ids) == (suffix == ".png") and len(
            {i.casefold() for i in ids}
        ) == len(ids)


def test_the_contract_holds_where_one_patients_name_begins_like_anothers(tmp_path) -> None:
    for i, stem in enumerate(
        ("p1", "p1-0", "p1_1", "p10_0", "p10_1")
    ):  # p1 is in train, p10 in test
        pair(tmp_path, stem, np.roll(GRAY, i), None)
    failed = [
        str(result)
        for result in run_checks(
            "dataset", Subject.registered(get("dataset", "folder"), root=tmp_path, masks="")
        )
        if result.status != "passed"
    ]
    assert not failed


def test_one_patient_in_all_is_said(tmp_path) -> None:
    for n in range(3):
        pair(tmp_path, f"img_{n}", np.roll(GRAY, n), None)
    with pytest.warns(
        UserWarning, match=r"all 3 images count as one patient, img.*patient='\(.\+\)'"
    ):
        all_ids(folder(tmp_path, masks=""))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = folder(tmp_path, masks="", patient="(img_[0-9])")
        assert {dataset.patient(case) for case in dataset.files} == {"img_0", "img_1", "img_2"}
    with pytest.raises(InputError, match=r"the patient of images/img_0.png"):
        all_ids(folder(tmp_path, masks="", patient="sub-(.)"))


def test_known_people_are_in_the_split_that_they_have_everywhere(tmp_path) -> None:
    pair(tmp_path, "FLAIR of TCGA-FG-6692_12", GRAY, None)
    dataset = folder(tmp_path, masks="")
    assert dataset.person(next(iter(dataset.files))) == "TCGA_FG_6692"
    found = only(tmp_path, masks="", patient="(TCGA-..-....)")
    assert (found.patient, found.id) == (
        "TCGA-FG-6692",
        "TCGA-FG-6692_FLAIR_of_TCGA-FG-6692_12-000",
    )  # an id starts with its patient
    assert get("dataset", "lgg").load()(tmp_path).split("TCGA_FG_6692_20020606") == dataset.split(
        next(iter(dataset.files))
    )


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


def test_patterns_and_options_that_cannot_be(tmp_path) -> None:
    pair(tmp_path, "a")
    for options, text in (
        ({"images": "pictures/*"}, "there are images/, masks/"),
        ({"images": "../*"}, "stay inside"),
        ({"images": str(tmp_path / "*")}, "stay inside"),
        ({"masks": "masks/{steam}*"}, "{steam} stands for nothing"),
        ({"masks": "labels/{stem}*"}, "none of 1 images has one, such as images/a.png"),
        ({"masks": "{}*"}, "stands for"),
        ({"patient": "["}, "no regular expression"),
        ({"patient": "a"}, "it has no group"),
        ({"lesion": "one"}, "no label numbers"),
        ({"color": "blue"}, "color"),
        ({"slices": "first"}, "slices"),
    ):
        with pytest.raises(InputError) as error:
            all_ids(folder(tmp_path, **options))
        assert text in str(error.value), options
    for root in (None, tmp_path / "nowhere", tmp_path / "images" / "a.png"):
        with pytest.raises(InputError, match="--root FOLDER"):
            folder(root).fetch()
    for name in ("b-000", "a", "../a-000", "a-001"):
        with pytest.raises(InputError):
            folder(tmp_path).load(name)


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


def test_a_name_that_is_no_text_hides_no_other(tmp_path) -> None:
    for stem in ("a", os.fsdecode(b"caf\xe9"), os.fsdecode(b"caf\xe8")):
        try:
            pair(tmp_path, stem)
        except OSError:
            pytest.skip("this file system takes names in UTF-8 alone")
    dataset = folder(tmp_path, patient=r"images/(.+)\.png", slices="largest")
    ids = [name for name in all_ids(dataset) if name != "a-000"]
    assert (
        len(ids) == 2 and dataset.load("a-000").mask.any() and all(name.isascii() for name in ids)
    )
    for name in ids:
        with pytest.raises(InputError, match=r"(?s)caf\\xe[89].png.*not in UTF-8"):
            dataset.load(name)


def test_pipes_are_no_images(tmp_path) -> None:
    pair(tmp_path, "a")
    os.mkfifo(tmp_path / "images" / "b.png")
    os.mkfifo(tmp_path / "masks" / "a_2.png")
    assert only(tmp_path).mask.any()


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_arrays_whose_header_claims_more_than_there_is(tmp_path, suffix, monkeypatch) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (2**20, 2**20)}
    )
    (tmp_path / "images").mkdir()
    path = tmp_path / "images" / f"a{suffix}"
    if suffix == ".npy":
        path.write_bytes(header.getvalue() + bytes(100))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", header.getvalue() + bytes(100))
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("memory was asked for"))
    assert "its header claims 1,099,511,627,904 bytes" in refused(tmp_path, masks="")


def test_an_archive_whose_directory_claims_more_than_there_is(tmp_path) -> None:
    np.savez_compressed(tmp_path / "a.npz", np.zeros((64, 64), np.uint8))
    data = bytearray((tmp_path / "a.npz").read_bytes())
    at = data.index(b"PK\x01\x02") + 24  # the unpacked size, in the archive's directory
    data[at : at + 4] = (2**31).to_bytes(4, "little")
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(InputError, match="claims to unpack to 2,147,483,648 bytes"):
        _pictures.read_picture(tmp_path / "a.npz")


def test_patterns_that_are_none(tmp_path) -> None:
    pair(tmp_path, "a")
    assert "images=**a" in refused(tmp_path, images="**a")
    assert "masks=**bad/*" in refused(tmp_path, masks="**bad/*")


@pytest.mark.parametrize("window", ["percentile", "zscore", "minmax", "full"])
def test_binary_images_show_what_they_show(tmp_path, window) -> None:
    (tmp_path / "images").mkdir()
    np.save(tmp_path / "images" / "a.npy", MASK > 0)
    image = only(tmp_path, masks="", window=window).image[..., 0]
    assert image[MASK > 0].min() > image[MASK == 0].max()


def test_names_are_as_long_as_a_file_system_takes(tmp_path) -> None:
    pair(tmp_path, "\u8133" * 80)
    (sample_id,) = all_ids(folder(tmp_path))
    assert sample_id == "\u8133" * 33 + "-000"


def test_numbers_below_zero_in_a_mask_are_said(tmp_path) -> None:
    pair(tmp_path, "a", mask=None)
    (tmp_path / "masks").mkdir()
    np.save(tmp_path / "masks" / "a.npy", np.where(MASK > 0, np.int16(-3), np.int16(0)))
    with pytest.warns(UserWarning, match="numbers below 0, down to -3"):
        assert not folder(tmp_path).load("a-000").mask.any()

"""brain-tumor-mri: both layouts, pictures of every size and mode, and copies that stand in train
and test.
"""

from __future__ import annotations

import os
import shutil
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.checks import Subject, run_checks
from benchmark.errors import InputError
from benchmark.images import cache
from benchmark.plugins.index import get

LAYOUTS = {
    "sartajbhuvaji": ("glioma_tumor", "meningioma_tumor", "no_tumor", "pituitary_tumor"),
    "masoudnickparvar": ("glioma", "meningioma", "notumor", "pituitary"),
}
CLASSES = ("glioma", "meningioma", "none", "pituitary")
SPLITS = ("train", "val", "test")


def write(path: Path, seed: int, mode: str = "RGB", size: tuple[int, int] = (40, 32)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8)).astype(np.uint8)
    Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR).convert(mode).save(
        path, quality=95
    )
    return path


@pytest.fixture(params=sorted(LAYOUTS))
def root(tmp_path, request) -> Path:
    seed = 0
    for side, count in (("Training", 12), ("Testing", 3)):
        for folder in LAYOUTS[request.param]:
            for i in range(count):
                seed += 1
                write(
                    tmp_path / side / folder / f"image({i}).jpg",
                    seed,
                    "RGB" if i % 2 else "L",
                    (40 + i, 32 + 2 * i),
                )
    return tmp_path


def data(root: Path | None, **options):
    return get("dataset", "brain-tumor-mri").load()(root, **{"size": 32, **options})


def test_both_layouts_give_classes_and_no_masks(root) -> None:
    dataset = data(root)
    ids = {split: dataset.ids(split) for split in SPLITS}
    assert (
        len(ids["test"]) == 12
        and len(ids["train"]) + len(ids["val"]) == 48
        and ids["train"]
        and ids["val"]
    )
    assert all(i.startswith("Testing-") for i in ids["test"]) and all(
        i.startswith("Training-") for i in ids["train"] + ids["val"]
    )
    assert Counter(dataset.load(i).label for i in ids["test"]) == dict.fromkeys(CLASSES, 3)
    sample = dataset.load("Testing-none-image_2-000")
    assert (
        sample.label == "none"
        and sample.channels == ("image",)
        and sample.image.shape == (32, 32, 1)
    )
    assert not sample.has_lesion and sample.slice_index == 0
    for split in SPLITS:
        assert ids[split] == sorted(ids[split])
    failed = [
        str(result)
        for result in run_checks(
            "dataset", Subject.registered(get("dataset", "brain-tumor-mri"), root=root)
        )
        if result.status != "passed"
    ]
    assert not failed


def test_pixels_are_the_files_and_sizes_become_one(root) -> None:
    path = next(root.glob("Testing/no*/image(2).jpg"))
    file = np.asarray(Image.open(path).convert("L"))
    sample = data(root, size=0).load("Testing-none-image_2-000")
    assert (
        sample.image.shape == (36, 42, 1) and sample.window == (0.0, 255.0) and sample.brain.all()
    )
    assert np.array_equal(sample.image[..., 0], (file / 255).astype(np.float32))
    padded = data(root, size=64, fit="pad").load(sample.id)
    assert (
        padded.image.shape == (64, 64, 1) and padded.brain.sum() == 36 * 42
    )  # what pads it is outside


def test_classes_restrict(root) -> None:
    dataset = data(root, classes="glioma,none")
    assert {dataset.load(i).label for split in SPLITS for i in dataset.ids(split)} == {
        "glioma",
        "none",
    }
    assert set(dataset.ids("train")) <= set(data(root).ids("train"))
    with pytest.raises(InputError, match="no class is called notumor"):
        data(root, classes="glioma,notumor")


def test_gray_in_rgb_is_gray_and_color_is_said(root) -> None:
    dataset = data(root)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for i in dataset.ids("test"):
            assert dataset.load(i).image.shape[2] == 1
    path = next(root.glob("Testing/no*/image(2).jpg"))
    color = np.zeros((40, 40, 3), np.uint8)
    color[..., 1], color[:20, :, 0] = 200, 255
    Image.fromarray(color).save(path, quality=95)
    with pytest.warns(
        UserWarning, match="Testing-none-image_2: it has colors, of which the luminance is read"
    ):
        sample = data(root, size=0).load("Testing-none-image_2-000")
    assert abs(sample.image[-1, 0, 0] - 0.587 * 200 / 255) < 0.02


def test_a_copy_in_training_of_a_picture_in_testing_is_left_out(root) -> None:
    """By content: under another name, in another class, whatever else is selected; the copy stays a
    case that a check can name.
    """
    before = {split: data(root).ids(split) for split in SPLITS}
    classes = sorted(folder.name for folder in (root / "Testing").iterdir())
    shutil.copy(
        root / "Testing" / classes[0] / "image(0).jpg",
        root / "Training" / classes[0] / "other (7).jpg",
    )
    shutil.copy(
        root / "Testing" / classes[1] / "image(1).jpg",
        root / "Training" / classes[0] / "image(3).jpg",
    )
    dataset = data(root)
    with pytest.warns(
        UserWarning,
        match=(
            r"2 of 61 pictures are copies, byte for byte, and are left out: 2 of Training are in"
            r" Testing too "
            r"\(such as Training-glioma-image_3\), and 1 are in another class"
        ),
    ):
        after = {split: dataset.ids(split) for split in SPLITS}
    assert after["test"] == before["test"]
    assert set(before["train"] + before["val"]) - set(after["train"] + after["val"]) == {
        "Training-glioma-image_3-000"
    }
    assert not any("other" in i for i in after["train"] + after["val"])
    assert (
        "Training-glioma-other_7" in dataset.files
        and dataset.split("Training-glioma-other_7") is None
    )


def test_a_file_of_splits_is_heard_but_a_copy_stays_out(root, tmp_path) -> None:
    split = data(root).split_file()
    moved = {**split.persons, "Training-none-image_4": "test", "Testing-none-image_2": "train"}
    (tmp_path / "mine.tsv").write_text(type(split)(moved).text("brain-tumor-mri"))
    shutil.copy(
        next(root.glob("Testing/gl*/image(0).jpg")),
        next(root.glob("Training/gl*")) / "image(3).jpg",
    )
    dataset = data(root, splits=str(tmp_path / "mine.tsv"))
    with pytest.warns(UserWarning, match="1 of 60 pictures are copies"):
        assert "Training-none-image_4-000" in dataset.ids(
            "test"
        ) and "Testing-none-image_2-000" in dataset.ids("train")
    assert dataset.split("Training-glioma-image_3") is None and moved["Training-glioma-image_3"]


def test_copies_within_training_are_on_one_side_once(root) -> None:
    folder = next((root / "Training").glob("gl*"))
    for i in range(12):
        shutil.copy(
            folder / f"image({i}).jpg", folder / f"image ({i}).jpg"
        )  # the safe names are equal, too
    with pytest.warns(UserWarning, match="12 of 72 pictures are copies"):
        dataset = data(root)
        ids = [i for split in SPLITS for i in dataset.ids(split)]
    assert len(ids) == len(set(ids)) == 60 and len(dataset.files) == 72
    hashes = Counter(dataset.load(i).hash for i in ids)
    assert set(hashes.values()) == {1}


def test_strays_are_no_pictures(root) -> None:
    before = [data(root).ids(split) for split in SPLITS]
    folder = next((root / "Training").glob("gl*"))
    write(folder / ".ipynb_checkpoints" / "image(1)-checkpoint.jpg", 999)
    write(root / "Training" / ".ipynb_checkpoints" / "x.jpg", 998)
    (folder / ".ipynb_checkpoints.jpg").write_text("stray")
    (folder / "Thumbs.db").write_text("-")
    (root / "Training" / ".DS_Store").write_text("-")
    assert [data(root).ids(split) for split in SPLITS] == before


@pytest.mark.parametrize("damage", ["cut", "empty", "text"])
def test_a_damaged_picture_is_named(root, damage) -> None:
    path = next(root.glob("Testing/no*/image(2).jpg"))
    path.write_bytes({"cut": path.read_bytes()[:300], "empty": b"", "text": b"<html>"}[damage])
    dataset = data(root)
    assert "Testing-none-image_2-000" in dataset.ids("test")
    with pytest.raises(InputError, match=r"image\(2\).jpg\nfound: no readable JPG"):
        dataset.load("Testing-none-image_2-000")


def test_folders_that_are_none_of_a_release(root, tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("SINCO_BENCH_DATA", raising=False)
    for where in (None, tmp_path / "nowhere", root / "Training"):
        with pytest.raises(InputError, match="masoudnickparvar/brain-tumor-mri-dataset"):
            data(where).fetch()
    for name in (
        "Testing-none-image_99-000",
        "Testing-none-image_2",
        "Testing-none-image_2-001",
        "../x-000",
    ):
        with pytest.raises(InputError):
            data(root).load(name)
    write(root / "Training" / "metastasis" / "x.jpg", 1)
    with pytest.raises(InputError, match="metastasis[^~]*the folders of one release"):
        data(root).ids("test")


def test_files_are_hashed_once(root, monkeypatch) -> None:
    first = data(root).ids("train")

    def unread(path: Path) -> str:
        raise AssertionError(f"{path} is read again")

    monkeypatch.setattr(cache, "_digest", unread)
    assert data(root).ids("train") == first
    next(root.glob("Training/no*/image(2).jpg")).touch()
    with pytest.raises(AssertionError, match="is read again"):
        data(root).ids("train")


@pytest.mark.skipif(
    not os.environ.get("SINCO_BENCH_DATA"), reason="SINCO_BENCH_DATA is not set: no real pictures"
)
@pytest.mark.parametrize(
    ("folder", "testing", "training"),
    [
        (
            "brain_tumor_mri_masoudnickparvar_224",
            {
                "glioma": "Te-gl_0067",
                "meningioma": "Te-meTr_0001",
                "none": "Te-no_0185",
                "pituitary": "Te-pi_0294",
            },
            {"glioma": "Tr-gl_0020", "none": "Tr-no_1224", "pituitary": "Tr-pi_1446"},
        ),
        (
            "brain_tumor_classification_sartajbhuvaji",
            {"glioma": "image_29", "pituitary": "image_70"},
            {"glioma": "gg_105", "meningioma": "m1_122", "pituitary": "p_790"},
        ),
    ],
)
def test_the_real_pictures(folder, testing, training) -> None:
    """Pictures by name, since a folder of real pictures grows: their split, their class and how
    they look.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no copies in the pictures at hand
        dataset = data(Path(os.environ["SINCO_BENCH_DATA"]) / folder, size=0)
        ids = {split: dataset.ids(split) for split in SPLITS}
    assert not set(ids["test"]) & {*ids["train"], *ids["val"]} and ids["val"]
    for place, named, known in (
        ("Testing", testing, ids["test"]),
        ("Training", training, [*ids["train"], *ids["val"]]),
    ):
        assert all(sample_id.startswith(place) for sample_id in known)
        for label, name in named.items():
            sample_id = f"{place}-{label}-{name}-000"
            assert sample_id in known
            sample = dataset.load(sample_id)
            assert (
                sample.label == label
                and sample.image.shape[2] == 1
                and 0.03 < sample.image.mean() < 0.7
            )


def test_a_name_that_is_no_text_hides_no_other(root) -> None:
    folder = next((root / "Testing").glob("glioma*"))
    write(folder / os.fsdecode(b"caf\xe9.jpg"), 999)
    dataset = data(root)
    assert (
        len(dataset.ids("test")) == 13
        and dataset.load("Testing-glioma-image_1-000").label == "glioma"
    )
    with pytest.raises(InputError, match=r"(?s)caf\\xe9.jpg.*not in UTF-8"):
        dataset.load("Testing-glioma-caf-000")


def test_sixteen_bits_are_not_clipped(root) -> None:
    folder = next((root / "Testing").glob("glioma*"))
    deep = np.linspace(0, 65535, 32 * 32).astype(np.uint16).reshape(32, 32)
    Image.fromarray(deep).save(folder / "deep.png")
    assert np.allclose(
        data(root).load("Testing-glioma-deep-000").image[..., 0], deep / 65535, atol=1e-6
    )

"""lgg: the layout of the release, splits by patient, choices of slices, and every way in which a
file can be wrong.
"""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile

from benchmark.errors import InputError
from benchmark.plugins.index import get
from benchmark.types import VolumeStatistics

PATIENTS = (
    "TCGA_CS_4941_19960909",
    "TCGA_DU_7301_19911112",
    "TCGA_HT_8113_19930809",
    "TCGA_XX_0001_20000101",
)
AREAS = (0, 4, 30, 12, 0, 0, 0, 0, 0, 0, 0)  # of the masks of slices 1 to 11


def write_patient(folder: Path, name: str, areas: tuple[int, ...] = AREAS) -> None:
    (folder / name).mkdir(parents=True)
    rng = np.random.default_rng(len(name) + int(name[-2:]))
    for n, area in enumerate(areas, 1):
        image = np.zeros((64, 64, 3), np.uint8)
        image[8:56, 8:56] = rng.integers(40, 200, (48, 48, 3))
        mask = np.zeros((64, 64), np.uint8)
        mask[20 : 20 + area, 20:24] = 255
        tifffile.imwrite(folder / name / f"{name}_{n}.tif", image)
        tifffile.imwrite(folder / name / f"{name}_{n}_mask.tif", mask)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in PATIENTS:
        write_patient(tmp_path / "kaggle_3m", name)
    return tmp_path


def lgg(root: Path | None, **options):
    return get("dataset", "lgg").load()(root, **options)


def all_ids(dataset) -> list[str]:
    return [sample_id for split in ("train", "val", "test") for sample_id in dataset.ids(split)]


def test_choices_of_slices_in_natural_order(root) -> None:
    first = PATIENTS[0]

    def of_first(**options) -> list[str]:
        return [
            i.removeprefix(first + "-")
            for i in all_ids(lgg(root, size=32, **options))
            if i.startswith(first)
        ]

    assert of_first() == ["002", "003", "004"]
    assert of_first(slices="largest") == ["003"]
    assert of_first(slices="middle") == ["006"]  # 11 // 2 + 1
    assert of_first(slices="all") == [f"{n:03d}" for n in range(1, 12)]
    dataset = lgg(root, size=32)
    for split in ("train", "val", "test"):
        assert dataset.ids(split) == sorted(dataset.ids(split))


def test_all_leaves_out_slices_that_are_empty_everywhere(root) -> None:
    name = PATIENTS[0]
    tifffile.imwrite(root / "kaggle_3m" / name / f"{name}_1.tif", np.zeros((64, 64, 3), np.uint8))
    assert f"{name}-001" not in all_ids(lgg(root, slices="all")) and f"{name}-002" in all_ids(
        lgg(root, slices="all")
    )
    with pytest.raises(InputError, match=rf"slice 1 of {name}[^~]*empty"):
        lgg(root).load(f"{name}-001")


def test_a_split_does_not_depend_on_who_is_there(root) -> None:
    before = {split: lgg(root).ids(split) for split in ("train", "val", "test")}
    write_patient(root / "kaggle_3m", "TCGA_AA_0000_19990101")
    write_patient(root / "kaggle_3m", PATIENTS[0][:-2] + "31")  # the same person at another date
    after = {split: lgg(root).ids(split) for split in before}
    for split in before:
        assert set(before[split]) <= set(after[split])
    homes = [split for split in after if any(i.startswith("TCGA_CS_4941") for i in after[split])]
    assert len(homes) == 1


def test_pixels_are_the_files(root) -> None:
    name, n = PATIENTS[1], 3
    sample = lgg(root, size=0).load(f"{name}-{n:03d}")
    stack = np.stack(
        [tifffile.imread(root / "kaggle_3m" / name / f"{name}_{k}.tif") for k in range(1, 12)]
    )
    assert np.array_equal(sample.image[..., 0], (stack[n - 1, ..., 1] / 255).astype(np.float32))
    assert np.array_equal(
        sample.mask, tifffile.imread(root / "kaggle_3m" / name / f"{name}_{n}_mask.tif") > 0
    )
    assert sample.volume == VolumeStatistics.of(stack[..., 1:2] / np.float32(255))
    assert (sample.patient, sample.slice_index, sample.window) == ("TCGA_DU_7301", 3, (0.0, 255.0))
    assert sample.brain[30, 30] and not sample.brain[0, 0]
    halved = lgg(root, size=32).load(sample.id)
    assert np.allclose(
        halved.image, sample.image.reshape(32, 2, 32, 2, 1).mean(axis=(1, 3)), atol=1e-6
    )
    everything = lgg(root, size=0, channel="all").load(sample.id)
    assert everything.image.shape == (64, 64, 3) and everything.channels == (
        "pre-contrast",
        "flair",
        "post-contrast",
    )
    assert np.array_equal(everything.image[..., 1:2], sample.image)
    assert everything.volume == VolumeStatistics.of(stack / np.float32(255))


def test_a_channel_that_repeats_flair_is_named(root) -> None:
    name = PATIENTS[0]
    for path in (root / "kaggle_3m" / name).glob("*.tif"):
        if "mask" not in path.name:
            image = tifffile.imread(path)
            image[..., 2] = image[..., 1]
            tifffile.imwrite(path, image)
    with pytest.warns(UserWarning, match=f"{name}: post-contrast is missing"):
        lgg(root, channel="all").load(f"{name}-002")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lgg(root).load(f"{name}-002")
        lgg(root, channel="all").load(f"{PATIENTS[1]}-002")


@pytest.mark.parametrize(
    "damage", ["mask missing", "mask shape", "image shape", "truncated", "no TIFF", "gray"]
)
def test_damage_is_named(root, damage) -> None:
    name = PATIENTS[0]
    image, mask = (root / "kaggle_3m" / name / f"{name}_2{end}.tif" for end in ("", "_mask"))
    if damage == "mask missing":
        mask.unlink()
    elif damage == "mask shape":
        tifffile.imwrite(mask, np.full((32, 64), 255, np.uint8))
    elif damage == "image shape":
        tifffile.imwrite(image, np.ones((32, 64, 3), np.uint8))
    elif damage == "gray":
        tifffile.imwrite(image, np.ones((64, 64), np.uint8))
    else:
        image.write_bytes(image.read_bytes()[:200] if damage == "truncated" else b"not a picture")
    with pytest.raises(InputError) as error:
        lgg(root).load(f"{name}-002")
    assert f"{name}_2" in str(error.value) and str(error.value.todo)
    assert (damage == "mask missing") == (f"no file {name}_2_mask.tif" in str(error.value))


def test_folders_and_options_that_are_not_there(root, tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("SINCO_BENCH_DATA", raising=False)
    for where in (None, tmp_path / "nowhere", tmp_path / "kaggle_3m" / PATIENTS[0]):
        with pytest.raises(InputError, match="lgg-mri-segmentation"):
            lgg(where).fetch()
    assert lgg(root).fetch() == lgg(root / "kaggle_3m").fetch() == root / "kaggle_3m"
    for options in ({"channel": "t1"}, {"slices": "first"}, {"size": 4}):
        with pytest.raises(InputError, match=next(iter(options))):
            lgg(root, **options)
    for name in (
        "TCGA_CS_4941_19960909-099",
        "TCGA_CS_4941_19960909",
        "TCGA_NO_0000_1-001",
        "../x-001",
    ):
        with pytest.raises(InputError, match="no such slice|has slices 1 to 11"):
            lgg(root).load(name)


def test_a_folder_without_slices_hides_no_other(root) -> None:
    (root / "kaggle_3m" / "TCGA_FG_0000_20000101").mkdir()
    for slices in ("all", "tumour", "largest", "middle"):
        dataset = lgg(root, slices=slices)
        assert {i.rpartition("-")[0] for i in all_ids(dataset)} >= set(PATIENTS)
    with pytest.raises(
        InputError,
        match=r"no file TCGA_FG_0000_20000101_1.tif in .*kaggle_3m/TCGA_FG_0000_20000101",
    ):
        lgg(root).read("TCGA_FG_0000_20000101")


@pytest.mark.skipif(
    not os.environ.get("SINCO_BENCH_DATA"), reason="SINCO_BENCH_DATA is not set: no real LGG slices"
)
def test_the_real_slices() -> None:
    dataset = lgg(None, slices="largest")
    ids = {split: dataset.ids(split) for split in ("train", "val", "test")}
    assert len(ids["test"]) >= 8 and len(ids["train"]) >= 16 and len(ids["val"]) >= 3
    for sample_id in ids["test"]:
        sample = dataset.load(sample_id)
        assert sample.image.shape == (128, 128, 1) and 0.03 < sample.image.mean() < 0.5
        assert (
            sample.mask.sum() > 100 and (sample.mask & sample.brain).sum() > 0.9 * sample.mask.sum()
        )
        assert 0.15 < sample.brain.mean() < 0.8


def test_a_copy_of_a_folder_hides_no_other(root) -> None:
    copy = root / "kaggle_3m" / f"{PATIENTS[0]} (1)"
    shutil.copytree(root / "kaggle_3m" / PATIENTS[0], copy)
    (root / "kaggle_3m" / f"{PATIENTS[0]}[1]").mkdir()
    (root / "kaggle_3m" / os.fsdecode(b"TCGA_XX_0002_caf\xe9")).mkdir()
    for slices in ("all", "tumour", "largest", "middle"):
        dataset = lgg(root, slices=slices)
        assert {i.rpartition("-")[0] for i in all_ids(dataset)} == {
            *PATIENTS,
            copy.name,
            f"{PATIENTS[0]}[1]",
            r"TCGA_XX_0002_caf\xe9",
        }
        with pytest.raises(
            InputError, match="(?s)its files are called otherwise.*a copy of another folder"
        ):
            dataset.load(f"{copy.name}-000")
        with pytest.raises(InputError, match="not in UTF-8"):
            dataset.load(r"TCGA_XX_0002_caf\xe9-000")


def test_brackets_in_a_name_are_no_pattern(root) -> None:
    name = "TCGA_XX_0003_2000[01]"
    write_patient(root / "kaggle_3m", "TCGA_XX_0003_20000101")
    (root / "kaggle_3m" / "TCGA_XX_0003_20000101").rename(root / "kaggle_3m" / name)
    for path in (root / "kaggle_3m" / name).iterdir():
        path.rename(path.with_name(path.name.replace("20000101", "2000[01]")))
    assert lgg(root).read(name).shape == (11, 64, 64)


def test_a_slice_that_is_missing_between_others_is_said(root) -> None:
    name = PATIENTS[0]
    for number in (7, 11):
        (root / "kaggle_3m" / name / f"{name}_{number}.tif").unlink()
    with pytest.warns(UserWarning, match=f"{name}: slice 7 is missing"):
        lgg(root).load_volume(name)
    assert lgg(root).read(PATIENTS[1]).notes == ()

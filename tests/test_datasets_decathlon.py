"""decathlon: Task01's layout, orientation, one slice without the volume, and every way in which a
file can be wrong.
"""

from __future__ import annotations

import json

import nibabel
import numpy as np
import pytest

from benchmark.cli import main
from benchmark.errors import InputError
from benchmark.images.steps import apply_window, percentile_window
from benchmark.types import VolumeStatistics
from tests.made_decathlon import CASE, decathlon, voxels, write


def test_rows_run_from_the_front_and_columns_from_the_right(tmp_path) -> None:
    image, labels = voxels()
    image[15, 19, 5] = 5000  # right, anterior
    for end, affine in ((".nii.gz", None), (".nii", np.diag([-1.0, -2.0, 3.0, 1.0]))):
        stored = (image, labels) if affine is None else (image[::-1, ::-1], labels[::-1, ::-1])
        root = write(tmp_path / end, *stored, end=end, affine=affine)
        sample = decathlon(root, window="minmax").load(f"{CASE}-005")
        assert sample.image.shape == (24, 20, 1)
        assert np.unravel_index(sample.image.argmax(), (24, 20)) == (24 - 1 - 19, 20 - 1 - 15)
        assert sample.mask.sum() == 49 and sample.mask[24 - 1 - 8, 20 - 1 - 8]
        assert sample.spacing_mm == (2.0, 1.0)


def test_slices(tmp_path) -> None:
    root = write(tmp_path, *voxels())
    assert decathlon(root).ids("test") == [f"{CASE}-004"]  # 9 // 2
    assert decathlon(root, slices="largest").ids("test") == [f"{CASE}-002"]
    assert decathlon(root, slices="largest", labels="enhancing").ids("test") == [f"{CASE}-005"]
    assert decathlon(root, slices="all").ids("test") == [f"{CASE}-{z:03d}" for z in range(1, 7)]
    assert decathlon(root).ids("train") == decathlon(root).ids("val") == []
    flipped = write(
        tmp_path / "flipped",
        *(array[:, :, ::-1] for array in voxels()),
        affine=np.diag([1, 1, -1, 1.0]),
    )
    assert decathlon(flipped, slices="largest").ids("test") == [f"{CASE}-002"]
    assert decathlon(flipped, slices="all").ids("test") == decathlon(root, slices="all").ids("test")


def test_merges_of_labels(tmp_path) -> None:
    root = write(tmp_path, *voxels())
    for labels, area in (("whole", 49), ("core", 16), ("enhancing", 4)):
        assert decathlon(root, labels=labels).load(f"{CASE}-005").mask.sum() == area


def test_label_numbers_come_from_dataset_json(tmp_path) -> None:
    root = write(tmp_path, *voxels())
    text = (root / "dataset.json").read_text()
    swapped = text.replace('"1": "edema", "2": "non-enh', '"2": "edema", "1": "non-enh')
    (root / "dataset.json").write_text(swapped)
    assert decathlon(root, labels="core").load(f"{CASE}-005").mask.sum() == 49 - 16 + 4
    (root / "dataset.json").write_text(text.replace("edema", "oedema"))
    with pytest.raises(InputError, match="does not name edema"):
        decathlon(root).load(f"{CASE}-005")


def test_window_statistics_and_channel(tmp_path) -> None:
    image, labels = voxels()
    root = write(tmp_path, image, labels)
    for k, channel in enumerate(("FLAIR", "T1w", "T1gd", "T2w")):
        sample = decathlon(root, channel=channel).load(f"{CASE}-004")
        brain = image[..., k][image[..., k] != 0]
        assert sample.window == percentile_window(brain) and sample.channels == (channel,)
        assert np.array_equal(
            sample.image[..., 0], apply_window(image[:, :, 4, k], sample.window).T[::-1, ::-1]
        )
        assert sample.volume.as_row() == pytest.approx(
            VolumeStatistics.of(apply_window(brain, sample.window)).as_row()
        )
        assert sample.brain.sum() == 14 * 18
    assert decathlon(root, window="minmax").load(f"{CASE}-004").window == (
        0.0,
        float(image[..., 0].max()),
    )
    assert decathlon(root, size=16).load(f"{CASE}-004").image.shape == (16, 16, 1)


def test_background_may_be_another_constant(tmp_path) -> None:
    image, labels = voxels()
    root = write(tmp_path, image - 3.5, labels)
    sample = decathlon(root).load(f"{CASE}-004")
    assert sample.brain.sum() == 14 * 18 and sample.window[0] > 90
    assert decathlon(root, slices="all").ids("test") == [f"{CASE}-{z:03d}" for z in range(1, 7)]


@pytest.mark.parametrize("end", [".nii", ".nii.gz"])
@pytest.mark.parametrize(
    "damage",
    ["NaN", "truncated", "no NIfTI", "missing", "mask shape", "3-D", "label 7", "constant"],
)
def test_damage_is_named(tmp_path, damage, end) -> None:
    image, labels = voxels()
    named = "labelsTr" if damage in ("mask shape", "label 7") else "imagesTr"
    if damage == "NaN":
        image[4, 4, 4, 0] = np.nan
    elif damage == "mask shape":
        labels = labels[:-1]
    elif damage == "label 7":
        labels[4, 4, 4] = 7
    elif damage == "constant":
        image[..., 0] = 3
    root = write(tmp_path, image[..., 0] if damage == "3-D" else image, labels, end=end)
    path = root / "imagesTr" / f"{CASE}{end}"
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:3000])
    elif damage == "no NIfTI":
        path.write_bytes(b"no NIfTI at all")
    elif damage == "missing":
        path.unlink()
    with pytest.raises(InputError) as error:
        decathlon(root).load(f"{CASE}-004")
    assert CASE in str(error.value) and (damage == "constant" or named in str(error.value))


def test_an_empty_slice_is_named(tmp_path) -> None:
    with pytest.raises(InputError, match=r"slice 0 of [^~]*empty"):
        decathlon(write(tmp_path, *voxels())).load(f"{CASE}-000")


def test_splits_of_484_cases(tmp_path) -> None:
    root = write(tmp_path, *voxels())
    task = json.loads((root / "dataset.json").read_text())
    task["training"] = [
        {"image": f"imagesTr/BRATS_{i:03d}.nii.gz", "label": f"labelsTr/BRATS_{i:03d}.nii.gz"}
        for i in range(1, 485)
    ]
    (root / "dataset.json").write_text(json.dumps(task))
    dataset = decathlon(root)
    dataset.numbers = lambda case: range(155)
    ids = [dataset.ids(split) for split in ("train", "val", "test")]
    assert all(part == sorted(part) for part in ids) and len(set().union(*ids)) == 484
    assert [len(part) / 484 for part in ids] == pytest.approx([0.60, 0.12, 0.28], abs=0.04)


def test_show_writes_a_contact_sheet(tmp_path, capsys) -> None:
    root, sheet = write(tmp_path / "task", *voxels()), tmp_path / "sheet.png"
    show = [
        "data",
        "show",
        "decathlon",
        "--root",
        str(root),
        "--set",
        "slices=all",
        "--out",
        str(sheet),
    ]
    assert main([*show, "--limit", "5"]) == 0
    assert (
        f"5 of 6 images, written to {sheet}" in capsys.readouterr().out
        and sheet.stat().st_size > 1000
    )
    assert main([*show, "--limit", "0"]) == 2
    assert main([*show, "--split", "val"]) == 2
    assert "no image in it" in capsys.readouterr().err


def test_a_background_is_what_most_corners_have(tmp_path) -> None:
    image, labels = voxels()
    image[0, 0, 0], image[-1, -1, 0] = (
        -9,
        50,
    )  # below it, and above it at the first voxel of the first picture
    assert decathlon(write(tmp_path, image, labels), channel="all").scan(
        CASE
    ).background == dict.fromkeys(("FLAIR", "T1w", "t1gd", "T2w"), 0)


def test_labels_that_read_as_almost_whole(tmp_path) -> None:
    root = write(tmp_path, *voxels())
    almost = np.nextafter(voxels()[1].astype(np.float32), np.float32(0))  # 2.9999998
    nibabel.save(
        nibabel.Nifti1Image(almost, np.diag([1.0, 2.0, 3.0, 1.0])),
        root / "labelsTr" / f"{CASE}.nii.gz",
    )
    dataset = decathlon(root, slices="largest", labels="enhancing")
    assert dataset.areas(CASE) == dataset.scan(CASE).areas() == [0] * 5 + [4] + [0] * 3
    assert dataset.ids("test") == [f"{CASE}-005"]


def test_labels_in_another_space(tmp_path) -> None:
    root = write(tmp_path, *voxels())
    path = root / "labelsTr" / f"{CASE}.nii.gz"
    nibabel.save(nibabel.Nifti1Image(voxels()[1], np.diag([-1.0, -2.0, 3.0, 1.0])), path)
    with pytest.raises(
        InputError, match=r"labelsTr/BRATS_001.nii.gz lies LPS, .*imagesTr/BRATS_001.nii.gz RAS"
    ):
        decathlon(root).load(f"{CASE}-004")
    nibabel.save(nibabel.Nifti1Image(voxels()[1], None, header := nibabel.Nifti1Header()), path)
    assert header["sform_code"] == 0
    poked = nibabel.load(path)
    poked.header.set_zooms((1, 2, 3))
    nibabel.save(nibabel.Nifti1Image(voxels()[1], None, poked.header), path)
    with pytest.warns(UserWarning, match="does not say how it lies: taken to lie as"):
        assert np.array_equal(
            decathlon(root).load(f"{CASE}-004").mask, voxels()[1][:, :, 4].T[::-1, ::-1] > 0
        )


@pytest.mark.parametrize("place", ["/etc/passwd", "../outside.nii", "imagesTr/../../x.nii"])
def test_a_description_names_files_of_its_own_folder_alone(tmp_path, place) -> None:
    root = write(tmp_path, *voxels())
    description = json.loads((root / "dataset.json").read_text())
    description["training"][0]["image"] = place
    (root / "dataset.json").write_text(json.dumps(description))
    with pytest.raises(InputError, match="is not inside its folder"):
        decathlon(root).ids("test")

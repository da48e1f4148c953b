"""decathlon: Task01's layout, orientation, one slice without the volume, and every way in which a
file can be wrong.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import nibabel
import numpy as np
import pytest

from benchmark.cli import main
from benchmark.errors import InputError
from benchmark.files.task01 import write_task01
from benchmark.images.steps import apply_window, percentile_window
from benchmark.plugins.index import get
from benchmark.types import VolumeStatistics

SHAPE = (20, 24, 9)
CASE = "BRATS_001"  # a test case


def voxels() -> tuple[np.ndarray, np.ndarray]:
    """A canonical 4-D image and its labels: brain in the middle, edema 1, non-enhancing 2,
    enhancing 3.
    """
    rng = np.random.default_rng(0)
    image = np.zeros((*SHAPE, 4), np.float32)
    image[3:17, 3:21, 1:7] = rng.integers(100, 900, (14, 18, 6, 4))
    labels = np.zeros(SHAPE, np.uint8)
    labels[5:12, 5:12, 2:6] = 1
    labels[6:10, 6:10, 4:6] = 2
    labels[7:9, 7:9, 5] = 3
    return image, labels


def write(
    folder: Path,
    image: np.ndarray,
    labels: np.ndarray,
    *,
    end: str = ".nii.gz",
    affine=None,
    cases: tuple[str, ...] = (CASE,),
) -> Path:
    affine = np.diag([1.0, 2.0, 3.0, 1.0]) if affine is None else affine
    training = []
    for case in cases:
        for part, array in (("imagesTr", image), ("labelsTr", labels)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(array, affine), folder / part / f"{case}{end}")
        training.append({"image": f"./imagesTr/{case}{end}", "label": f"./labelsTr/{case}{end}"})
    (folder / "dataset.json").write_text(
        json.dumps(
            {
                "modality": {"0": "FLAIR", "1": "T1w", "2": "t1gd", "3": "T2w"},
                "training": training,
                "test": [],
                "labels": {
                    "0": "background",
                    "1": "edema",
                    "2": "non-enhancing tumor",
                    "3": "enhancing tumour",
                },
            }
        )
    )
    return folder


def decathlon(root: Path | None, **options):
    return get("dataset", "decathlon").load()(root, **{"size": 0, **options})


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


def test_descriptions_folders_and_options_that_are_wrong(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("SINCO_BENCH_DATA", raising=False)
    with pytest.raises(InputError, match="data task01"):
        decathlon(None).fetch()
    root = write(tmp_path, *voxels())
    for options in (
        {"channel": "PD"},
        {"slices": "first"},
        {"labels": "rim"},
        {"window": "z"},
        {"size": 3},
    ):
        with pytest.raises(InputError, match=next(iter(options))):
            decathlon(root, **options)
    for name in ("BRATS_002-004", CASE, f"{CASE}-x", f"{CASE}-099"):
        with pytest.raises(InputError, match="no such slice|has slices 0 to 8"):
            decathlon(root).load(name)
    for text in (
        "{",
        "[]",
        '{"training": []}',
        '{"training": [{"image": 3}], "modality": {}, "labels": {}}',
    ):
        (root / "dataset.json").write_text(text)
        with pytest.raises(InputError, match="dataset.json"):
            decathlon(root).ids("test")
    (root / "dataset.json").unlink()
    with pytest.raises(InputError, match="dataset.json"):
        decathlon(root).ids("test")


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


def write_brats(
    folder: Path,
    names: tuple[str, ...] = ("_flair", "_t1", "_t1ce", "_t2", "_seg"),
    enhancing: int = 4,
) -> Path:
    """A BraTS case: left-posterior-superior, labels 1, 2 and 4 (until 2021) or 3."""
    image, labels = voxels()
    folder.mkdir(parents=True)
    brats = np.array([0, 2, 1, enhancing], np.int16)[labels]
    arrays = [*np.moveaxis(image, -1, 0).astype(np.int16), brats]
    affine = np.array([[-1, 0, 0, 19], [0, -1, 0, 23], [0, 0, 1, 0], [0, 0, 0, 1.0]])
    for name, array in zip(names, arrays, strict=True):
        nibabel.save(
            nibabel.Nifti1Image(array[::-1, ::-1], affine), folder / f"{folder.name}{name}.nii.gz"
        )
    return folder


@pytest.mark.parametrize("end", [".nii.gz", ".nii"])
def test_brats_cases_are_written_as_task01(tmp_path, end, capsys) -> None:
    write_brats(tmp_path / "brats" / "b")
    write_brats(tmp_path / "brats" / "a", ("-t2f", "-t1n", "-t1c", "-t2w", "-seg"), enhancing=3)
    arguments = [
        "data",
        "task01",
        "--from-brats",
        str(tmp_path / "brats"),
        "--out",
        str(tmp_path / "task"),
    ]
    assert main([*arguments, *(["--uncompressed"] if end == ".nii" else [])]) == 0
    assert f"BRATS_001  from {tmp_path / 'brats' / 'a'}" in capsys.readouterr().out
    image, labels = voxels()
    for case in ("BRATS_001", "BRATS_002"):
        written = nibabel.load(tmp_path / "task" / "imagesTr" / f"{case}{end}")
        assert np.array_equal(written.get_fdata(), image) and written.get_data_dtype() == np.int16
        marks = nibabel.load(tmp_path / "task" / "labelsTr" / f"{case}{end}")
        assert np.array_equal(marks.get_fdata(), labels) and marks.get_data_dtype() == np.uint8
    assert decathlon(tmp_path / "task", labels="enhancing").load(f"{CASE}-005").mask.sum() == 4
    assert main(arguments) == 2  # never over a folder that is there
    assert "holds a dataset.json already" in capsys.readouterr().err


def test_brats_cases_that_cannot_be_written(tmp_path, capsys) -> None:
    def found(folder: Path) -> str:
        assert (
            main(["data", "task01", "--from-brats", str(folder), "--out", str(tmp_path / "task")])
            == 2
        )
        return capsys.readouterr().err

    assert "no such folder" in found(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "_flair.nii.gz" in found(tmp_path / "empty")
    case = write_brats(tmp_path / "case")
    seg = case / "case_seg.nii.gz"
    kept = seg.read_bytes()
    nibabel.save(
        nibabel.Nifti1Image(
            np.full(SHAPE, 9, np.int16), nibabel.load(case / "case_t1.nii.gz").affine
        ),
        seg,
    )
    assert "values [9]" in found(case)
    nibabel.save(nibabel.Nifti1Image(np.full(SHAPE, 1, np.int16), np.diag([-1, -1, 1, 1])), seg)
    assert "case_seg.nii.gz lies LPS" in found(case)
    nibabel.save(nibabel.Nifti1Image(np.zeros((4, 4, 4), np.int16), np.eye(4)), seg)
    assert "case_seg.nii.gz has 4 x 4 x 4 voxels" in found(case)
    seg.write_bytes(kept[:100])
    assert "case_seg.nii.gz" in found(case)
    seg.unlink()
    assert "labels of the BraTS case" in found(case)


def test_brats_labels_that_do_not_say_how_they_lie(tmp_path) -> None:
    seg = write_brats(tmp_path / "case") / "case_seg.nii.gz"
    silent = nibabel.Nifti1Image(np.asanyarray(nibabel.load(seg).dataobj), None)
    assert silent.header["sform_code"] == silent.header["qform_code"] == 0
    nibabel.save(silent, seg)
    with pytest.warns(
        UserWarning, match="does not say how it lies: taken to lie as case_flair.nii.gz"
    ):
        write_task01([tmp_path / "case"], tmp_path / "task")
    assert np.array_equal(
        nibabel.load(tmp_path / "task" / "labelsTr" / f"{CASE}.nii.gz").get_fdata(), voxels()[1]
    )


@pytest.mark.parametrize(
    ("part", "value", "found"),
    [
        ("persons", ["a"], "AttributeError"),
        ("persons", {CASE: 5}, "strings"),
        ("training", [], "no case"),
        ("training", [{"image": "a.nii", "label": 7}], "strings"),
        ("modality", {"0": 5}, "strings"),
        (None, None, "RecursionError"),
    ],
)
def test_descriptions_of_the_wrong_shape(tmp_path, part, value, found) -> None:
    path = write(tmp_path, *voxels()) / "dataset.json"
    path.write_text(
        "[" * 100_000 if part is None else json.dumps(json.loads(path.read_text()) | {part: value})
    )
    with pytest.raises(InputError, match=found):
        decathlon(tmp_path).ids("test")


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


def test_what_was_prepared_goes_with_dataset_json(tmp_path) -> None:
    """Label numbers and the order of channels are there, and in no other file."""
    root = write(tmp_path, *voxels())
    options = {"slices": "largest", "labels": "enhancing"}
    before = decathlon(root, **options)
    assert before.ids("test") == [f"{CASE}-005"] and before.load(f"{CASE}-005").mask.sum() == 4
    text = (
        (root / "dataset.json")
        .read_text()
        .replace('"1": "edema"', '"3": "edema"')
        .replace('"3": "enhancing', '"1": "enhancing')
    )
    (root / "dataset.json").write_text(
        text.replace('"0": "FLAIR", "1": "T1w"', '"0": "T1w", "1": "FLAIR"')
    )
    after = decathlon(root, **options)
    assert after.ids("test") == [f"{CASE}-002"] and after.load(f"{CASE}-005").mask.sum() == 49 - 16
    assert not np.array_equal(before.load(f"{CASE}-005").image, after.load(f"{CASE}-005").image)


REAL = Path(os.environ.get("SINCO_BENCH_DATA", "nowhere"))


@pytest.mark.skipif(
    not (REAL / "brats18").is_dir(), reason="SINCO_BENCH_DATA with brats18 in it is not set"
)
def test_a_real_case_lies_as_task01_stores_it(tmp_path) -> None:
    case = str(REAL / "brats18")
    assert (
        main(["data", "task01", "--from-brats", case, "--out", str(tmp_path), "--uncompressed"])
        == 0
    )
    stored = nibabel.load(tmp_path / "imagesTr" / f"{CASE}.nii")
    assert stored.shape == (240, 240, 155, 4) and nibabel.aff2axcodes(stored.affine) == (
        "R",
        "A",
        "S",
    )
    # A slice of Task01's own release, of this very patient, in its storage order.
    released = np.load(REAL / "msd_slices" / "data.npz")["arr_3"]
    ours = np.asarray(stored.dataobj[:, :, 75, 2], float)
    assert np.corrcoef(released.ravel(), ours.ravel())[0, 1] > 0.9999
    dataset = decathlon(tmp_path, slices="largest", size=128)
    sample = dataset.load(dataset.ids("test")[0])
    assert sample.slice_index == 95 and sample.mask.sum() > 700
    middle = decathlon(tmp_path).load(f"{CASE}-077")
    assert middle.mask.sum() == 2141 and middle.image.shape == (240, 240, 1)
    # The front of the brain is narrower than its back: rows run from the front.
    rows = np.flatnonzero(middle.brain.any(axis=1))
    width = middle.brain.sum(axis=1)[rows[0] : rows[-1] + 1]
    assert width[: len(width) // 4].mean() < width[-len(width) // 4 :].mean()


@pytest.mark.parametrize("place", ["/etc/passwd", "../outside.nii", "imagesTr/../../x.nii"])
def test_a_description_names_files_of_its_own_folder_alone(tmp_path, place) -> None:
    root = write(tmp_path, *voxels())
    description = json.loads((root / "dataset.json").read_text())
    description["training"][0]["image"] = place
    (root / "dataset.json").write_text(json.dumps(description))
    with pytest.raises(InputError, match="is not inside its folder"):
        decathlon(root).ids("test")

"""Task01 from BraTS cases, and descriptions of data sets."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from benchmark.cli import main
from benchmark.errors import InputError
from benchmark.files.task01 import write_task01
from tests.made_decathlon import CASE, REAL, SHAPE, decathlon, voxels, write, write_brats


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

"""The data set folder: names, patients and patterns."""

from __future__ import annotations

import os
import warnings

import nibabel
import numpy as np
import pytest

from benchmark.checks import Subject, run_checks
from benchmark.errors import InputError
from benchmark.plugins.index import get
from tests.own_folders import GRAY, MASK, SIDE, all_ids, folder, only, pair, refused, save, write
from tests.volume_files import save_volume


def patients(dataset) -> set[str]:
    return {dataset.patient(case) for case in dataset.files}


def test_names_with_spaces_and_brackets_are_safe_and_unique(tmp_path) -> None:
    for i, stem in enumerate(
        ("image (1)", "image[2]", "Äther 3", "a b", "a_b", "c (1)", "C_1", "x*?")
    ):
        pair(tmp_path, stem, np.roll(GRAY, i, 0))
    dataset = folder(tmp_path, patient="images/(.+)[.]")
    ids = all_ids(dataset)
    assert {"image_1-000", "image_2-000", "Äther_3-000", "x-000"} <= set(ids)
    # Some file systems take c_1 and C_1 for one name.
    assert len(ids) == 8 == len(set(map(str.casefold, ids)))
    for sample_id in ids:
        assert sample_id.replace("_", "").replace("-", "").replace(".", "").isalnum()
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
    home: dict[str, str] = {}  # patient -> split
    for case in dataset.files:
        split = dataset.split(case)
        assert home.setdefault(dataset.patient(case), split) == split
    assert set(home) == {"p1", "p10", "p2", "p20", "p21", "p22", "p23", "p24"}
    assert set(home.values()) == {"train", "test"}
    (tmp_path / "volumes").mkdir()
    for i in range(12):  # the volume of a patient is one file: its number says who it is
        nibabel.save(
            nibabel.Nifti1Image(np.stack([GRAY, GRAY.T], -1), np.eye(4)),
            tmp_path / "volumes" / f"sub-{i:02d}.nii.gz",
        )
    volumes = folder(tmp_path, images="volumes/*", masks="")
    assert patients(volumes) == {f"sub-{i:02d}" for i in range(12)}


@pytest.mark.parametrize("suffix", [".nii.gz", ".mha", ".dcm"])
def test_slices_in_formats_of_volumes_stay_together(tmp_path, suffix) -> None:
    for n in range(12):
        write(tmp_path / "images" / f"pat1_{n:03d}{suffix}", GRAY)
        write(tmp_path / "images" / f"pat2_{n:03d}{suffix}", GRAY)
    dataset = folder(tmp_path, masks="")
    assert patients(dataset) == {"pat1", "pat2"}
    for who in ("pat1", "pat2"):
        assert len({dataset.split(case) for case in dataset.files if case.startswith(who)}) == 1
    if suffix != ".dcm":
        shape = (3, SIDE, SIDE)
        for n in range(2):
            save_volume(tmp_path / "images" / f"pat3_{n}{suffix}", np.broadcast_to(GRAY, shape))
        dataset = folder(tmp_path, masks="")
        assert patients(dataset) == {"pat1", "pat2", "pat3_0", "pat3_1"}


def test_a_name_never_passes_to_another_file(tmp_path) -> None:
    for suffix in (".png", ".tif", ".npy"):
        write(tmp_path / "images" / f"scan_1{suffix}", GRAY)
        ids = all_ids(folder(tmp_path, masks=""))
        assert ("scan_1-000" in ids) == (suffix == ".png")
        assert len(set(map(str.casefold, ids))) == len(ids)


def test_the_contract_holds_where_one_patients_name_begins_like_anothers(tmp_path) -> None:
    for i, stem in enumerate(
        ("p1", "p1-0", "p1_1", "p10_0", "p10_1")
    ):  # p1 is in train, p10 in test
        pair(tmp_path, stem, np.roll(GRAY, i), None)
    subject = Subject.registered(get("dataset", "folder"), root=tmp_path, masks="")
    claims = list(run_checks("dataset", subject))
    assert claims and [str(claim) for claim in claims if claim.status != "passed"] == []


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
        assert patients(dataset) == {"img_0", "img_1", "img_2"}
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
        with pytest.raises(InputError, match="root='FOLDER'"):
            folder(root).fetch()
    for name in ("b-000", "a", "../a-000", "a-001"):
        with pytest.raises(InputError):
            folder(tmp_path).load(name)


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


def test_patterns_that_are_none(tmp_path) -> None:
    pair(tmp_path, "a")
    assert "images=**a" in refused(tmp_path, images="**a")
    assert "masks=**bad/*" in refused(tmp_path, masks="**bad/*")


def test_names_are_as_long_as_a_file_system_takes(tmp_path) -> None:
    pair(tmp_path, "\u8133" * 80)
    (sample_id,) = all_ids(folder(tmp_path))
    assert sample_id == "\u8133" * 33 + "-000"

"""BraTS: who is who, which files are there twice, and real copies."""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path

import pytest

from benchmark.datacheck import Source, survey
from benchmark.errors import InputError
from benchmark.folders import data_folder
from benchmark.types import SPLITS
from tests.made_brats import YEARS, brats, scan, write
from tests.volume_files import save_volume


def test_files_that_are_there_twice_concern_their_case_alone(tmp_path) -> None:
    folder = write(tmp_path, "2021")
    other = write(tmp_path, "2021", "BraTS2021_00002").name
    flair = folder / "BraTS2021_00000_flair.nii.gz"
    assert brats(tmp_path).load(f"{folder.name}-003").has_lesion
    save_volume(folder / "copy_flair.nii.gz", scan()["flair"])

    def refused() -> str:
        dataset = brats(tmp_path)
        done = survey([Source("brats", dataset)])
        assert [f.case.name for f in done.facts] == [other] and list(dataset.files) == [
            folder.name,
            other,
        ]
        assert [o.where for o in done.observations if o.name == "unreadable"] == [
            (f"brats/{folder.name}",)
        ]
        assert (
            dataset.load(f"{other}-003").has_lesion
            and len([i for split in SPLITS for i in dataset.ids(split)]) == 2
        )
        for read in (
            dataset.read,
            dataset.areas,
            dataset.numbers,
            lambda case: dataset.load(f"{case}-003"),
        ):  # not from the cache, either
            with pytest.raises(InputError) as error:
                read(folder.name)
        return error.value.found

    assert refused() == f"files of which one is too many: {flair}, {folder / 'copy_flair.nii.gz'}"
    (folder / "copy_flair.nii.gz").unlink()
    again = write(
        tmp_path / "again", "2021", parts=("flair", "t1")
    )  # of a second folder of that name, without labels
    assert str(flair) in refused() and str(again / "BraTS2021_00000_t1.nii.gz") in refused()
    for name in ("flair", "t1"):
        (again / f"BraTS2021_00000_{name}.nii.gz").unlink()
    save_volume(again / "BraTS2021_00000_seg.nii.gz", scan()["seg"])
    (
        folder / "BraTS2021_00000_seg.nii.gz"
    ).unlink()  # labels in one, images in the other: which image they are of, nobody says
    assert str(again) in refused()


def test_one_person_is_in_one_split(tmp_path) -> None:
    """Times of one patient, the same patient from year to year, and two patients whom 2015 calls
    alike.
    """
    pytest.importorskip("SimpleITK", reason="pip install SimpleITK: it reads .mha")
    one = ("flair", "seg")
    for case in ("brats_tcia_pat230_0001", "brats_tcia_pat230_0710"):
        write(tmp_path, "2015", case, parts=one)
    write(tmp_path, "2018", "Brats18_TCIA02_230_1", parts=one)
    write(tmp_path, "2018", "Brats17_CBICA_AAB_1", parts=one)
    write(tmp_path, "2018", "Brats18_CBICA_AAB_1", parts=one)
    write(tmp_path, "2015", "brats_2013_pat0001_1", parts=one)
    write(tmp_path, "2015 lone", parts=one)
    write(tmp_path, "2023", parts=one)
    write(tmp_path, "2023", "BraTS-GLI-00000-001", parts=one)
    write(tmp_path, "2021", parts=one)
    dataset = brats(tmp_path)
    with pytest.warns(
        UserWarning,
        match=(
            r"brats_2013_pat0001_1 \(numbers of 2015\) .*\(numbers of 2021 and 2023\) may be the"
            r" same person"
        ),
    ):
        persons = {case: dataset.person(case) for case in dataset.files}
    assert {persons[case] for case in persons if "230" in case} == {"BRATS_TCIA_230"}
    assert {persons[case] for case in persons if "AAB" in case} == {"BRATS_CBICA_AAB_1"}
    assert {persons[case] for case in persons if "00000" in case} == {"BraTS2021_00000"}
    assert persons["brats_2013_pat0001_1"] != persons["LGG_brats_2013_pat0001_1"]
    assert {dataset.patient(case) for case in persons if "pat230" in case} == {"brats_tcia_pat230"}
    assert {dataset.patient(case) for case in persons if "GLI" in case} == {"BraTS-GLI-00000"}


def test_tables_of_names_say_who_is_who(tmp_path) -> None:
    one = ("flair", "seg")
    for year, case in (
        ("2018", "Brats18_TCIA02_118_1"),
        ("2018", "Brats18_2013_21_1"),
        ("2020", "BraTS20_Training_001"),
        ("2020", "BraTS20_Training_002"),
        ("2020", "BraTS20_Training_003"),
        ("2021", "BraTS2021_00049"),
    ):
        write(tmp_path, year, case, parts=one)
    with pytest.warns(
        UserWarning,
        match=(
            r"Brats18_2013_21_1 \(numbers of 2017 to 2019\) and BraTS20_Training_001 \(numbers of"
            r" 2020\)"
        ),
    ):
        assert (
            brats(tmp_path).person("BraTS20_Training_001") == "BraTS20_Training_001"
            and brats(tmp_path).files
        )
    (tmp_path / Path(YEARS["2020"][0]).parent / "name_mapping.csv").write_text(
        "Grade,BraTS_2017_subject_ID,BraTS_2018_subject_ID,TCGA_TCIA_subject_ID,"
        "BraTS_2019_subject_ID,BraTS_2020_subject_ID\n"
        "HGG,Brats17_TCIA_118_1,Brats18_TCIA02_118_1,TCGA-06-0149,"
        "BraTS19_TCIA02_118_1,BraTS20_Training_001\n"
        "HGG,Brats17_2013_21_1,Brats18_2013_21_1,NA,BraTS19_2013_21_1,BraTS20_Training_002\n"
        "LGG,NA,NA,NA,NA,BraTS20_Training_003\n"
    )
    (tmp_path / "BraTS21-17_Mapping.csv").write_text(
        "BraTS2021,BraTS2020,BraTS2019,BraTS2018,BraTS2017,Site"
        " No\nBraTS2021_00049,BraTS20_Training_001,,,,1\n"
    )
    dataset = brats(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cases = dataset.files
    persons = {case: dataset.person(case) for case in cases}
    assert persons == {
        "Brats18_TCIA02_118_1": "TCGA_06_0149",
        "BraTS20_Training_001": "TCGA_06_0149",
        "BraTS2021_00049": "TCGA_06_0149",
        "Brats18_2013_21_1": "BRATS2013_21_1",
        "BraTS20_Training_002": "BRATS2013_21_1",
        "BraTS20_Training_003": "BraTS20_Training_003",
    }
    assert (
        len({dataset.split(case) for case, person in persons.items() if person == "TCGA_06_0149"})
        == 1
    )


def test_folders_and_options_that_are_not_there(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("SINCO_BENCH_DATA", raising=False)
    (tmp_path / "empty").mkdir()
    for where in (None, tmp_path / "nowhere", tmp_path / "empty"):
        with pytest.raises(InputError, match="synapse.org/brats[^~]*root='FOLDER'"):
            brats(where).fetch()
    case = write(tmp_path / "data", "2018").name
    write(tmp_path / "data" / "others", "2018", "Brats18_CBICA_OTHER_1")
    save_volume(tmp_path / "data" / YEARS["2018"][0] / f"._{case}_t1.nii.gz", scan()["t1"])
    monkeypatch.setenv("SINCO_BENCH_DATA", str(tmp_path / "data"))
    assert list(brats(None).files) == [case]  # only what lies in folders called after BraTS
    assert brats(None).fetch() == tmp_path / "data" and len(brats(tmp_path / "data").files) == 2
    monkeypatch.delenv("SINCO_BENCH_DATA")
    with pytest.raises(
        InputError, match="no such folder, and neither root nor SINCO_BENCH_DATA names another"
    ):
        brats(None).fetch()
    shutil.copytree(tmp_path / "data", data_folder())  # where `data fetch` tells people to put them
    assert list(brats(None).files) == [case]
    for options in ({"channel": "pd"}, {"labels": "rim"}, {"slices": "first"}):
        with pytest.raises(InputError, match=next(iter(options))):
            brats(tmp_path, **options)
    for name in (f"{case}-099", case, "Brats18_NO_1-001"):
        with pytest.raises(InputError, match="no such slice|has slices 0 to 6"):
            brats(None).load(name)


def test_pipes_and_names_that_are_no_text_hide_no_other(tmp_path) -> None:
    write(tmp_path, "2021", "BraTS2021_00001")
    folder = write(tmp_path, "2021", "BraTS2021_00002")
    cases = brats(tmp_path).cases()
    os.mkfifo(folder / "pipe_flair.nii.gz")
    assert brats(tmp_path).cases() == cases
    folder.rename(folder.with_name(os.fsdecode(b"BraTS2021_00002\xe9")))
    dataset = brats(tmp_path)
    ids = [sample_id for split in ("train", "val", "test") for sample_id in dataset.ids(split)]
    assert len(ids) == 2
    with pytest.raises(InputError, match=r"(?s)BraTS2021_00002\\xe9.*not in UTF-8"):
        dataset.load(next(name for name in ids if "xe9" in name))
    assert dataset.load(next(name for name in ids if "xe9" not in name)).mask.any()

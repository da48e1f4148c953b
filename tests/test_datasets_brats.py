"""brats: the layouts of all years, label numbers by year, persons across years, and the traps of
real copies.
"""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path

import nibabel
import numpy as np
import pytest

from benchmark.datacheck import Source, survey
from benchmark.errors import InputError
from benchmark.folders import data_folder
from benchmark.images.steps import percentile_window
from benchmark.plugins.index import get
from benchmark.types import SPLITS, VolumeStatistics
from tests.volume_files import save_scaled_mask, save_volume

SHAPE = (7, 20, 24)
PARTS = ("flair", "t1", "t1ce", "t2", "seg")
VSD = {
    "flair": "VSD.Brain.XX.O.MR_Flair.54512",
    "t1": "VSD.Brain.XX.O.MR_T1.54513",
    "t1ce": "VSD.Brain.XX.O.MR_T1c.54514",
    "t2": "VSD.Brain.XX.O.MR_T2.54515",
    "seg": "VSD.Brain_3more.XX.O.OT.54517",
}
ZSCORED = {
    "flair": "Flair_subtrMeanDivStd",
    "t1": "T1_subtrMeanDivStd",
    "t1ce": "T1c_subtrMeanDivStd",
    "t2": "T2_subtrMeanDivStd",
    "seg": "OTMultiClass",
}
# Case, its files, and the label numbers of necrosis, edema and enhancing tumor.
YEARS = {
    "2015": (
        "BRATS2015_Training/HGG/brats_tcia_pat118_0001",
        {part: f"{name}/{name}.mha" for part, name in VSD.items()},
        (3, 2, 4),
    ),
    "2015 lone": (
        "BRATS2015_Training/LGG/brats_2013_pat0001_1",
        {
            part: f"{name}/{name}.mha"
            for part, name in (VSD | {"seg": "VSD.Brain.XX.O.OT.42291"}).items()
        },
        (1, 2, 4),
    ),
    "2018": (
        "MICCAI_BraTS_2018_Data_Training/HGG/Brats18_CBICA_AAB_1",
        {p: f"Brats18_CBICA_AAB_1_{p}.nii.gz" for p in PARTS},
        (1, 2, 4),
    ),
    "2020": (
        "MICCAI_BraTS2020_TrainingData/BraTS20_Training_355",
        {p: f"BraTS20_Training_355_{p}.nii" for p in PARTS} | {"seg": "W39_1998.09.19_Segm.nii"},
        (1, 2, 4),
    ),
    "2021": (
        "RSNA_ASNR_MICCAI_BraTS2021_TrainingData/BraTS2021_00000",
        {p: f"BraTS2021_00000_{p}.nii.gz" for p in PARTS},
        (1, 2, 4),
    ),
    "2023": (
        "ASNR-MICCAI-BraTS2023-GLI-Challenge-TrainingData/BraTS-GLI-00000-000",
        {
            p: f"BraTS-GLI-00000-000-{end}.nii.gz"
            for p, end in zip(PARTS, ("t2f", "t1n", "t1c", "t2w", "seg"), strict=True)
        },
        (1, 2, 3),
    ),
    "DeepMedic": (
        "brats2015TrainingData/train/brats_2013_pat0005_1",
        {p: f"{name}.nii.gz" for p, name in ZSCORED.items()},
        (1, 2, 4),
    ),
}


def scan(background: float = 0) -> dict[str, np.ndarray]:
    """Four channels [Z, H, W] on a constant background, and labels 1 necrosis, 2 edema, 3
    enhancing.
    """
    rng = np.random.default_rng(5)
    arrays = {}
    for part in PARTS[:4]:
        arrays[part] = np.full(SHAPE, background, np.int16 if background == 0 else np.float32)
        arrays[part][1:6, 3:18, 4:21] = rng.integers(100, 900, (5, 15, 17))
    labels = np.zeros(SHAPE, np.int16)
    labels[2:5, 5:11, 6:12] = 2
    labels[3:5, 6:10, 7:11] = 3
    labels[4, 7:9, 8:10] = 1
    return arrays | {"seg": labels}


def write(
    root: Path,
    year: str,
    case: str = "",
    arrays: dict[str, np.ndarray] | None = None,
    parts: tuple[str, ...] = PARTS,
) -> Path:
    """Write a case of a year, under another name where `case` says so; returns its folder."""
    where, files, numbers = YEARS[year]
    known, arrays = Path(where).name, arrays or scan()
    folder = root / Path(where).parent / (case or known)
    for part in parts:
        voxels = np.array([0, *numbers], np.int16)[arrays["seg"]] if part == "seg" else arrays[part]
        save_volume(folder / files[part].replace(known, case or known), voxels)
    return folder


def brats(root: Path | None, **options):
    return get("dataset", "brats").load()(root, **{"size": 0} | options)


@pytest.mark.parametrize("year", YEARS)
def test_every_year_says_the_same(year, tmp_path) -> None:
    if year.startswith("2015"):
        pytest.importorskip("SimpleITK", reason="pip install SimpleITK: it reads .mha")
    folder, arrays = write(tmp_path, year), scan()
    case = f"LGG_{folder.name}" if "LGG" in str(folder) else folder.name
    for labels, numbers in (("whole", (1, 2, 3)), ("core", (1, 3)), ("enhancing", (3,))):
        dataset = brats(tmp_path, labels=labels)
        scanned = dataset.scan(case)
        assert np.array_equal(
            [scanned.mask(k) for k in range(SHAPE[0])], np.isin(arrays["seg"], numbers)
        ), labels
        areas = np.isin(arrays["seg"], numbers).sum((1, 2))
        assert [i for split in SPLITS for i in dataset.ids(split)] == [
            f"{case}-{areas.argmax():03d}"
        ]
    everything = brats(tmp_path, channel="all")
    for name in PARTS[:4]:
        assert np.array_equal(everything.scan(case).channels[name], arrays[name]), name
        sample = brats(tmp_path, channel=name, window="minmax").load(f"{case}-003")
        assert np.array_equal(
            sample.image[..., 0], (arrays[name][3] / arrays[name].max()).astype(np.float32)
        ), name
    assert everything.load(f"{case}-003").channels == PARTS[:4] and everything.numbers(
        case
    ) == range(SHAPE[0])
    assert everything.scan(case).orientation == "LPS" and everything.load(
        f"{case}-003"
    ).id.startswith(everything.patient(case))


@pytest.mark.parametrize(
    ("year", "number", "has"),
    [
        ("2018", 3, "2017 to 2021 has 0, 1, 2, 4"),
        ("2021", 3, "2017 to 2021 has 0, 1, 2, 4"),
        ("2023", 4, "2023 has 0, 1, 2, 3"),
        ("DeepMedic", 5, "2015 as DeepMedic ships it has 0, 1, 2, 3, 4"),
    ],
)
def test_a_number_that_the_year_does_not_know(year, number, has, tmp_path) -> None:
    folder = write(tmp_path, year)
    path = folder / YEARS[year][1]["seg"]
    save_volume(path, np.where(scan()["seg"] == 3, number, 0).astype(np.int16))
    dataset = brats(tmp_path)
    for read in (lambda: dataset.load(f"{folder.name}-003"), lambda: dataset.areas(folder.name)):
        with pytest.raises(
            InputError, match=rf"{path.name}\n.*28 voxels with the numbers {number}; BraTS {has}"
        ):
            read()


def test_the_traps_of_deepmedics_copy(tmp_path) -> None:
    """A brain mask of 0.99999997, a background that is a negative constant, and labels outside the
    brain.
    """
    arrays = scan(background=-3.624394416809082)
    brain = np.zeros(SHAPE, bool)
    brain[1:6, 4:17, 5:20] = True
    arrays["seg"][3, 3, 5] = 2  # outside
    folder = write(tmp_path, "DeepMedic", arrays=arrays)
    save_scaled_mask(folder / "brainmask.nii.gz", brain)
    dataset = brats(tmp_path)
    found = dataset.scan(folder.name)
    assert np.array_equal(found.brain, brain) and found.brain.dtype == bool
    assert found.mask(3)[3, 5] and not found.brain_plane(3)[3, 5]
    tissue = arrays["flair"][arrays["flair"] > 0]
    assert found.tissue("flair").sum() == tissue.size == 5 * 15 * 17
    sample = dataset.load(f"{folder.name}-003")
    low, high = percentile_window(tissue)
    assert sample.window == (low, high) and low > 99
    assert sample.volume == VolumeStatistics.of(
        np.clip((tissue.astype(float) - low) / (high - low), 0, 1).astype(np.float32)
    )
    assert sample.image[0, 0, 0] == 0 and np.array_equal(sample.brain, brain[3])
    (folder / "brainmask.nii.gz").unlink()  # without one, brain is what differs from the corners
    assert np.array_equal(brats(tmp_path).load(f"{folder.name}-003").brain, arrays["flair"][3] > 0)


def test_what_is_missing_is_named(tmp_path) -> None:
    case = write(tmp_path, "2018", parts=("flair", "t1ce", "seg")).name
    with pytest.raises(
        InputError,
        match=rf"channel t2 of brats {case}\n.*there are flair \({case}_flair.nii.gz\), t1ce",
    ):
        brats(tmp_path, channel="t2").load(f"{case}-003")
    assert brats(tmp_path, channel="t1ce").load(f"{case}-003").has_lesion
    for n in range(3):
        write(tmp_path, "2018", f"Brats18_CBICA_X{n}_1", parts=PARTS[:4])
    with pytest.warns(
        UserWarning,
        match="3 of 4 cases have no labels and are left out, such as Brats18_CBICA_X0_1",
    ):
        assert list(brats(tmp_path).files) == [case]
    (tmp_path / YEARS["2018"][0] / f"{case}_seg.nii.gz").unlink()
    with pytest.raises(InputError, match="none of its 4 cases has labels"):
        brats(tmp_path).ids("test")


def test_files_that_do_not_fit(tmp_path) -> None:
    folder = write(tmp_path, "2021")
    case, t1 = folder.name, folder / "BraTS2021_00000_t1.nii.gz"
    save_volume(t1, np.zeros((7, 20, 20), np.int16))
    with pytest.raises(
        InputError,
        match=(
            r"_t1.nii.gz has 20 x 20 x 7 voxels of 1 x 1 x 1 mm, .*/BraTS2021_00000_flair.nii.gz 24"
            r" x 20 x 7"
        ),
    ):
        brats(tmp_path, channel="all").load(f"{case}-003")
    save_volume(t1, scan()["t1"], (2, 1, 1))
    with pytest.raises(InputError, match=r"of 1 x 1 x 2 mm"):
        brats(tmp_path, channel="all").load(f"{case}-003")
    t1.write_bytes(t1.read_bytes()[:200])
    with pytest.raises(InputError, match="BraTS2021_00000_t1.nii.gz"):
        brats(tmp_path, channel="t1").load(f"{case}-003")


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


def test_labels_in_another_space(tmp_path) -> None:
    """Labels saved with an affine of ones, as many scripts do, would land mirrored."""
    folder = write(tmp_path, "2021")
    seg = folder / "BraTS2021_00000_seg.nii.gz"
    stored = np.asarray(nibabel.load(seg).dataobj)
    nibabel.save(nibabel.Nifti1Image(stored, np.eye(4)), seg)
    with pytest.raises(
        InputError,
        match=(
            r"_seg.nii.gz lies RAS, from \(0, 0, 0\) mm on, .*_flair.nii.gz LPS, from \(-23, -19,"
            r" 0\) mm on"
        ),
    ):
        brats(tmp_path).load("BraTS2021_00000-003")
    nibabel.save(nibabel.Nifti1Image(stored, None), seg)  # says nothing
    dataset = brats(tmp_path)
    with pytest.warns(
        UserWarning,
        match=(
            "_seg.nii.gz does not say how it lies: taken to lie as BraTS2021_00000_flair.nii.gz"
            " does"
        ),
    ):
        sample = dataset.load("BraTS2021_00000-003")
    assert np.array_equal(sample.mask, scan()["seg"][3] > 0)
    down = write(tmp_path / "down", "2021")  # stored from the top on: areas are of the same planes
    for part in ("flair", "seg"):
        path = down / f"BraTS2021_00000_{part}.nii.gz"
        voxels = np.asarray(nibabel.load(path).dataobj)[:, :, ::-1]
        nibabel.save(
            nibabel.Nifti1Image(voxels, np.diag([-1, -1, -1, 1]) if part == "flair" else None), path
        )
    with pytest.warns(UserWarning, match="taken to lie as"):
        assert brats(tmp_path / "down").areas("BraTS2021_00000") == list(
            (scan()["seg"] > 0).sum((1, 2))
        )


def test_a_background_is_what_most_corners_have(tmp_path) -> None:
    folder, arrays = write(tmp_path, "2021"), scan()
    arrays["flair"][0, 0, 0], arrays["flair"][-1, -1, 0] = (
        700,
        -9,
    )  # a mark burnt into a corner, ringing in another
    save_volume(folder / "BraTS2021_00000_flair.nii.gz", arrays["flair"])
    assert brats(tmp_path).scan("BraTS2021_00000").background == {"flair": 0}
    save_volume(
        folder / "BraTS2021_00000_flair.nii.gz",
        arrays["flair"] + np.int16(5) * (arrays["flair"] == 0),
    )
    assert brats(tmp_path).scan("BraTS2021_00000").background == {"flair": 5}


def test_spacing_of_a_slice(tmp_path) -> None:
    """(row, column) of samples, whatever the thickness."""
    folder = write(tmp_path, "2021")
    for part in ("flair", "seg"):
        path = folder / f"BraTS2021_00000_{part}.nii.gz"
        pictures = np.asarray(nibabel.load(path).dataobj).transpose(2, 1, 0)
        save_volume(path, pictures, (5, 2, 0.5))
    dataset = brats(tmp_path)
    assert dataset.scan("BraTS2021_00000").spacing_mm == (5, 2, 0.5) and dataset.load(
        "BraTS2021_00000-003"
    ).spacing_mm == (2, 0.5)


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
        with pytest.raises(InputError, match="synapse.org/brats[^~]*--root FOLDER"):
            brats(where).fetch()
    case = write(tmp_path / "data", "2018").name
    write(tmp_path / "data" / "others", "2018", "Brats18_CBICA_OTHER_1")
    save_volume(tmp_path / "data" / YEARS["2018"][0] / f"._{case}_t1.nii.gz", scan()["t1"])
    monkeypatch.setenv("SINCO_BENCH_DATA", str(tmp_path / "data"))
    assert list(brats(None).files) == [case]  # only what lies in folders called after BraTS
    assert brats(None).fetch() == tmp_path / "data" and len(brats(tmp_path / "data").files) == 2
    monkeypatch.delenv("SINCO_BENCH_DATA")
    with pytest.raises(
        InputError, match="no such folder, and neither --root nor SINCO_BENCH_DATA names another"
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


REAL = Path(os.environ.get("SINCO_BENCH_DATA", "nowhere"))


@pytest.mark.skipif(
    not (REAL / "brats2015").is_dir(), reason="SINCO_BENCH_DATA with brats2015 in it is not set"
)
@pytest.mark.filterwarnings(
    "ignore:brats. brats_2013_pat0001_1"
)  # of two numberings, which stand there
@pytest.mark.parametrize(
    ("case", "counts", "outside", "background"),
    [
        ("Brats18_2013_21_1", {1: 57655, 2: 45203, 4: 17816}, 14, 0),
        ("brats_2013_pat0004_1", {1: 12956, 2: 45203, 3: 44699, 4: 17816}, 14, -5.343),
        ("brats_2013_pat0005_1", {1: 23030, 2: 35416, 3: 3882, 4: 18354}, 2, -3.553),
        ("brats_2013_pat0001_1", {1: 26371, 2: 53050, 3: 818, 4: 31485}, 0, -3.624),
    ],
)
def test_the_real_cases(case, counts, outside, background) -> None:
    dataset = brats(None)
    found = dataset.scan(case)
    numbers, voxels = np.unique(found.labels, return_counts=True)
    assert dict(zip(numbers.tolist(), voxels.tolist(), strict=True)) == counts | {
        0: 240 * 240 * 155 - sum(counts.values())
    }
    brain = found.tissue("flair") if found.brain is None else found.brain
    assert int((brain < (found.labels > 0)).sum()) == outside and 0.13 < brain.mean() < 0.18
    assert (
        found.background["flair"] == pytest.approx(background, abs=5e-4)
        and found.orientation == "LPS"
    )
    if dataset.person(case) == "BRATS2013_21_1":  # one patient in two releases
        assert found.areas()[77] == 2141 and [k for k, area in enumerate(found.areas()) if area][
            ::72
        ] == [60, 132]
        assert dataset.split(case) == dataset.split("Brats18_2013_21_1")


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

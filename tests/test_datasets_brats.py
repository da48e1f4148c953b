"""brats: the layouts of all years, label numbers by year, persons across years, and the traps of
real copies.
"""

from __future__ import annotations

import nibabel
import numpy as np
import pytest

from benchmark.errors import InputError
from benchmark.images.steps import percentile_window
from benchmark.types import SPLITS, VolumeStatistics
from tests.made_brats import PARTS, REAL, SHAPE, YEARS, brats, scan, write
from tests.volume_files import save_scaled_mask, save_volume


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

"""The base of data sets of volumes: ids, splits, volumes, what is cached and when it is stale."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmark.errors import InputError
from benchmark.images.scan import Scan
from benchmark.images.volumes import VolumeDataset
from benchmark.plugins.index import get, shared_options
from benchmark.types import SPLITS


class Toy(VolumeDataset):
    """One .npy a case: 9 planes of noise, a lesion in planes 3 to 6, largest in 5."""

    name, salt, licence, citation = "toy", "toy-0", "MIT", "none"
    preparation = {"size": 32, "slices": "largest"}
    reads = 0

    def __init__(
        self, root: Path | None = None, *, threshold: float = 0.5, **preparation: Any
    ) -> None:
        super().__init__(root, preparation, threshold=threshold)

    def cases(self):
        return {path.stem: [path] for path in self.root.glob("*.npy")}

    def read(self, case: str) -> Scan:
        Toy.reads += 1
        image = np.load(self.root / f"{case}.npy")
        if image.ndim != 3:
            raise InputError(f"the volume {case}", "no volume", "mend it")
        return Scan(
            case,
            {"gray": image},
            tuple(range(len(image))),
            labels=lesion(),
            notes=("a note",) if case == "noted" else (),
        )


def lesion() -> np.ndarray:
    labels = np.zeros((9, 32, 32), np.uint8)
    for k, side in zip(range(3, 7), (4, 6, 9, 5), strict=True):
        labels[k, 8 : 8 + side, 8 : 8 + side] = 1
    return labels


@pytest.fixture
def root(tmp_path: Path) -> Path:
    Toy.reads = 0
    for case in ("a", "b", "c", "d", "e", "TCGA-FG-6692"):
        np.save(
            tmp_path / f"{case}.npy",
            np.random.default_rng(ord(case[0])).uniform(0, 50, (9, 32, 32)).astype(np.float32),
        )
    return tmp_path


def all_ids(dataset: VolumeDataset) -> list[str]:
    return sorted(i for split in SPLITS for i in dataset.ids(split))


def test_ids_by_slices(root) -> None:
    assert all_ids(Toy(root)) == sorted(
        f"{case}-005" for case in ("a", "b", "c", "d", "e", "TCGA-FG-6692")
    )
    assert [i for i in all_ids(Toy(root, slices="tumour")) if i.startswith("a")] == [
        "a-003",
        "a-004",
        "a-005",
        "a-006",
    ]
    assert [i for i in all_ids(Toy(root, slices="tumour", every=3)) if i.startswith("a")] == [
        "a-003",
        "a-006",
    ]
    assert len(all_ids(Toy(root, slices="all"))) == 54
    assert [i for i in all_ids(Toy(root, slices="middle")) if i.startswith("a")] == ["a-004"]


def test_a_second_object_reads_nothing_but_the_cache(root) -> None:
    first = {i: Toy(root).load(i).hash for i in all_ids(Toy(root))}
    reads = Toy.reads
    again = Toy(root)
    assert {i: again.load(i).hash for i in all_ids(again)} == first and Toy.reads == reads
    sample = again.load("a-005")
    assert (
        sample.id == "a-005"
        and sample.dataset == "toy"
        and sample.patient == "a"
        and sample.slice_index == 5
    )
    assert (
        sample.channels == ("gray",)
        and sample.spacing_mm == (1.0, 1.0)
        and sample.volume.std > 0
        and sample.mask.sum() == 81
    )


@pytest.mark.parametrize(
    "change", ["content", "option", "own option", "data set's code", "steps' code"]
)
def test_what_a_sample_is_made_from_makes_it_anew(root, change, monkeypatch) -> None:
    before = Toy(root).load("a-005").hash
    reads, options = Toy.reads, {}
    if change == "content":
        np.save(root / "a.npy", np.ones((9, 32, 32)) * np.arange(32))
    elif change == "option":
        options = {"size": 16}
    elif change == "own option":
        options = {"threshold": 0.7}
    elif change == "data set's code":
        monkeypatch.setattr(
            "benchmark.images.volumes.source_hash",
            lambda path: "0" if path == Path(__file__) else "1",
        )
    else:
        monkeypatch.setattr(
            "benchmark.images.volumes.source_hash",
            lambda path: "1" if path.name == "prepare.py" else "0",
        )
    after = Toy(root, **options).load("a-005").hash
    assert Toy.reads == reads + 1 and (after != before) == (change in ("content", "option"))
    Toy(root, slices="all", planes=4, **options).load("a-005")
    assert Toy.reads == reads + 1  # options that only choose slices are no part of a slice


def test_one_damaged_case_hides_no_other(root) -> None:
    np.save(root / "b.npy", np.ones(3))
    dataset = Toy(root)
    assert [i for i in all_ids(dataset) if not i.startswith("b")] == sorted(
        f"{c}-005" for c in ("a", "c", "d", "e", "TCGA-FG-6692")
    )
    with pytest.raises(InputError, match="the volume b"):
        dataset.load(next(i for i in all_ids(dataset) if i.startswith("b")))


def test_volumes_are_planes_one_below_the_other(root) -> None:
    dataset = Toy(root, planes=4)
    assert sorted(v for split in SPLITS for v in dataset.volumes(split)) == [
        "TCGA-FG-6692",
        "a",
        "b",
        "c",
        "d",
        "e",
    ]
    volume = dataset.load_volume("a")
    assert (
        volume.depth == 4 and volume.image.shape == (4 * 32, 32, 1) and volume.slice_index == 3
    )  # around plane 5
    for k in range(4):
        plane = dataset.load(f"a-{3 + k:03d}")
        assert np.array_equal(volume.image[32 * k : 32 * (k + 1)], plane.image)
        assert np.array_equal(volume.mask[32 * k : 32 * (k + 1)], plane.mask)
    assert Toy(root, planes=0).load_volume("a").depth == 9
    reads = Toy.reads
    assert Toy(root, planes=4).load_volume("a").hash == volume.hash and Toy.reads == reads


def test_notes_are_said_from_the_cache_too(root) -> None:
    (root / "a.npy").rename(root / "noted.npy")
    for _ in range(2):
        with pytest.warns(UserWarning, match="toy noted: a note"):
            Toy(root).load("noted-005")


def test_a_tcga_patient_has_the_split_of_lgg(root) -> None:
    assert get("dataset", "lgg").load()(root).split("TCGA_FG_6692_20020606") == Toy(root).split(
        "TCGA-FG-6692"
    )


def test_memory_holds_one_scan(root) -> None:
    dataset = Toy(root)
    for sample_id in all_ids(dataset):
        dataset.load(sample_id)
    assert dataset._last.case == "e" and len(dataset._views) == 1


def test_options_of_others_are_refused(root) -> None:
    with pytest.raises(InputError, match="toy with size=3"):
        Toy(root, size=3)
    with pytest.raises(TypeError, match="colour"):
        Toy(root, colour=3)
    for wrong in ("a-099", "a", "z-005", "../a-005"):
        with pytest.raises(InputError):
            Toy(root).load(wrong)


def test_every_shared_option_is_shown_with_the_data_sets_default() -> None:
    options = {option.name: option for option in get("dataset", "lgg").options}
    assert {option.name for option in shared_options()} < set(options) and "channel" in options
    assert (
        options["window"].default == "full"
        and options["size"].default == 128
        and "zscore" in options["window"].choices
    )


def test_the_next_patient_has_a_window_and_a_box_of_its_own(root) -> None:
    np.save(root / "b.npy", 10 * np.load(root / "b.npy"))
    dataset = Toy(root, crop="lesion", extent=16)
    alone = {case: Toy(root, crop="lesion", extent=16)._slice(f"{case}", 5) for case in ("a", "b")}
    for case in ("a", "b", "a"):
        sample = dataset._slice(case, 5)
        assert sample.hash == alone[case].hash and sample.window == alone[case].window
    assert alone["b"].window[1] > 5 * alone["a"].window[1]


def test_equal_files_of_two_cases_or_data_sets_share_nothing(root) -> None:
    class Other(Toy):
        """The upper half of what Toy reads, from the same file of code."""

        name = "other"

        def read(self, case: str) -> Scan:
            scan = super().read(case)
            return Scan(
                case, {"gray": 50 - scan.channels["gray"]}, scan.numbers, labels=scan.labels
            )

    assert Toy(root).load("a-005").hash != Other(root).load("a-005").hash
    (root / "z.npy").write_bytes((root / "a.npy").read_bytes())
    assert Toy(root).load("z-005").patient == "z"


def test_files_that_change_while_they_are_read_are_not_kept(root) -> None:
    class Changing(Toy):
        """Another process writes the file after it was hashed."""

        def read(self, case: str) -> Scan:
            np.save(self.root / f"{case}.npy", np.random.default_rng(9).uniform(0, 50, (9, 32, 32)))
            return super().read(case)

    with pytest.raises(InputError, match="changed while"):
        Changing(root).load("a-005")


def test_warnings_of_reading_are_kept_as_notes(root) -> None:
    class Warning_(Toy):
        def read(self, case: str) -> Scan:
            warnings.warn("its sides may be swapped", stacklevel=1)
            return super().read(case)

    for _ in range(2):
        with pytest.warns(UserWarning, match="toy a: its sides may be swapped"):
            Warning_(root).load("a-005")


def test_planes_that_show_nothing_belong_to_volumes_but_are_no_slices(root) -> None:
    image = np.load(root / "a.npy")
    image[4] = 0
    np.save(root / "a.npy", image)
    with pytest.raises(InputError, match="slice 4 of a"):
        Toy(root).load("a-004")
    assert Toy(root, planes=0).load_volume("a").depth == 9


@pytest.mark.parametrize(
    ("options", "found"), [({"planes": 1}, "one plane of 9"), ({"per": "slice"}, "one window")]
)
def test_volumes_that_cannot_be(root, options, found) -> None:
    with pytest.raises(InputError, match=found):
        Toy(root, **options).load_volume("a")

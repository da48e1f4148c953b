"""The base of data sets of volumes: ids, splits, volumes, what is cached and what makes it stale."""

from __future__ import annotations

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

    def __init__(self, root: Path | None = None, *, threshold: float = 0.5, **preparation: Any) -> None:
        super().__init__(root, preparation, threshold=threshold)

    def cases(self):
        return {path.stem: [path] for path in self.root.glob("*.npy")}

    def read(self, case: str) -> Scan:
        Toy.reads += 1
        image = np.load(self.root / f"{case}.npy")
        if image.ndim != 3:
            raise InputError(f"the volume {case}", "no volume", "mend it")
        return Scan(case, {"gray": image}, tuple(range(len(image))), labels=lesion(), notes=("a note",) if case == "noted" else ())


def lesion() -> np.ndarray:
    labels = np.zeros((9, 32, 32), np.uint8)
    for k, side in zip(range(3, 7), (4, 6, 9, 5), strict=True):
        labels[k, 8:8 + side, 8:8 + side] = 1
    return labels


@pytest.fixture
def root(tmp_path: Path) -> Path:
    Toy.reads = 0
    for case in ("a", "b", "c", "d", "e", "TCGA-FG-6692"):
        np.save(tmp_path / f"{case}.npy", np.random.default_rng(ord(case[0])).uniform(0, 50, (9, 32, 32)).astype(np.float32))
    return tmp_path


def all_ids(dataset: VolumeDataset) -> list[str]:
    return sorted(i for split in SPLITS for i in dataset.ids(split))


def test_ids_by_slices(root) -> None:
    assert all_ids(Toy(root)) == sorted(f"{case}-005" for case in ("a", "b", "c", "d", "e", "TCGA-FG-6692"))
    assert [i for i in all_ids(Toy(root, slices="tumour")) if i.startswith("a")] == ["a-003", "a-004", "a-005", "a-006"]
    assert [i for i in all_ids(Toy(root, slices="tumour", every=3)) if i.startswith("a")] == ["a-003", "a-006"]
    assert len(all_ids(Toy(root, slices="all"))) == 54
    assert [i for i in all_ids(Toy(root, slices="middle")) if i.startswith("a")] == ["a-004"]


def test_a_second_object_reads_nothing_but_the_cache(root) -> None:
    first = {i: Toy(root).load(i).hash for i in all_ids(Toy(root))}
    reads = Toy.reads
    again = Toy(root)
    assert {i: again.load(i).hash for i in all_ids(again)} == first and Toy.reads == reads
    sample = again.load("a-005")
    assert sample.id == "a-005" and sample.dataset == "toy" and sample.patient == "a" and sample.slice_index == 5
    assert sample.channels == ("gray",) and sample.spacing_mm == (1.0, 1.0) and sample.volume.std > 0 and sample.mask.sum() == 81


@pytest.mark.parametrize("change", ["content", "option", "own option", "version"])
def test_what_a_sample_is_made_from_makes_it_anew(root, change, monkeypatch) -> None:
    before = Toy(root).load("a-005").hash
    reads, options = Toy.reads, {}
    if change == "content":
        np.save(root / "a.npy", np.ones((9, 32, 32)) * np.arange(32))
    elif change == "option":
        options = {"size": 16}
    elif change == "own option":
        options = {"threshold": 0.7}
    else:
        monkeypatch.setattr("benchmark.images.volumes.VERSION", 99)
    after = Toy(root, **options).load("a-005").hash
    assert Toy.reads == reads + 1 and (after != before) == (change in ("content", "option"))
    Toy(root, slices="all", planes=4, **options).load("a-005")
    assert Toy.reads == reads + 1  # options that only choose slices are no part of a slice


def test_one_damaged_case_hides_no_other(root) -> None:
    np.save(root / "b.npy", np.ones(3))
    dataset = Toy(root)
    assert [i for i in all_ids(dataset) if not i.startswith("b")] == sorted(f"{c}-005" for c in ("a", "c", "d", "e", "TCGA-FG-6692"))
    with pytest.raises(InputError, match="the volume b"):
        dataset.load(next(i for i in all_ids(dataset) if i.startswith("b")))


def test_volumes_are_planes_one_below_the_other(root) -> None:
    dataset = Toy(root, planes=4)
    assert sorted(v for split in SPLITS for v in dataset.volumes(split)) == ["TCGA-FG-6692", "a", "b", "c", "d", "e"]
    volume = dataset.load_volume("a")
    assert volume.depth == 4 and volume.image.shape == (4 * 32, 32, 1) and volume.slice_index == 3  # around plane 5
    for k in range(4):
        plane = dataset.load(f"a-{3 + k:03d}")
        assert np.array_equal(volume.image[32 * k:32 * (k + 1)], plane.image)
        assert np.array_equal(volume.mask[32 * k:32 * (k + 1)], plane.mask)
    assert Toy(root, planes=0).load_volume("a").depth == 9
    reads = Toy.reads
    assert Toy(root, planes=4).load_volume("a").hash == volume.hash and Toy.reads == reads


def test_notes_are_said_from_the_cache_too(root) -> None:
    (root / "a.npy").rename(root / "noted.npy")
    for _ in range(2):
        with pytest.warns(UserWarning, match="toy noted: a note"):
            Toy(root).load("noted-005")


def test_a_tcga_patient_has_the_split_of_lgg(root) -> None:
    assert get("dataset", "lgg").load()(root).split("TCGA_FG_6692_20020606") == Toy(root).split("TCGA-FG-6692")


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
    assert options["window"].default == "full" and options["size"].default == 128 and "zscore" in options["window"].choices

"""Split files: what is written is read, a change is noticed, and a data set obeys one."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmark.errors import InputError
from benchmark.images.persons import split_of_person
from benchmark.images.splits import Split, read_split
from benchmark.plugins.index import get
from tests.test_images_volumes import Toy, all_ids, root  # noqa: F401  a fixture

PERSONS = {"b": "test", "a": "train", "c": "val"}


def test_what_is_written_is_read(tmp_path) -> None:
    (tmp_path / "toy.tsv").write_text(Split(PERSONS).text("toy"))
    found = read_split(tmp_path / "toy.tsv")
    assert (
        dict(found.persons) == PERSONS and found.hash == Split(dict(reversed(PERSONS.items()))).hash
    )
    assert found.of("a") == "train" and found.of("nobody") is None
    assert Split({**PERSONS, "a": "test"}).hash != found.hash


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("a\ttrain", "a\ttest", "changed since"),
        ("a\ttrain\n", "", "changed since"),
        ("# sha256", "# md5", "no sha256"),
        ("a\ttrain", "a train", "line 3"),
        ("a\ttrain", "b\ttrain", "twice"),
    ],
)
def test_a_file_that_is_none_is_refused(tmp_path, old, new, found) -> None:
    text = Split(PERSONS).text("toy")
    assert old in text
    (tmp_path / "toy.tsv").write_text(text.replace(old, new))
    with pytest.raises(InputError, match=found):
        read_split(tmp_path / "toy.tsv")


def test_no_file_and_no_text(tmp_path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    for name in ("nowhere", "binary"):
        with pytest.raises(InputError, match=name):
            read_split(tmp_path / name)


@pytest.mark.filterwarnings("ignore:toy. .*has no line")
def test_a_data_set_obeys_the_file(root) -> None:  # noqa: F811
    own = Toy(root).split_file()
    assert sorted(own.persons) == ["TCGA_FG_6692", "a", "b", "c", "d", "e"]
    path = root / "split.tsv"
    path.write_text(Split({"a": "test", "b": "val", "TCGA_FG_6692": "train"}).text("toy"))
    dataset = Toy(root, splits=str(path))
    with pytest.warns(UserWarning, match="no line for 3 of 6 cases, such as c"):
        dataset.ids("test")
    assert {split: dataset.ids(split) for split in ("train", "val", "test")} == {
        "train": ["TCGA-FG-6692-005"],
        "val": ["b-005"],
        "test": ["a-005"],
    }
    assert all_ids(Toy(root)) != all_ids(dataset)  # c, d and e are in no split


@pytest.mark.parametrize(("name", "count"), [("lgg", 110), ("decathlon", 484)])
def test_the_committed_splits_are_what_the_data_sets_do(name, count) -> None:
    split = read_split(Path(__file__).parents[1] / "results" / "splits" / f"{name}.tsv")
    salt = get("dataset", name).load().salt
    assert len(split.persons) == count
    assert {person: split_of_person(person, salt) for person in split.persons} == split.persons


def test_names_that_a_line_cannot_hold_are_refused_and_odd_ones_kept(tmp_path) -> None:
    (tmp_path / "odd.tsv").write_text(Split({"#7": "train", "a b": "test"}).text("odd"))
    assert dict(read_split(tmp_path / "odd.tsv").persons) == {"#7": "train", "a b": "test"}
    for name in ("# 7", "a\tb", "a\nb", " a"):
        with pytest.raises(InputError, match="cannot hold"):
            Split({name: "train"})

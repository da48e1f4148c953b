"""Who a case is across data sets, and that a person has one split whatever a release calls the
case.
"""

from __future__ import annotations

import pytest

from benchmark.images.persons import person_of, split_of_person


@pytest.mark.parametrize(
    ("case", "person"),
    [
        ("TCGA_FG_6692_20020606", "TCGA_FG_6692"),
        ("TCGA-FG-6692", "TCGA_FG_6692"),
        ("OtherExampleTCIA_TCGA-FG-6692_Si", "TCGA_FG_6692"),
        ("Brats18_2013_21_1", "BRATS2013_21_1"),
        ("Brats17_2013_21_1", "BRATS2013_21_1"),
        ("brats_2013_pat0004_1", "BRATS2013_21_1"),
        ("brats_2013_pat0005_1", "brats_2013_pat0005_1"),
        ("Brats18_TCIA02_123_1", "Brats18_TCIA02_123_1"),
        ("sub-r001s001", "sub-r001s001"),
    ],
)
def test_names_of_a_person(case, person) -> None:
    assert person_of(case) == person


def test_a_person_has_one_split_in_every_data_set() -> None:
    salts = ("lgg-25", "brats-1", "atlas-2", "folder-3")
    for person in ("TCGA_FG_6692", "TCGA_CS_4941", "BRATS2013_21_1", "brats_2013_pat0005_1"):
        assert len({split_of_person(person, salt) for salt in salts}) == 1
    own = [[split_of_person(f"sub-{i}", salt) for i in range(200)] for salt in salts]
    assert own[0] != own[1]  # others go by their data set's salt
    assert {
        split: own[0].count(split) / 200 for split in ("train", "val", "test")
    } == pytest.approx({"train": 0.60, "val": 0.12, "test": 0.28}, abs=0.1)

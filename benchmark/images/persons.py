"""Who a scan is, across data sets: the same patient has one name and one split, whatever a release
calls the case.
"""

from __future__ import annotations

import re

from benchmark.images.steps import split_of

# Patients of The Cancer Genome Atlas are in LGG, BraTS 2012 to 2023, UPENN and TCIA collections:
# one salt serves them all, that of `lgg` (where it was chosen for its counts alone).
TCGA_SALT = "lgg-25"
# BRATS 2013's training patients are in BraTS 2015 to 2020 and in the Decathlon's Task01, under
# numbers of each release. brats_2013_pat0004_1 of DeepMedic's copy is Brats18_2013_21_1: equal
# whole-tumor masks, FLAIR correlation 1.0 in the brain.
# the first by which the patient whose case README writes as a Task01 folder is in test
BRATS2013_SALT = "brats2013-8"
SAME = {"brats_2013_pat0004_1": "BRATS2013_21_1"}


def person_of(case: str) -> str:
    """The person behind a case's name: TCGA_FG_6692, BRATS2013_21_1, or the name itself where
    nothing more is known.
    """
    if found := re.search(r"TCGA[-_.]([0-9A-Z]{2})[-_.]([0-9A-Z]{4})", case, re.IGNORECASE):
        return f"TCGA_{found[1]}_{found[2]}".upper()
    if found := re.match(r"Brats1[5-9]_2013_(\d+)_(\d+)", case, re.IGNORECASE):
        return f"BRATS2013_{found[1]}_{found[2]}"
    return SAME.get(case, case)


def split_of_person(person: str, salt: str) -> str:
    """train, val or test, by a hash of the person alone; `salt`: of the data set, for those who are
    of no collection that several share.
    """
    if person.startswith("TCGA_"):
        return split_of(person, TCGA_SALT)
    return split_of(
        person, BRATS2013_SALT if person.lower().startswith(("brats2013_", "brats_2013_")) else salt
    )

"""BraTS from 2013 to 2023: how files are called, what label numbers mean, and who is who from year
to year.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

CHANNELS = ("flair", "t1", "t1ce", "t2")
ENDING = r"\.(?:nii|nii\.gz|mha)"


@dataclass(frozen=True)
class Layout:
    """How some years call a case's files (regular expressions, without the ending), and their label
    numbers.
    """

    years: str
    files: dict[str, str]
    edema: int
    core: tuple[int, ...]
    enhancing: int

    def numbers(self, labels: str) -> tuple[int, ...]:
        """Those of the whole tumor, its core (without edema) or what enhances."""
        return {
            "whole": tuple(sorted((*self.core, self.edema))),
            "core": self.core,
            "enhancing": (self.enhancing,),
        }[labels]

    @property
    def known(self) -> tuple[int, ...]:
        return 0, *self.numbers("whole")


# 1 is necrosis and 2 edema in all; 3 is the non-enhancing part, which 2017 joined to 1; 4 enhances,
# and was renumbered 3 in 2023.
LAYOUTS = (
    Layout(
        "BraTS 2013 and 2015",
        {
            "flair": r"VSD\.Brain\.XX\.O\.MR_Flair(?:\.\d+)?",
            "t1": r"VSD\.Brain\.XX\.O\.MR_T1(?:\.\d+)?",
            "t1ce": r"VSD\.Brain\.XX\.O\.MR_T1c(?:\.\d+)?",
            "t2": r"VSD\.Brain\.XX\.O\.MR_T2(?:\.\d+)?",
            "seg": r"VSD\.Brain.*\.OT(?:\.\d+)?",
        },
        2,
        (1, 3, 4),
        4,
    ),
    # In 2020 the labels of BraTS20_Training_355 are called W39_1998.09.19_Segm.nii.
    Layout(
        "BraTS 2017 to 2021",
        {"flair": ".+_flair", "t1": ".+_t1", "t1ce": ".+_t1ce", "t2": ".+_t2", "seg": ".+_segm?"},
        2,
        (1, 4),
        4,
    ),
    Layout(
        "BraTS 2023",
        {"flair": r".+-t2f", "t1": r".+-t1n", "t1ce": r".+-t1c", "t2": r".+-t2w", "seg": r".+-seg"},
        2,
        (1, 3),
        3,
    ),
    Layout(
        "BraTS 2015 as DeepMedic ships it",
        {
            "flair": "Flair_subtrMeanDivStd",
            "t1": "T1_subtrMeanDivStd",
            "t1ce": "T1c_subtrMeanDivStd",
            "t2": "T2_subtrMeanDivStd",
            "seg": "OTMultiClass",
            "brain": "brainmask",
        },
        2,
        (1, 3, 4),
        4,
    ),
)
ANY = f"(?:{'|'.join(name for layout in LAYOUTS for name in layout.files.values())}){ENDING}"


@dataclass
class Case:
    """A case's folder and its files by what they are: flair, t1, t1ce, t2, seg, brain; twice: files
    that are the same thing.
    """

    folder: Path
    layout: Layout
    files: dict[str, Path] = field(default_factory=dict)
    twice: list[Path] = field(default_factory=list)


def part_of(name: str) -> tuple[Layout, str] | None:
    """What a file is, by its name."""
    for layout in LAYOUTS:
        for part, called in layout.files.items():
            if re.fullmatch(called + ENDING, name, re.IGNORECASE):
                return layout, part
    return None


def cases_in(files: Iterable[Path]) -> dict[str, Case]:
    """Files sorted into cases by their folders; `twice` names those that are a part again, or of a
    second folder of that name.
    """
    cases: dict[str, Case] = {}
    for path in files:
        if (known := part_of(path.name)) is None:
            continue
        layout, part = known
        folder = path.absolute().parent
        folder = (
            folder.parent if folder.name.upper().startswith("VSD.") else folder
        )  # 2015 has a folder a file
        case = cases.setdefault(case_name(folder), Case(folder, layout))
        if (case.folder, case.layout) != (folder, layout) or part in case.files:
            case.twice += [*([case.files[part]] if part in case.files else []), path]
        else:
            case.files[part] = path
    return cases


def case_name(folder: Path) -> str:
    """The folder's name. BRATS 2013 counts low grades anew, so that 2015 has two
    brats_2013_pat0001_1: the low one is told apart.
    """
    low = folder.parent.name.upper() == "LGG" and folder.name.lower().startswith("brats_2013_pat")
    name = os.fsencode(folder.name).decode(errors="backslashreplace")
    return f"LGG_{name}" if low else name


def patient_of(case: str) -> str:
    """The case without its point in time: BraTS-GLI-00000 of BraTS-GLI-00000-000, brats_tcia_pat118
    of brats_tcia_pat118_0001.
    """
    return re.sub(
        r"^(BraTS-[A-Z]+-\d+)-\d+$|^(brats_tcia_pat\d+)_\d+$", r"\1\2", case, flags=re.IGNORECASE
    )


def stem_of(case: str) -> str:
    """A name for the person that years share where their own names say so.

    2017 to 2019 differ in the year alone; TCIA's numbers are taken to be those of 2015; 2023's are
    those of 2021.
    """
    if found := re.match(r"BraTS-GLI-(\d+)-\d+$", case, re.IGNORECASE):
        return f"BraTS2021_{found[1]}"
    if found := re.match(r"(?:brats_tcia_pat|Brats1[789]_TCIA\d*_)(\d+)_", case, re.IGNORECASE):
        return f"BRATS_TCIA_{found[1]}"
    if found := re.match(r"Brats1[789]_2013_(\d+)_(\d+)$", case, re.IGNORECASE):
        return f"BRATS2013_{found[1]}_{found[2]}"
    if found := re.match(r"Brats1[789]_(.+)$", case, re.IGNORECASE):
        return f"BRATS_{found[1]}"
    if found := re.match(r"LGG_brats_2013_(.+)$", case, re.IGNORECASE):
        return f"brats_2013_LGG_{found[1]}"  # as brats_2013_...: one salt serves all of BRATS 2013
    return patient_of(case)


def same_persons(tables: Iterable[Path]) -> dict[str, str]:
    """Person by stem, of name_mapping.csv (2018 to 2020) and BraTS21-17_Mapping.csv: names in a row
    are one person's.

    The best known name is taken: that of The Cancer Genome Atlas, else the first of the alphabet
    (where BRATS2013_... comes first).
    """
    groups: dict[str, set[str]] = {}
    for path in tables:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            for row in list(csv.reader(file))[1:]:
                names: set[str] = set()
                for cell in map(str.strip, row):
                    if re.match("brats", cell, re.IGNORECASE):
                        names.add(stem_of(cell))
                    if found := re.match(r"TCGA-(\w{2})-(\w{4})", cell, re.IGNORECASE):
                        names.add(f"TCGA_{found[1]}_{found[2]}".upper())
                names = names.union(*(groups.get(name, ()) for name in names))
                groups.update(dict.fromkeys(names, names))
    return {
        name: min(names, key=lambda known: (not known.startswith("TCGA_"), known))
        for name, names in groups.items()
    }

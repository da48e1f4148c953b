"""BraTS, 2013 to 2023: gliomas in four channels, one file each, in the layouts of all these years
and in DeepMedic's.
"""

from __future__ import annotations

import re
import warnings
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from benchmark.files.brats import ANY, CHANNELS, cases_in, patient_of, same_persons, stem_of
from benchmark.plugins import InputError, Words, field, register
from benchmark.plugins.datasets._release import Parts, Release

NUMBERINGS = {
    r"brats_2013": "2015",
    r"BRATS(2013)?_": "2017 to 2019",
    r"BraTS20_": "2020",
    r"BraTS2021_": "2021 and 2023",
}


@register.dataset("brats", requires=("nibabel", "zlib_ng"))
class Brats(Release):
    """BraTS 2013 to 2023: gliomas, FLAIR, T1, T1 with contrast and T2 volumes, skull-stripped, with
    labels of the tumor's parts.

    Reads every case below --root, of one year or of several, whatever folders are between: 2015's
    VSD.Brain.*.mha, the files CASE_flair.nii.gz of 2017 to 2021, CASE-t2f.nii.gz of 2023, and the
    z-scored Flair_subtrMeanDivStd.nii.gz of DeepMedic. A case is called as its folder is
    (LGG_brats_2013_pat0001_1 where 2015 counts low grades anew), a sample CASE-077. `labels`: whole
    tumor, core (without edema) or enhancing, by the numbers of the case's year; a number that the
    year does not have is an error. Cases without labels (validation and test sets) are left out,
    and a warning counts them. Brain: the brain mask of DeepMedic's cases, else where a channel
    differs from the corners of its volume. Labels outside the brain stay. Splits go by person:
    name_mapping.csv and BraTS21-17_Mapping.csv are read where they lie among the cases; folders
    called train or test mean nothing.
    """

    name = "brats"
    salt = "brats-0"
    preparation = {"slices": "largest"}
    licence = (
        "BraTS 2013 and 2015: CC BY-NC-SA 3.0; 2017 to 2023: the terms of each year's challenge"
        " (registration, research, citations). Not for commercial use"
    )
    citation = (
        "Menze et al., The Multimodal Brain Tumor Image Segmentation Benchmark (BRATS), IEEE TMI 34"
        " (2015) 1993-2024; Bakas et al., Advancing The Cancer Genome Atlas glioma MRI collections,"
        " Scientific Data 4 (2017) 170117; for 2021 and 2023 Baid et al., The RSNA-ASNR-MICCAI"
        " BraTS 2021 Benchmark, arXiv 2107.02314"
    )
    where = "brats"
    pattern = rf"{ANY}|.*mapping.*\.csv"
    get = (
        "register for a year of BraTS (2021 and 2023: synapse.org/brats; 2017 to 2020:"
        " med.upenn.edu/cbica; 2015: smir.ch), accept its terms, unpack it to a folder with BraTS"
        " in its name"
    )

    def __init__(
        self,
        root: Path | None = None,
        *,
        channel: Literal["flair", "t1", "t1ce", "t2", "all"] = "flair",
        labels: Literal["whole", "core", "enhancing"] = "whole",
        **preparation: Any,
    ) -> None:
        for name, given, known in (
            ("channel", channel, (*CHANNELS, "all")),
            ("labels", labels, ("whole", "core", "enhancing")),
        ):
            if given not in known:
                raise InputError(
                    f"brats with {name}={given}", "no such choice", f"{name}={', '.join(known)}"
                )
        super().__init__(root, preparation, channel=channel, labels=labels)
        self.wanted = CHANNELS if channel == "all" else (channel,)

    def find(self) -> dict[str, Parts]:
        found = {}
        labeled = []
        for name, case in cases_in(self.found).items():
            labels = [case.files["seg"]] if "seg" in case.files else []
            if labels:
                labeled.append(name)
            found[name] = Parts(
                channels={part: case.files[part] for part in CHANNELS if part in case.files},
                labels=labels,
                brain=case.files.get("brain"),
                known=case.layout.known,
                lesion=case.layout.numbers(self.own["labels"]),
                release=case.layout.years,
                twice=case.twice,
            )
        self._warn_of_numberings(labeled)
        return found

    @cached_property
    def _same(self) -> dict[str, str]:
        return same_persons(path for path in self.found if path.suffix.lower() == ".csv")

    def person(self, case: str) -> str:
        name: str = super().person(self._same.get(stem_of(case), stem_of(case)))
        return name

    def patient(self, case: str) -> str:
        return patient_of(case)

    def _warn_of_numberings(self, cases: list[str]) -> None:
        """Years count people anew: without a table that relates them, one person may have two names
        and two splits.
        """
        examples: dict[str, str] = {}  # years -> the first case of that numbering
        for case in sorted(cases, reverse=True):
            stem = stem_of(case)
            if stem in self._same or self.person(case) != stem:
                continue
            for prefix, years in NUMBERINGS.items():
                if re.match(prefix, stem):
                    examples[years] = case
        if len(examples) > 1:
            named = [f"{case} (numbers of {years})" for years, case in sorted(examples.items())]
            found = f"{' and '.join(named)} may be the same person in two splits"
            todo = f"add the mapping .csv of the release, or {field('root')} one year"
            said = f"brats: {found}, as nothing here relates the numbers; {todo}"
            warnings.warn(Words(said), stacklevel=2)

"""Persons who stand in several cases: on both sides of a split, or under several names."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Sequence

from benchmark.datacheck.cases import Case
from benchmark.datacheck.facts import Observation
from benchmark.types import SPLITS

# A word and a short number (patient07, case_3, 001): such a name says who somebody is within one
# data set only.
GENERIC = re.compile(r"[a-z]*[-_ (]*\d{1,4}\)?", re.IGNORECASE)


def leaks(cases: Sequence[Case], volumes: Collection[str]) -> list[Observation]:
    """A `split-leak` for each person in several splits; a `same-person` for each with several
    volumes, or in several data sets.

    volumes: titles of the cases that have more than one plane. Slices of a person that are cases of
    their own are no news.
    """
    cases_of: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for case in cases:
        generic = GENERIC.fullmatch(case.person)
        where = case.dataset.partition("@")[0] if generic else ""
        cases_of[case.person, where].append(case)
    out = []
    for (person, _), theirs in cases_of.items():
        titles = tuple(case.title for case in theirs)
        sides = _by_split(theirs)
        if len(sides) > 1:
            said = [f"{split}: {', '.join(names)}" for split, names in sides.items()]
            out.append(Observation("split-leak", titles, f"{person} is in {'; '.join(said)}"))
            continue
        datasets = {case.dataset for case in theirs}
        if len(datasets) > 1 or len(set(titles) & set(volumes)) > 1:
            where = next(iter(sides), "no split")
            out.append(Observation("same-person", titles, f"{person}, all in {where}"))
    return out


def _by_split(cases: Sequence[Case]) -> dict[str, list[str]]:
    """split -> titles of the cases in it, in the order of SPLITS; those in none are left out."""
    titles: dict[str, list[str]] = defaultdict(list)
    for case in cases:
        titles[case.split].append(case.title)
    return {split: titles[split] for split in SPLITS if split in titles}

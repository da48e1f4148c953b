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
    of: dict[tuple[str, str], list[Case]] = defaultdict(list)
    for case in cases:
        of[
            case.person, case.dataset.partition("@")[0] if GENERIC.fullmatch(case.person) else ""
        ].append(case)
    out = []
    for (person, _), theirs in of.items():
        where = tuple(case.title for case in theirs)
        splits = [split for split in SPLITS if any(case.split == split for case in theirs)]
        if len(splits) > 1:
            sides = "; ".join(
                f"{split}: {', '.join(case.title for case in theirs if case.split == split)}"
                for split in splits
            )
            out.append(Observation("split-leak", where, f"{person} is in {sides}"))
        elif (
            len({case.dataset for case in theirs}) > 1
            or sum(case.title in volumes for case in theirs) > 1
        ):
            out.append(
                Observation(
                    "same-person", where, f"{person}, all in {splits[0] if splits else 'no split'}"
                )
            )
    return out

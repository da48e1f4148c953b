"""What a real copy of a data set holds, and what is wrong with it: every case looked at once, one
scan in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from benchmark.datacheck.cases import Case, Source, cases_of, with_warnings
from benchmark.datacheck.copies import find_copies
from benchmark.datacheck.facts import CaseFacts, Observation, facts_of
from benchmark.datacheck.findings import KINDS, Kind
from benchmark.datacheck.fingerprints import Fingerprint, fingerprint
from benchmark.datacheck.persons import leaks

__all__ = [
    "KINDS",
    "Case",
    "CaseFacts",
    "Fingerprint",
    "Kind",
    "Observation",
    "Source",
    "Survey",
    "cases_of",
    "survey",
]


@dataclass(frozen=True)
class Survey:
    """`cases` of all data sets, `facts` of those that could be read, and what was observed,
    failures first.
    """

    cases: list[Case]
    facts: list[CaseFacts]
    observations: list[Observation]

    @property
    def failed(self) -> bool:
        """Whether anything observed is a failure."""
        return any(KINDS[observation.name].level == "failure" for observation in self.observations)

    def by_kind(self) -> dict[str, list[Observation]]:
        """name -> observations, in the order of KINDS."""
        return {
            name: found
            for name in KINDS
            if (found := [o for o in self.observations if o.name == name])
        }


def survey(
    sources: Sequence[Source], progress: Callable[[Sequence[Case]], Iterable[Case]] = iter
) -> Survey:
    """Look at every case of every data set, all splits; `progress` wraps the walk.

    A case that cannot be read is an observation `unreadable`, and the walk goes on. Raises
    InputError only where a data set's folder is not there.
    """
    cases: list[Case] = []
    facts: list[CaseFacts] = []
    prints: list[Fingerprint] = []
    observed: list[Observation] = []
    told: set[str] = set()  # what a data set warns of, once and not again in every case
    for source in sources:
        theirs, warned = with_warnings(partial(_list, source))
        cases += theirs
        told |= set(warned)
        observed += [
            Observation("note", (source.title,), note.removeprefix(f"{source.title}: "))
            for note in warned
        ]
    for case in progress(cases):
        try:
            (scan, odd), warned = with_warnings(case.read)
            found, more = facts_of(case, scan)
            prints.append(fingerprint(case, scan))
        # one file, or a reader's fault in it, must not hide the others; ctrl-C is no Exception
        except Exception as error:
            said = getattr(error, "found", f"{type(error).__name__}: {error}")
            observed.append(
                Observation("unreadable", (case.title,), f"{getattr(error, 'asked', 'it')}: {said}")
            )
            continue
        facts.append(found)
        odd += [*more, *(("note", note) for note in (*scan.notes, *warned) if note not in told)]
        observed += [Observation(name, (case.title,), what) for name, what in odd]
    observed += [
        *_fewer_channels([s for s in sources if not s.by_channel], facts),
        *find_copies(prints),
        *leaks(cases, {f.case.title for f in facts if f.shape[0] > 1}),
    ]
    order = list(KINDS)
    return Survey(cases, facts, sorted(observed, key=lambda o: order.index(o.name)))


def _list(source: Source) -> list[Case]:
    return list(cases_of(source))


def _fewer_channels(sources: Sequence[Source], facts: Sequence[CaseFacts]) -> list[Observation]:
    """Cases that have fewer channels than others of their data set, where it does not read its
    channels one by one.
    """
    out = []
    for source in sources:
        ours = [f for f in facts if f.case.dataset == source.title]
        known = list(dict.fromkeys(name for f in ours for name in f.channels))
        for f in ours:
            if lacking := [name for name in known if name not in f.channels]:
                what = f"it has {', '.join(f.channels)}, and no {', '.join(lacking)}"
                out.append(Observation("missing-channel", (f.case.title,), what))
    return out

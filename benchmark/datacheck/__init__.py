"""What a real copy of a data set holds, and what is wrong with it: every case looked at once, one
scan in memory at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from benchmark.datacheck.cases import Case, Oddities, Source, cases_of, with_warnings
from benchmark.datacheck.copies import find_copies
from benchmark.datacheck.facts import CaseFacts, Observation, facts_of
from benchmark.datacheck.findings import KINDS, Kind
from benchmark.datacheck.fingerprints import Fingerprint, fingerprint
from benchmark.datacheck.persons import leaks
from benchmark.errors import InputError, Words

LOG = logging.getLogger("benchmark")

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
        levels = {KINDS[observation.name].level for observation in self.observations}
        return "failure" in levels

    def by_kind(self) -> dict[str, list[Observation]]:
        """name -> observations, in the order of KINDS."""
        out = {}
        for name in KINDS:
            found = [one for one in self.observations if one.name == name]
            if found:
                out[name] = found
        return out


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
        for note in warned:
            text = note.removeprefix(f"{source.title}: ")
            observed.append(Observation("note", (source.title,), text))
    for case in progress(cases):
        try:
            looked = _look(case, told)
        # one file, or a reader's fault in it, must not hide the others; ctrl-C is no Exception
        except Exception as error:
            observed.append(_unreadable(case, error))
            continue
        facts.append(looked.facts)
        prints.append(looked.fingerprint)
        for name, what in looked.odd:
            observed.append(Observation(name, (case.title,), what))
    whole = [source for source in sources if not source.by_channel]
    volumes = {found.case.title for found in facts if found.shape[0] > 1}
    observed += _fewer_channels(whole, facts)
    observed += find_copies(prints)
    observed += leaks(cases, volumes)
    order = list(KINDS)
    return Survey(cases, facts, sorted(observed, key=lambda one: order.index(one.name)))


@dataclass(frozen=True, eq=False)
class _Looked:
    """What was found in one case, whose scan is forgotten again."""

    facts: CaseFacts
    fingerprint: Fingerprint
    odd: Oddities


def _look(case: Case, told: Collection[str]) -> _Looked:
    """Read one case and look at its scan; `told`: warnings that need not be repeated."""
    (scan, odd), warned = with_warnings(case.read)
    facts, more = facts_of(case, scan)
    odd = [*odd, *more]
    for note in (*scan.notes, *warned):
        if note not in told:
            odd.append(("note", note))
    return _Looked(facts, fingerprint(case, scan), odd)


def _unreadable(case: Case, error: Exception) -> Observation:
    """Why a case cannot be read. What is no InputError may be a fault of ours: the log has it."""
    if isinstance(error, InputError):
        said: str = Words(f"{error.asked.marked}: {error.found.marked}")
    else:
        LOG.info("%s cannot be read", case.title, exc_info=error)
        said = f"it: {type(error).__name__}: {error}"
    return Observation("unreadable", (case.title,), said)


def _list(source: Source) -> list[Case]:
    return list(cases_of(source))


def _fewer_channels(sources: Sequence[Source], facts: Sequence[CaseFacts]) -> list[Observation]:
    """Cases that have fewer channels than others of their data set, where it does not read its
    channels one by one.
    """
    out = []
    for source in sources:
        ours = [found for found in facts if found.case.dataset == source.title]
        known: dict[str, None] = {}  # a set that keeps the order
        for found in ours:
            known |= dict.fromkeys(found.channels)
        for found in ours:
            lacking = [name for name in known if name not in found.channels]
            if lacking:
                what = f"it has {', '.join(found.channels)}, and no {', '.join(lacking)}"
                out.append(Observation("missing-channel", (found.case.title,), what))
    return out

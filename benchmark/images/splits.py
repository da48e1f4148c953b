"""Splits as files that anyone can cite: a line for each person, and a hash over all of them.

    # sinco-bench split of lgg, 110 persons
    # sha256 0f3c...
    TCGA_CS_4941	train

The hash is of the lines below it, so the same split has the same hash wherever it is kept.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from benchmark.errors import InputError, call
from benchmark.types import SPLITS

TODO = f"a file that `{call('data split', 'NAME', out='FILE')}` wrote"


@dataclass(frozen=True)
class Split:
    """Who is in which split; `hash` is the name to cite it by."""

    persons: Mapping[str, str]

    def __post_init__(self) -> None:
        for person in self.persons:
            if (
                person.startswith("# ")
                or person != person.strip()
                or "\t" in person
                or "\n" in person
            ):
                raise InputError(
                    f"a split with the person {person!r}",
                    "a line cannot hold that name",
                    "another name of the file or folder",
                )

    @property
    def lines(self) -> str:
        return "".join(f"{person}\t{split}\n" for person, split in sorted(self.persons.items()))

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.lines.encode()).hexdigest()

    def text(self, dataset: str) -> str:
        """The file's content."""
        return (
            f"# sinco-bench split of {dataset}, {len(self.persons)} persons\n# sha256"
            f" {self.hash}\n{self.lines}"
        )

    def of(self, person: str) -> str | None:
        """The split of a person; None for one who is in none."""
        return self.persons.get(person)


@lru_cache(maxsize=8)
def read_split(path: Path) -> Split:
    """The split of a file; raises InputError where it is none, names a person twice, or was changed
    since it was written.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"splits={path}",
            f"it cannot be read ({getattr(error, 'strerror', None) or 'no text'})",
            TODO,
        ) from None
    persons: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if line.startswith("# ") or not line.strip():
            continue
        person, _, split = line.partition("\t")
        if split not in SPLITS:
            raise InputError(
                f"splits={path}, line {number}",
                f"{line!r} is not a person, a tab and train, val or test",
                TODO,
            )
        if person in persons:
            raise InputError(
                f"splits={path}, line {number}", f"{person} stands there twice", "one line a person"
            )
        persons[person] = split
    found = Split(persons)
    stated = re.search(r"^# sha256 ([0-9a-f]+)$", "\n".join(lines), re.MULTILINE)
    if stated is None or stated[1] != found.hash:
        raise InputError(
            f"splits={path}",
            f"it states {f'sha256 {stated[1][:12]}...' if stated else 'no sha256'}, and its lines"
            f" have {found.hash[:12]}...: it was changed since it was written",
            f"restore it; or, if the change is meant, put this in it: # sha256 {found.hash}",
        )
    return found

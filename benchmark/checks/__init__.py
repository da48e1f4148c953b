"""The contract checks: small named claims about a plug-in, the same for ours and for yours.

    from benchmark.checks import check

    print(check("inr", "siren"))
    print(check("inr", MyNetwork))  # a class, no file needed

A claim is a function `check_<claim>(subject)` in the module of its kind; it raises AssertionError
with what is wrong, or Skip with a reason. Nothing needs to be registered, except for the few claims
that say so when they are skipped.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from benchmark.checks.subject import Subject, name_of, subject_of
from benchmark.errors import BenchmarkError, Words, marked_of

__all__ = ["Checked", "Claim", "Skip", "Subject", "check", "claims", "run_checks", "subject_of"]

Check = Callable[["Subject"], None]
Status = Literal["passed", "failed", "skipped"]


class Skip(Exception):
    """A claim that cannot be looked at here; its text is the reason."""


@dataclass(frozen=True)
class Claim:
    """What came of one claim: passed, failed or skipped, why, and the seconds that it took."""

    name: str
    status: Status
    why: str = ""
    seconds: float = 0.0

    @property
    def line(self) -> Words:
        """One line: its status, what it claims and why it does not hold."""
        word = "FAILED" if self.status == "failed" else self.status
        why = f": {marked_of(self.why)}" if self.why else ""
        return Words(f"{word:<8}{self.name}{why}")

    def __str__(self) -> str:
        return str(self.line)


@dataclass(frozen=True, repr=False)
class Checked:
    """What came of all claims about one plug-in; printed, or shown in a notebook, a line a claim
    and a summary.
    """

    kind: str
    name: str
    claims: tuple[Claim, ...]

    @property
    def ok(self) -> bool:
        """Whether no claim failed; `skipped` says which were not looked at."""
        return not self.failed

    @property
    def failed(self) -> tuple[Claim, ...]:
        return self._of("failed")

    @property
    def skipped(self) -> tuple[Claim, ...]:
        return self._of("skipped")

    def summary(self) -> Words:
        """One line: how many claims ran, failed and were skipped, and each reason of a skip."""
        ran = len(self.claims) - len(self.skipped)
        line = (
            f"{self.kind} {self.name}: {ran} of {len(self.claims)} claims ran,"
            f" {len(self.failed)} failed, {len(self.skipped)} skipped"
        )
        reasons = "; ".join(dict.fromkeys(marked_of(claim.why) for claim in self.skipped))
        return Words(f"{line} ({reasons})" if reasons else line)

    def __str__(self) -> str:
        return "\n".join([*map(str, self.claims), self.summary()])

    __repr__ = __str__

    def _of(self, status: Status) -> tuple[Claim, ...]:
        return tuple(claim for claim in self.claims if claim.status == status)


def check(kind: str, plugin: str | Callable[..., Any], /, **options: Any) -> Checked:
    """Look at every claim about a plug-in: a registered name, or a class or function.

    kind: inr, segmenter, dataset, codec, regularizer or optimizer. options: arguments of the
    plug-in, of a data set `root` too. What a class declares comes from its decorator, where it has
    one. Raises InputError where there is no such kind, plug-in or option, or it cannot run here.
    """
    subject = subject_of(kind, plugin, **options)
    return Checked(kind, name_of(plugin), tuple(run_checks(kind, subject)))


def claims(kind: str) -> dict[str, Check]:
    """The claims about a kind of plug-in by name, in the order of their file."""
    module = importlib.import_module(f"benchmark.checks.{kind}")
    found = {}
    for name, function in vars(module).items():
        if name.startswith("check_"):
            found[name.removeprefix("check_").replace("_", " ")] = function
    return found


def run_checks(kind: str, subject: Subject) -> Iterator[Claim]:
    """Look at each claim in turn; an error in the plug-in fails the claim during which it was
    raised.
    """
    for name, function in claims(kind).items():
        start = time.perf_counter()
        status, why = _look(function, subject)
        yield Claim(name, status, why, time.perf_counter() - start)


def _look(function: Check, subject: Subject) -> tuple[Status, str]:
    """What came of one claim, and why."""
    try:
        function(subject)
    except Skip as reason:
        return "skipped", Words(str(reason))
    except AssertionError as error:
        return "failed", str(error) or "an assertion of the plug-in failed"
    except BenchmarkError as error:
        return "failed", Words(f"{error.asked.marked}: {error.found.marked}")
    except (Exception, SystemExit) as error:
        # A plug-in may raise anything, or leave, and the other claims still want an answer.
        return "failed", f"{type(error).__name__}: {error}"
    return "passed", ""

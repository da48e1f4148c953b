"""The contract checks: small named claims about a plug-in, the same for ours and for yours.

    for result in run_checks("inr", Subject.of(MyNetwork, coordinates=(0.0, 1.0))):
        print(result)

A claim is a function `check_<claim>(subject)` in the module of its kind; it raises AssertionError
with what is wrong, or Skip with a reason. Nothing needs to be registered, except for the few claims
that say so when they are skipped.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from benchmark.errors import BenchmarkError
from benchmark.plugins import index
from benchmark.plugins.register import COMMON, DECLARABLE

__all__ = ["Result", "Skip", "Subject", "claims", "run_checks"]

Check = Callable[["Subject"], None]


class Skip(Exception):
    """A claim that cannot be looked at here; its text is the reason."""


@dataclass(frozen=True)
class Subject:
    """What is checked: a class or factory, what it declares beside its name, its options, and its
    entry where it has one.
    """

    factory: Callable[..., Any]
    declared: dict[str, Any]
    defaults: dict[str, Any]
    choices: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    entry: index.Entry | None = None
    kwargs: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, factory: Callable[..., Any], *, kind: str = "inr", **declared: Any) -> Subject:
        """A subject that is not registered; its options are read from its signature."""
        options = {
            name: p.default
            for name, p in inspect.signature(factory).parameters.items()
            if p.kind is inspect.Parameter.KEYWORD_ONLY
        }
        return cls(factory, {**COMMON, **DECLARABLE[kind], **declared}, options)

    @classmethod
    def registered(cls, entry: index.Entry, **kwargs: Any) -> Subject:
        """A plug-in of the registry; `kwargs` go to its constructor. Raises InputError where it
        cannot run here.
        """
        choices = {option.name: option.choices for option in entry.options if option.choices}
        return cls(
            entry.load(),
            {**COMMON, **DECLARABLE[entry.kind], **entry.declared},
            entry.defaults,
            choices,
            entry,
            kwargs,
        )

    def make(self, *args: Any, **kwargs: Any) -> Any:
        return self.factory(*args, **{**self.kwargs, **kwargs})


@dataclass(frozen=True)
class Result:
    """What came of one claim: ok, failed or skipped, and why."""

    claim: str
    status: Literal["ok", "failed", "skipped"]
    why: str = ""

    def __str__(self) -> str:
        return f"{'FAILED' if self.status == 'failed' else self.status:<8}{self.claim}" + (
            f": {self.why}" if self.why else ""
        )


def claims(kind: str) -> dict[str, Check]:
    """The claims about a kind of plug-in by name, in the order of their file."""
    module = importlib.import_module(f"benchmark.checks.{kind}")
    return {
        name.removeprefix("check_").replace("_", " "): check
        for name, check in vars(module).items()
        if name.startswith("check_")
    }


def run_checks(kind: str, subject: Subject) -> Iterator[Result]:
    """Look at each claim in turn; an error in the plug-in fails the claim during which it was
    raised.
    """
    for claim, check in claims(kind).items():
        try:
            check(subject)
        except Skip as reason:
            yield Result(claim, "skipped", str(reason))
        except AssertionError as error:
            yield Result(claim, "failed", str(error) or "an assertion of the plug-in failed")
        except BenchmarkError as error:
            yield Result(claim, "failed", f"{error.asked}: {error.found}")
        except (
            Exception
        ) as error:  # a plug-in may raise anything, and the other claims still want an answer
            yield Result(claim, "failed", f"{type(error).__name__}: {error}")
        else:
            yield Result(claim, "ok")

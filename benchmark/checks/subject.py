"""What is checked: a plug-in of the registry, or a class that is in no file."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from benchmark.errors import InputError, did_you_mean
from benchmark.plugins import index
from benchmark.plugins.options import shared_options
from benchmark.plugins.register import COMMON, DECLARABLE, declared_of


@dataclass(frozen=True)
class Subject:
    """A class or factory, what it declares beside its name, its options, and its entry where it has
    one.

    defaults and choices: of its options, by name. kwargs: what is given to its constructor.
    """

    factory: Callable[..., Any]
    declared: dict[str, Any]
    defaults: dict[str, Any]
    choices: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    entry: index.Entry | None = None
    kwargs: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, factory: Callable[..., Any], *, kind: str = "inr", **declared: Any) -> Subject:
        """A subject that is not registered; its options are read from its signature.

        declared: what its decorator would say; where it has one, that holds for the rest.
        """
        defaults, choices = _options(factory)
        declared = {**COMMON, **DECLARABLE[kind], **declared_of(factory), **declared}
        return cls(factory, declared, defaults, choices)

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
        """Construct the plug-in with its options."""
        return self.factory(*args, **{**self.kwargs, **kwargs})


def subject_of(kind: str, plugin: str | Callable[..., Any], /, **options: Any) -> Subject:
    """The subject for a registered name, or for a class; `options` go to its constructor.

    Raises InputError where there is no such kind, plug-in or option, or it cannot run here.
    """
    if kind not in index.PACKAGES:
        raise InputError(
            f"to check a plug-in of kind {kind}",
            "no such kind of plug-in",
            did_you_mean(kind, index.PACKAGES),
        )
    if isinstance(plugin, str):
        subject = Subject.registered(index.get(kind, plugin), **options)
    elif callable(plugin):
        subject = _of_class(kind, plugin, options)
    else:
        raise InputError(
            f"to check {plugin!r}",
            "it is neither a name nor a class",
            'a name, check("inr", NAME), or the class itself',
        )
    known = {*subject.defaults, *({"root"} if kind == "dataset" else ())}
    for name in options:
        if name not in known:
            raise InputError(
                f"the option {name} of {kind} {name_of(plugin)}",
                "it has no such option",
                did_you_mean(name, known),
            )
    return subject


def name_of(plugin: str | Callable[..., Any]) -> str:
    """How a plug-in is called: its registered name, or that of the class."""
    return plugin if isinstance(plugin, str) else str(getattr(plugin, "__name__", plugin))


def _of_class(kind: str, factory: Callable[..., Any], options: dict[str, Any]) -> Subject:
    """The entry of a class, where a file registers this very class; else the class alone."""
    for entry in index.entries(kind).values():
        place = (getattr(factory, "__module__", None), getattr(factory, "__qualname__", None))
        if (entry.module, entry.attribute) == place:
            return Subject.registered(entry, **options)
    plain = Subject.of(factory, kind=kind)
    return Subject(factory, plain.declared, plain.defaults, plain.choices, kwargs=options)


def _options(
    factory: Callable[..., Any],
) -> tuple[dict[str, Any], dict[str, tuple[Any, ...]]]:
    """The keyword-only arguments of a signature: their defaults and the values they may take.

    Raises InputError where an option has no default, as a file's does.
    """
    defaults: dict[str, Any] = {}
    choices: dict[str, tuple[Any, ...]] = {}
    hints = _hints(factory)
    for name, parameter in inspect.signature(factory).parameters.items():
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
            continue
        if parameter.default is inspect.Parameter.empty:
            raise InputError(
                f"the plug-in {name_of(factory)}",
                f"the option {name} has no default",
                "give it one",
            )
        defaults[name] = parameter.default
        if typing.get_origin(hints.get(name)) is Literal:
            choices[name] = typing.get_args(hints[name])
    if (preparation := getattr(factory, "preparation", None)) is not None:
        for option in shared_options():  # of a data set of volumes, as in its file
            defaults[option.name] = preparation.get(option.name, option.default)
            if option.choices:
                choices[option.name] = option.choices
    return defaults, choices


def _hints(factory: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a signature; none where one names what only type checkers see."""
    function = factory.__init__ if inspect.isclass(factory) else factory
    try:
        return typing.get_type_hints(function)
    except (NameError, TypeError):
        return {}

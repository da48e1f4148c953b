"""The options of a plug-in: keyword-only arguments with literal defaults, read from text."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmark.errors import InputError, option


@dataclass(frozen=True)
class Option:
    """One keyword-only argument of a plug-in: its name, its type, its literal default and the
    values it may take.
    """

    name: str
    type: str
    default: Any
    choices: tuple[Any, ...] = ()

    def parse(self, text: str, owner: str) -> Any:
        """The value of `--set name=text`; raises InputError where it does not fit."""

        def refuse(expected: str) -> InputError:
            return InputError(
                option(f"{owner}.{self.name}", text),
                f"{text!r} is not {expected}",
                option(f"{owner}.{self.name}", self.default),
            )

        if self.choices and text not in {str(choice) for choice in self.choices}:
            raise refuse("one of " + ", ".join(map(str, self.choices)))
        if self.type.startswith("bool"):
            if text.lower() not in ("true", "false"):
                raise refuse("true or false")
            return text.lower() == "true"
        for name, convert in (("int", int), ("float", float)):
            if self.type.startswith(name):
                try:
                    return convert(text)
                except ValueError:
                    raise refuse("a whole number" if name == "int" else "a number") from None
        return text


def options_of(
    function: ast.AST | None, owner: str, literal: Callable[[ast.expr, str], Any]
) -> list[Option]:
    """The keyword-only arguments of a function."""
    if not isinstance(function, ast.FunctionDef):
        return []
    options = []
    for argument, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True):
        if default is None:
            raise InputError(
                f"the plug-in {owner}", f"the option {argument.arg} has no default", "give it one"
            )
        value = literal(default, f"the default of {argument.arg}")
        options.append(
            Option(
                argument.arg,
                *_type(argument.annotation, value),
                choices=_choices(argument.annotation),
            )
        )
    return options


@cache
def shared_options() -> tuple[Option, ...]:
    """The options of benchmark/images/prepare.py, read as text like those of plug-ins."""
    tree = ast.parse((Path(__file__).parents[1] / "images" / "prepare.py").read_bytes())
    init = next(
        item
        for node in tree.body
        if isinstance(node, ast.ClassDef) and node.name == "Preparation"
        for item in node.body
        if isinstance(item, ast.FunctionDef) and item.name == "__init__"
    )
    return tuple(options_of(init, "Preparation", lambda value, _: ast.literal_eval(value)))


def _type(annotation: ast.expr | None, default: Any) -> tuple[str, Any]:
    return (
        ast.unparse(annotation)
        if annotation is not None and not _choices(annotation)
        else type(default).__name__
    ), default


def _choices(annotation: ast.expr | None) -> tuple[Any, ...]:
    if isinstance(annotation, ast.Subscript) and ast.unparse(annotation.value).endswith("Literal"):
        value = ast.literal_eval(annotation.slice)
        return value if isinstance(value, tuple) else (value,)
    return ()

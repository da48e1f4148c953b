"""What the library says, as the command says it: fields become options, calls become commands."""

from __future__ import annotations

from collections.abc import Iterator

from benchmark.errors import BenchmarkError, Plain, marked_of, render

# Fields whose option is not just their name with dashes.
OPTIONS = {"lam": "lambda", "sets": "set", "stop_at_db": "stop-at", "folders": "from-brats"}


def as_options(text: str) -> str:
    """The text with its fields as options: `--bits 8`, `--set size=128`."""
    return render(marked_of(text), _in_a_shell)


def shown(error: BenchmarkError) -> str:
    """An error in three lines, as the command prints it."""
    return error.told(as_options)


def _in_a_shell(kind: str, name: str, words: list[str], fields: dict[str, Plain]) -> str:
    if kind == "option":
        return " ".join(f"--set {option}={value}" for option, value in fields.items())
    given = [word for field, value in fields.items() for word in _option(field, value)]
    if kind == "field":
        return " ".join(given) or _flag(name)
    return " ".join(["python -m benchmark", name, *words, *given])


def _option(field: str, value: Plain) -> Iterator[str]:
    """An option with its value: a flag where it is True, repeated where there are several."""
    if value is True:
        yield _flag(field)
    elif isinstance(value, list):
        for one in value:
            yield f"{_flag(field)} {one}"
    else:
        yield f"{_flag(field)} {value}"


def _flag(field: str) -> str:
    return "--" + OPTIONS.get(field, field.replace("_", "-"))

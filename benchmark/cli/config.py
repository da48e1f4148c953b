"""`--config job.toml`: options from a file, and `plan --save job.toml`, which writes one.

A file has one level: names of options without their dashes, each with a value or a list of them,
and true for an option without a value. What is typed wins over the file, option by option.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmark.errors import InputError, did_you_mean

OPTION = "--config"
# Of one command line, not of a job.
NOT_SAVED = {"help", "debug", "quiet", "verbose", "config", "save", "json", "yes", "fresh"}


def expanded(argv: Sequence[str], parser: argparse.ArgumentParser) -> list[str]:
    """The words of a command with those of its configuration files put in front of them.

    Raises InputError where a file cannot be read, or names an option that is not there.
    """
    paths, typed = _split(argv)
    words: list[str] = []
    given = {word.partition("=")[0] for word in typed if word.startswith("--")}
    for path in paths:
        words += _words(path, parser, given)
    return [*words, *typed]


def _split(argv: Sequence[str]) -> tuple[list[Path], list[str]]:
    """The files that --config names, and all other words."""
    paths: list[Path] = []
    others: list[str] = []
    words = iter(argv)
    for word in words:
        if word == OPTION:
            path = next(words, None)
            if path is None:
                raise InputError(OPTION, "no file stands behind it", f"{OPTION} job.toml")
            paths.append(Path(path))
        elif word.startswith(f"{OPTION}="):
            paths.append(Path(word.partition("=")[2]))
        else:
            others.append(word)
    return paths, others


def _words(path: Path, parser: argparse.ArgumentParser, given: set[str]) -> list[str]:
    """The words that a file stands for; those of options that were typed are left out."""
    known = {name for action in parser._actions for name in action.option_strings}
    words: list[str] = []
    for name, value in _read(path).items():
        option = f"--{name}"
        if option not in known:
            names = [word.removeprefix("--") for word in known if word.startswith("--")]
            raise InputError(f"{name} in {path}", "no such option", did_you_mean(name, names))
        if option in given:
            continue
        for item in value if isinstance(value, list) else [value]:
            words += _word(option, item, path)
    return words


def _word(option: str, value: Any, path: Path) -> list[str]:
    if isinstance(value, bool):
        return [option] if value else []
    if isinstance(value, str | int | float):
        return [option, str(value)] if str(value)[:1] != "-" else [f"{option}={value}"]
    raise InputError(
        f"{option.removeprefix('--')} in {path}",
        f"its value is {type(value).__name__}, not a text, a number, true, false or a list of them",
        f'{option.removeprefix("--")} = ["a", "b"]',
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{OPTION} {path}", error.strerror or "it cannot be read", "a file"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{OPTION} {path}", f"it is not TOML: {error}", "mend the file") from None


def saved(parser: argparse.ArgumentParser, args: argparse.Namespace) -> str:
    """The text of a file that stands for parsed arguments: what differs from the defaults."""
    lines = ["# python -m benchmark run --config THIS_FILE"]
    for action in parser._actions:
        names = [name for name in action.option_strings if name.startswith("--")]
        if not names or names[0].removeprefix("--") in NOT_SAVED:
            continue
        value = getattr(args, action.dest, action.default)
        if value in (None, [], action.default):
            continue
        lines.append(f"{names[0].removeprefix('--')} = {_toml(value)}")
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """A value as TOML writes it; JSON writes texts, numbers and true alike."""
    if isinstance(value, Iterable) and not isinstance(value, str):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return json.dumps(value if isinstance(value, bool | int | float) else str(value))

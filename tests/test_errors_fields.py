"""Texts of the library name fields and calls: no option of a shell, no command written by hand,
and no advice that cannot be followed.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

import benchmark as sb
from benchmark import api
from benchmark.checks import Checked, Claim
from benchmark.cli import COMMANDS
from benchmark.cli.data import COMMANDS as OF_DATA
from benchmark.cli.notes import Notes
from benchmark.cli.parser import Parser
from benchmark.cli.words import as_options
from benchmark.errors import FUNCTIONS, IN_PYTHON, Words, call, field
from benchmark.networks.reading import ReadRequest
from benchmark.plan.selection import Selection
from benchmark.runner.evaluation import EvaluateRequest
from benchmark.training.request import TrainRequest

ROOT = Path(__file__).parents[1]
SHELL = re.compile(r"--[a-z]|python -m benchmark")
# Files whose texts are commands, and why; a part of a text alone where the rest is not.
COMMANDS_THEMSELVES = {
    "benchmark/errors.py": "what the command makes of a call",
    "benchmark/runner/doctor.py": "a line for pip",
    "benchmark/runner/environment.py": "arguments of git",
    "benchmark/runner/provenance.py": "arguments of git",
    "benchmark/training/card.py": "the command that a card records",
    "benchmark/report/made.py": "the command that a page records",
    "benchmark/report/typed.py": "the command that a page records",
    "benchmark/report/leaderboard.py": "a page that names a command",
    "benchmark/report/second.py": "a line of a page and of what the command prints",
    "benchmark/report/profile.py": "a page of the command `profile`",
    "benchmark/report/agreement_terminal.py": "what the command alone prints",
    "benchmark/report/data_check.py": "what the command alone prints",
    "datasets/_atlas.py": "a line for pip",
    "benchmark/codecs/_openjpeg.py": "its code is in the key of each cell",
}
REQUESTS = {
    "evaluate": EvaluateRequest,
    "read": ReadRequest,
    "run": Selection,
    "train": TrainRequest,
}


def library() -> list[Path]:
    """The files of the library: all but the command, and plug-ins whose code is in keys."""
    files = [*(ROOT / "benchmark").rglob("*.py"), *(ROOT / "datasets").glob("*.py")]
    return sorted(file for file in files if ROOT / "benchmark" / "cli" not in file.parents)


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, text) of every string and part of an f-string; docstrings are none."""
    notes = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            notes.add(node.value)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in notes:
            yield node.lineno, node.value


def in_shell_words(code: str) -> list[tuple[int, str]]:
    """The texts of some code that speak of options or commands."""
    return [(line, text) for line, text in texts(ast.parse(code)) if SHELL.search(text)]


def test_no_text_of_the_library_speaks_of_options():
    found, needed = [], set()
    for file in library():
        name = str(file.relative_to(ROOT))
        for line, text in in_shell_words(file.read_text(encoding="utf-8")):
            needed.add(name)
            if name not in COMMANDS_THEMSELVES:
                found.append(f"{name}:{line}: {text!r}")
    assert not found, "\n".join(found)
    assert set(COMMANDS_THEMSELVES) == needed  # no exception that nothing needs


@pytest.mark.parametrize(
    ("code", "count"),
    [
        ('raise InputError("x", "y", "--bits 8")', 1),
        ('todo = f"a higher --bpp than {bpp}"', 1),
        ('def f():\n    """Takes --bits."""\n    return f"python -m benchmark {name}"', 1),
        ('def f():\n    """Takes --bits."""\n    return field("bits", 8)', 0),
        ('said = "a -- b"  # --bits', 0),
    ],
)
def test_it_bites(code, count):
    assert len(in_shell_words(code)) == count


def every_command() -> list[str]:
    return [*COMMANDS, *(f"data {name}" for name in OF_DATA)]


@pytest.mark.parametrize("name", every_command())
def test_a_call_is_shown_to_python_only_where_python_has_it(name):
    typed = f"python -m benchmark {name} --inr siren"
    has = name in sb.HANDED_ON
    assert Words(call(name, inr="siren")) == (f"sb.{name}(inr='siren')" if has else typed)
    assert as_options(call(name, inr="siren")) == typed


def test_the_functions_are_those_of_the_api():
    functions = {name for name in sb.HANDED_ON if inspect.isfunction(getattr(api, name))}
    assert set(FUNCTIONS) == functions
    for name, count in FUNCTIONS.items():
        parameters = inspect.signature(getattr(api, name)).parameters.values()
        named = [one for one in parameters if one.kind != one.VAR_KEYWORD]
        assert count <= sum(one.kind != one.KEYWORD_ONLY for one in named), name


def mentions(kind: str) -> Iterator[tuple[str, str, list[str], list[str]]]:
    """(place, name, words, fields) of each `call(...)` or `field(...)` whose name is a text."""
    for file in library():
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            called = getattr(node.func, "id", getattr(node.func, "attr", ""))
            first = node.args[0]
            if called == kind and isinstance(first, ast.Constant):
                words = ["WORD"] * (len(node.args) - 1)
                given = [word.arg for word in node.keywords if word.arg]
                yield f"{file.relative_to(ROOT)}:{node.lineno}", first.value, words, given


def actions(name: str) -> set[str]:
    """The options of a command, `data fetch` too."""
    command, _, what = name.partition(" ")
    parser = Parser(prog=name)
    importlib.import_module(f"benchmark.cli.{command}").add_arguments(parser)
    if what:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                parser = action.choices[what]
    return set(parser._option_string_actions) | {"--debug"}


def test_calls_can_be_followed_in_a_shell():
    calls = [one for one in mentions("call") if one[1] != "add_plugin"]
    assert len(calls) > 25
    for place, name, _, given in calls:
        assert name in every_command(), place
        for one in given:
            assert as_options(field(one)) in actions(name), f"{place}: {name} has no {one}"


def test_calls_can_be_followed_in_python():
    looked_at = 0
    for place, name, words, given in mentions("call"):
        if len(words) > FUNCTIONS.get(name, -1):
            continue  # shown as a command
        signature = inspect.signature(getattr(api, name))
        values = dict.fromkeys(given, "VALUE")
        signature.bind_partial(*words, **values)
        known = set(signature.parameters)
        if name in REQUESTS:
            known |= {one.name for one in fields(REQUESTS[name])} | set(api.ALSO)
        assert set(given) <= known, f"{place}: sb.{name} has no {set(given) - known}"
        looked_at += 1
    assert looked_at > 5


def test_fields_are_options_of_some_command():
    known = set().union(*map(actions, every_command()))
    names = {name: place for place, name, _, _ in mentions("field") if isinstance(name, str)}
    assert len(names) > 30
    for name, place in names.items():
        assert name in IN_PYTHON or as_options(field(name)) in known, f"{place}: {name}"


def test_a_warning_speaks_options_where_the_command_prints_it(capsys):
    said = UserWarning(Words(f"two cases of one person; {field('root', 'FOLDER')} is one year"))
    assert str(said) == "two cases of one person; root='FOLDER' is one year"
    Notes()(said, UserWarning, "brats.py", 1)
    assert capsys.readouterr().err == "note: two cases of one person; --root FOLDER is one year\n"


def test_a_claim_speaks_options_where_the_command_prints_it():
    claim = Claim("its size follows", "skipped", Words(f"{field('bpp')} cannot choose one"))
    checked = Checked("inr", "mine", (claim,))
    assert str(claim) == "skipped its size follows: bpp cannot choose one"
    assert as_options(claim.line) == "skipped its size follows: --bpp cannot choose one"
    assert checked.summary().endswith("(bpp cannot choose one)")
    assert as_options(checked.summary()).endswith("(--bpp cannot choose one)")

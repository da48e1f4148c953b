"""The frame of the command line: help with examples, exit codes, errors in three parts,
did-you-mean.
"""

import importlib
from importlib.util import find_spec

import pytest

from benchmark.cli import COMMANDS, main
from benchmark.errors import CellFailed

WRITTEN = [name for name in COMMANDS if find_spec(f"benchmark.cli.{name}")]


def test_every_command_is_there():
    assert list(COMMANDS) == WRITTEN


def test_usage_names_every_command(capsys):
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f"  {name} " in printed for name in COMMANDS)
    assert main([]) == 2
    assert capsys.readouterr().out == printed


@pytest.mark.parametrize("name", WRITTEN)
def test_help_shows_worked_examples(name, capsys):
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    printed = capsys.readouterr().out
    assert end.value.code == 0
    assert (
        "examples:" in printed
        and f"python -m benchmark {name}" in printed.partition("examples:")[2]
    )
    assert "--debug" in printed


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["lst"], "did you mean 'list'?"),
        (["list", "--jsn"], "did you mean '--json'?"),
        (["list", "inrr"], "did you mean 'inr'?"),
        (["list", "inr", "sirne"], "did you mean 'siren'?"),
        (["list", "preset", "quik"], "did you mean 'quick'?"),
        (["completion", "fsh"], "did you mean 'fish'?"),
        (["list", "--plugin", "absent.py"], "no such file"),
        (
            ["list", "--js"],
            "unrecognized arguments: --js",
        ),  # abbreviations would break scripts when an option is added
        (["completion"], "required: {bash,zsh,fish}\n"),
    ],
)
def test_usage_errors_exit_with_2_and_say_what_to_type(argv, says, capsys):
    assert main(argv) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and says in printed.err
    assert [line.split(":")[0].strip() for line in printed.err.splitlines()] == [
        "asked",
        "found",
        "try",
    ]


def test_version(capsys):
    from benchmark import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == __version__


def raising(error):
    def run(args):
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (CellFailed("a cell", "it diverged", "another rate"), 1, "it diverged"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (
            MemoryError("Unable to allocate 33. TiB"),
            2,
            "more memory than there is: Unable to allocate 33. TiB",
        ),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
            2,
            "more memory than there is",
        ),
        (
            OSError(28, "No space left on device", "results/x"),
            2,
            "No space left on device (results/x)",
        ),
    ],
)
def test_exit_codes(error, code, says, capsys, monkeypatch):
    monkeypatch.setattr(importlib.import_module("benchmark.cli.list"), "run", raising(error))
    assert main(["list"]) == code
    assert says in capsys.readouterr().err
    with pytest.raises(type(error)):  # and with --debug the traceback
        main(["list", "--debug"])


def test_other_faults_are_ours_and_keep_their_traceback(monkeypatch):
    monkeypatch.setattr(
        importlib.import_module("benchmark.cli.list"), "run", raising(RuntimeError("a bug"))
    )
    with pytest.raises(RuntimeError, match="a bug"):
        main(["list"])


HELPS = [[name] for name in WRITTEN] + [["data", name] for name in ("check", "strip", "split")]


@pytest.mark.parametrize("words", HELPS, ids=" ".join)
def test_help_is_as_wide_as_the_terminal_but_for_worked_examples(words, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main([*words, "--help"])
    description, _, options = capsys.readouterr().out.partition("\noptions:")
    about, _, examples = description.partition("\nexamples:")
    assert [line for line in (about + options).splitlines() if len(line) > 80] == []
    assert "python -m benchmark" in examples and "  python -m" not in about

"""`completion`: candidates from the program itself, and the scripts in real shells."""

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.cli import COMMANDS, main
from benchmark.cli.completion import SCRIPTS, candidates
from benchmark.plan.recipes import PRESETS
from benchmark.plugins import index

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("words", "current", "expected"),
    [
        ([], "", [*COMMANDS, "--help", "--version"]),
        ([], "li", ["list"]),
        (["list"], "--j", ["--json"]),
        (["list"], "", [*index.PACKAGES, "preset"]),
        (["list", "--json"], "inr", ["inr"]),
        (["list", "--plugin", "inr"], "data", ["dataset"]),  # a value of an option is no argument
        (["list", "inr"], "sir", ["siren"]),
        (["list", "preset"], "", list(PRESETS)),
        (["list", "inr", "siren"], "", []),
        (["completion"], "", ["bash", "zsh", "fish"]),
        (["nonsense"], "", []),
        (["run", "--inr"], "sir", ["siren"]),
        (["run", "--inr", "siren", "--dataset"], "mni", ["mni-lesion"]),
        (["run", "--preset"], "adam", ["adam-10k"]),
        (["run", "--inr", "siren", "--set"], "omega", ["omega_0=", "omega_hidden="]),
        (["run"], "--lam", ["--lambda"]),
        (["run", "--reader"], "dil", ["dilated"]),
        (["data"], "", ["list", "fetch", "check", "show", "split", "strip", "task01"]),
        (["data", "show"], "mni", ["mni-lesion"]),
        (["data", "show", "mni-lesion"], "--li", ["--limit"]),
        (["data", "show", "mni-lesion", "--set"], "no", ["noise="]),
    ],
)
def test_candidates(words, current, expected):
    assert candidates(words, current) == expected


def test_a_broken_plugin_file_does_not_disturb_typing(tmp_path, capsys):
    (tmp_path / "broken.py").write_text("def (")
    index.add_plugin_file(tmp_path / "broken.py")
    assert main(["completion", "words", "list", "inr", ""]) == 0
    assert capsys.readouterr().out.strip() == ""


def in_shell(shell, script):
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run(
        [shell, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and done.stderr == ""
    return done.stdout.splitlines()


def lines(*texts):
    """The words of command lines of this interpreter; the last word, perhaps empty, is where the
    cursor is.
    """
    return [[sys.executable, *text.split(" ")] for text in texts]


def test_bash():
    script = SCRIPTS["bash"] + "complete -p sinco-bench >/dev/null\n"
    for words in lines(
        "-m benchmark list inr sir", "-m benchmark list --", "-m benchmark ", "my.py "
    ):
        script += f"COMP_WORDS=({shlex.join(words)}); COMP_CWORD={len(words) - 1}; COMPREPLY=()\n"
        script += '_sinco_bench || true; echo "${COMPREPLY[*]}"\n'
    assert in_shell("bash", script) == [
        "siren",
        "--help --debug --plugin --json",
        " ".join([*COMMANDS, "--help", "--version"]),
        "",
    ]


def test_zsh():
    # These three belong to a terminal's completion system: stand-ins show what they are given.
    script = (
        "compdef() { :; }\n compadd() { print -r -- $found; }\n _python() { print python; }\n"
        + SCRIPTS["zsh"]
    )
    for words in lines("-m benchmark list inr sir", "-m benchmark list preset ", "my.py "):
        script += f"words=({shlex.join(words)}); CURRENT={len(words)}; _sinco_bench\n"
    assert in_shell("zsh", script) == ["siren", " ".join(PRESETS), "python"]


def test_fish(tmp_path):
    # A link to a virtual environment's python would lose the environment.
    (tmp_path / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (tmp_path / "python").chmod(0o755)
    script = (
        f"set -x PATH {tmp_path} $PATH\n{SCRIPTS['fish']}complete -C 'python -m benchmark list inr"
        " sir'\n"
    )
    assert "siren" in in_shell("fish", script)

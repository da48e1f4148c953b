"""Every command in the README is one that works: each is parsed by its own parser, and those that
need no data are run.
"""

from __future__ import annotations

import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.cli import COMMANDS
from benchmark.cli.parser import Parser

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def commands() -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    lines = [
        part.split("#")[0].strip()
        for block in blocks
        for line in block.splitlines()
        for part in line.split("&&")
    ]
    return [line for line in dict.fromkeys(lines) if line.startswith("python -m benchmark")]


def test_the_readme_shows_the_main_commands():
    shown = {shlex.split(line)[3] for line in commands()}
    assert shown >= {
        "run",
        "plan",
        "report",
        "list",
        "check",
        "new",
        "data",
        "doctor",
        "train",
    }, shown


@pytest.mark.parametrize("line", commands())
def test_every_command_is_parsed_by_its_own_parser(line):
    name, *words = shlex.split(line)[3:]
    assert name in COMMANDS
    module = importlib.import_module(f"benchmark.cli.{name}")
    parser = Parser(prog=name)
    module.add_arguments(parser)
    parser.parse_args(words)


@pytest.mark.parametrize("name", [name for name in COMMANDS])
def test_every_help_has_worked_examples_and_each_is_parsed(name):
    module = importlib.import_module(f"benchmark.cli.{name}")
    examples = re.findall(
        rf"^ *(?:eval \"\$\()?python -m benchmark ({name}[^\n)>|]*)",
        re.sub(r"\\\n *", "", module.__doc__),  # a line that goes on
        re.MULTILINE,
    )
    assert examples, f"{name} --help shows no example"
    for example in examples:
        parser = Parser(prog=name)
        module.add_arguments(parser)
        command, *_ = re.split(r" {2,}", example)  # what stands behind two spaces explains it
        parser.parse_args(shlex.split(command)[1:])


def test_the_readme_has_no_placeholder_left():
    assert "@@" not in README


@pytest.mark.slow
@pytest.mark.parametrize(
    "line",
    [
        "list",
        "list inr siren",
        "check inr siren",
        "doctor",
        "data show mni-lesion --limit 4 --out {tmp}/sheet.png",
        "plan --inr siren --inr fourier --lambda 0,1e-6,1e-5,1e-4 --seed 0,1,2",
        "completion bash",
    ],
)
def test_commands_that_need_no_data_run(line, tmp_path):
    words = shlex.split(line.format(tmp=tmp_path))
    done = subprocess.run(
        [sys.executable, "-m", "benchmark", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr

"""The README and the pages are true where a machine can see it: every command is parsed by its own
parser, every command and every option of `run` is described, every link leads somewhere.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.cli import COMMANDS, parser_of
from benchmark.errors import InputError

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = [
    ROOT / "README.md",
    *sorted(ROOT.glob("[A-Z]*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
PAGES = list(dict.fromkeys(PAGES))
FIRST = "pip install -e . && python -m benchmark run --inr siren --lambda 1e-5"
TESTS = "pip install -e '.[test]' && python -m pytest -n 2"


def commands_of(page: Path) -> list[str]:
    """The commands in the bash blocks of a page, without comments."""
    found = []
    for block in re.findall(r"```bash\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        for line in block.splitlines():
            for part in re.split(r"&&|<\(", line.split(" #")[0]):
                words = part.strip().rstrip(")")
                if words.startswith("python -m benchmark"):
                    found.append(words)
    return list(dict.fromkeys(found))


def examples() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for line in commands_of(page):
            found.append((str(page.relative_to(ROOT)), line))
    return found


def test_the_readme_is_a_front_door():
    assert len(README.splitlines()) <= 150
    assert FIRST in README
    assert TESTS in README
    assert "sinco-bench" in README
    assert "--version" in README


def test_the_pages_have_no_placeholder_left():
    for page in PAGES:
        assert "@@" not in page.read_text(encoding="utf-8"), page


def test_pages_are_not_too_long():
    for page in PAGES:
        assert len(page.read_text(encoding="utf-8").splitlines()) <= 300, page


@pytest.mark.parametrize(("page", "line"), examples())
def test_every_command_is_parsed_by_its_own_parser(page, line):
    name, *words = shlex.split(line)[3:]
    assert name in COMMANDS, page
    parser_of(name).parse_args(words)


def test_a_wrong_command_is_refused():
    with pytest.raises(InputError, match="--wrong"):
        parser_of("run").parse_args(["--wrong", "1"])


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_stands_in_the_page_of_commands(name):
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert f"| [`{name}`](" in page


def _options(parser: argparse.ArgumentParser) -> set[str]:
    found = set()
    for action in parser._actions:
        found.update(action.option_strings)
    return found - {"-h", "--help"}


def test_every_option_of_run_stands_in_the_page_of_commands():
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    missing = []
    for option in sorted(_options(parser_of("run"))):
        if not re.search(rf"`{option}[ `\\]", page):
            missing.append(option)
    assert missing == []


def test_every_command_of_data_stands_in_its_page():
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    usage = parser_of("data").format_help()
    names = re.search(r"\{([\w,]+)\}", usage)
    assert names
    for name in names.group(1).split(","):
        assert f"| `data {name}` |" in page


def _slug(heading: str) -> str:
    """The anchor of a heading, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _anchors(page: Path) -> set[str]:
    return {
        _slug(heading)
        for heading in re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    }


def broken_links(page: Path) -> list[str]:
    """Links of a page to files or headings that are not there."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if re.match(r"https?://", target):
            continue
        file, _, anchor = target.partition("#")
        path = (page.parent / file).resolve() if file else page
        if not path.exists():
            broken.append(f"{target}: no such file")
        elif anchor and anchor not in _anchors(path):
            broken.append(f"{target}: no such heading")
    return broken


@pytest.mark.parametrize("page", [str(page.relative_to(ROOT)) for page in PAGES])
def test_every_link_leads_somewhere(page):
    assert broken_links(ROOT / page) == []


def test_a_broken_link_is_noticed(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One thing, here\n[a](#one-thing-here) [b](#other) [c](no.md) [d](page.md)")
    assert broken_links(page) == ["#other: no such heading", "no.md: no such file"]


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_help_has_worked_examples_and_each_is_parsed(name):
    module = importlib.import_module(f"benchmark.cli.{name}")
    examples = re.findall(
        rf"^ *(?:eval \"\$\()?python -m benchmark ({name}[^\n)>|]*)",
        re.sub(r"\\\n *", "", module.__doc__),  # a line that goes on
        re.MULTILINE,
    )
    assert examples, f"{name} --help shows no example"
    for example in examples:
        parser = parser_of(name)
        command, *_ = re.split(r" {2,}", example)  # what stands behind two spaces explains it
        parser.parse_args(shlex.split(command)[1:])


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

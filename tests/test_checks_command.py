"""`check` and `new`: what they print, their exit codes, and that a new plug-in passes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark.checks import claims
from benchmark.cli import main
from benchmark.cli import new as command
from benchmark.plugins import index
from benchmark.plugins.new import home, new_plugin

VANDAL = '''
"""A network that writes into its input."""
import torch
from torch import nn
from benchmark.plugins import register

@register.inr("vandal")
class Vandal(nn.Module):
    def __init__(self, in_dim: int, out_dim: int, *, gain: float = 1.0) -> None:
        super().__init__()
        self.layer, self.gain = nn.Linear(in_dim, out_dim), gain

    def forward(self, coords):
        return self.gain * self.layer(coords.clamp_(-0.5, 0.5))
'''


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is no checkout."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "home", lambda kind: None)
    return tmp_path


def test_a_failed_claim_is_printed_with_its_reason_and_exits_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "vandal.py").write_text(VANDAL)
    assert main(["check", "inr", "vandal", "--plugin", str(tmp_path / "vandal.py")]) == 1
    *lines, last = capsys.readouterr().out.splitlines()
    assert "FAILED  input is untouched: the coordinates have other values after forward" in lines
    assert (
        "skipped size sets the number of parameters: it declares no size: --bpp cannot choose one"
        in lines
    )
    assert last == (
        f"inr vandal: {len(lines) - 2} of {len(lines)} claims ran, 1 failed, 2 skipped (it has no"
        " fused(coords): it is fitted in PyTorch; it declares no size: --bpp cannot choose one)"
    )
    assert len(lines) == len(claims("inr"))


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "optimizer", "adam", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["kind"], answer["name"]) == ("optimizer", "adam")
    assert answer["ok"] is True
    found = {claim["name"]: claim["status"] for claim in answer["claims"]}
    assert found == dict.fromkeys(claims("optimizer"), "passed")
    assert all(claim["seconds"] >= 0 for claim in answer["claims"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["inrs", "siren"], "did you mean 'inr'?"),
        (["inr", "sirne"], "did you mean 'siren'?"),
        (["inr", "siren", "--root", "."], "leave --root out"),
        (["inr", "siren", "--plugin", "absent.py"], "no such file"),
    ],
)
def test_usage_errors(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_plugin_that_cannot_run_here_says_what_to_type(
    capsys: pytest.CaptureFixture[str],
) -> None:
    if index.get("inr", "hashgrid").unavailable() is None:
        pytest.skip("hashgrid can run here")
    assert main(["check", "inr", "hashgrid"]) == 2
    assert "pip install --no-build-isolation" in capsys.readouterr().err


@pytest.mark.parametrize("kind", index.PACKAGES)
def test_a_new_plugin_passes_every_check_and_none_is_skipped(
    kind: str, outside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", kind, "my-own"]) == 0
    wrote, _, check, then = capsys.readouterr().out.splitlines()
    assert wrote == "wrote my_own.py"
    assert check.split() == f"python -m benchmark check {kind} my-own --plugin my_own.py".split()
    assert then.split()[:3] == ["python", "-m", "benchmark"] and "my-own" in then.split()
    assert then.endswith("--plugin my_own.py")
    assert main(check.split()[3:]) == 0
    count = len(claims(kind))
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == f"{kind} my-own: {count} of {count} claims ran, 0 failed, 0 skipped"


@pytest.mark.parametrize("kind", index.PACKAGES)
def test_a_new_plugin_is_20_to_80_lines_and_says_nothing_of_the_template(
    kind: str, tmp_path: Path
) -> None:
    text = new_plugin(kind, "my-own", tmp_path).read_text()
    assert 20 <= len(text.splitlines()) <= 80
    assert "new-plugin" not in text and "NewPlugin" not in text
    assert f'@register.{kind}("my-own"' in text and "class MyOwn" in text
    assert max(map(len, text.splitlines())) <= 100


def test_in_a_checkout_it_goes_beside_the_others_of_its_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in index.PACKAGES:
        folder = home(kind)
        assert folder is not None
        assert any(entry.path.parent == folder for entry in index.entries(kind).values())
    monkeypatch.setattr(command, "home", lambda kind: tmp_path)
    assert main(["new", "inr", "mine"]) == 0
    assert "class Mine(nn.Module)" in (tmp_path / "mine.py").read_text()
    assert "--plugin" not in capsys.readouterr().out


def test_a_file_is_never_overwritten(outside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (outside / "mine.py").write_text("precious")
    assert main(["new", "inr", "mine"]) == 2
    assert "mine.py is there already" in capsys.readouterr().err
    assert (outside / "mine.py").read_text() == "precious"


@pytest.mark.parametrize(
    "name", ["My", "_mine", "9lives", "a b", "class", "../up", "a--b", "", "mine.py"]
)
def test_names_that_do_not_do(name: str, outside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "inr", name]) == 2
    assert "does not do as a name" in capsys.readouterr().err
    assert not list(outside.iterdir())


def test_a_name_that_is_taken_and_a_kind_that_there_is_not(
    outside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", "inr", "siren"]) == 2
    assert "there is one" in capsys.readouterr().err
    assert main(["new", "datset", "mine"]) == 2
    assert "did you mean 'dataset'?" in capsys.readouterr().err
    assert not list(outside.iterdir())


ABSENT = '''
"""Data that are not here."""
from benchmark.plugins import Dataset, InputError, register

@register.dataset("absent")
class Absent(Dataset):
    licence, citation = "MIT", "nobody"

    def __init__(self, root=None):
        self.root = root

    def fetch(self):
        raise InputError("absent", "there is no folder", "--root FOLDER")
'''


def test_skipped_claims_exit_with_1_unless_they_are_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "absent.py").write_text(ABSENT)
    words = ["check", "dataset", "absent", "--plugin", str(tmp_path / "absent.py")]
    assert main(words) == 1
    assert capsys.readouterr().out.splitlines()[-1] == (
        "dataset absent: 1 of 8 claims ran, 0 failed, 7 skipped (its data are not here: there is no"
        " folder)"
    )
    assert main([*words, "--allow-skips"]) == 0

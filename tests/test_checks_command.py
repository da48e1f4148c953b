"""`check` and `new`: what they print, their exit codes, and that a new plug-in passes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark.checks import claims
from benchmark.cli import main
from benchmark.cli import new as command
from benchmark.plugins import index

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
    monkeypatch.setattr(command, "checkout_root", lambda: None)
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
    assert last == f"inr vandal: {len(lines) - 2} of {len(lines)} checks ran, 1 failed, 2 skipped"
    assert len(lines) == len(claims("inr"))


def test_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "optimizer", "adam", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["kind"], answer["name"]) == ("optimizer", "adam")
    assert [(r["claim"], r["status"]) for r in answer["results"]] == [
        (claim, "ok") for claim in claims("optimizer")
    ]


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


def test_a_new_plugin_passes_every_check(outside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "inr", "my-network"]) == 0
    _, _, check, run = capsys.readouterr().out.splitlines()
    assert (
        check.split() == "python -m benchmark check inr my-network --plugin my_network.py".split()
    )
    assert (
        run.split()
        == "python -m benchmark run --inr my-network --lambda 1e-5 --plugin my_network.py".split()
    )
    assert main(check.split()[3:]) == 0
    count = len(claims("inr"))
    assert (
        capsys.readouterr().out.splitlines()[-1]
        == f"inr my-network: {count} of {count} checks ran, 0 failed, 0 skipped"
    )


def test_in_a_checkout_it_goes_to_inr(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "inr").mkdir()
    monkeypatch.setattr(command, "checkout_root", lambda: tmp_path)
    assert main(["new", "inr", "mine"]) == 0
    assert "class Mine(nn.Module)" in (tmp_path / "inr" / "mine.py").read_text()
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


def test_a_name_that_is_taken_and_a_kind_that_is_not_written(
    outside: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["new", "inr", "siren"]) == 2
    assert "there is one" in capsys.readouterr().err
    assert main(["new", "dataset", "mine"]) == 2
    assert "only a backbone" in capsys.readouterr().err

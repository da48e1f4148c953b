"""The command: experiments by name, forgetting, doubts, and options from a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmark.cli import main
from benchmark.cli.config import expanded, saved
from benchmark.cli.parser import Parser
from benchmark.cli.run import add_arguments
from benchmark.errors import InputError
from benchmark.store.store import Store
from tests import tiny_networks

TINY = str(Path(__file__).parent / "tiny.py")
FAST = ["--dataset", "tiny", "--plugin", TINY, "--steps", "30", "--bits", "10", "--limit", "1"]
FAST += ["--set", "hidden_features=12", "--set", "hidden_layers=2", "--device", "cpu"]
FAST += ["--kernel", "torch", "--precision", "float32", "--lr", "1e-2"]


@pytest.fixture
def run(store_folder: Path):
    tiny_networks.write("tiny")
    return lambda *words: main(["run", "--out", str(store_folder), *FAST, *words])


def names(folder: Path) -> dict[str, str]:
    with Store(folder, create=False) as store:
        return {found.name: found.status for found in store.experiments.all()}


def test_each_run_is_an_experiment_and_a_refused_one_changes_no_view(
    run, store_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--name", "first", "--lambda", "1e-3") == 0
    page = (store_folder / "leaderboard.md").read_text()
    assert run("--name", "tiny-rate", "--lambda", "1e-3", "--bpp", "0.0001") == 2
    assert "usual is 0.1 to 4" in capsys.readouterr().err
    assert run("--name", "tiny-rate", "--lambda", "1e-3", "--bpp", "0.0001", "--yes") == 2
    assert (store_folder / "leaderboard.md").read_text() == page
    assert names(store_folder)["first"] == "finished"
    assert names(store_folder)["tiny-rate"] == "refused"
    capsys.readouterr()
    assert main(["report", str(store_folder), "--plugin", TINY, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [found["lam"] for found in said["comparisons"]] == [1e-3]


def test_the_tables_of_an_experiment_by_name(run, store_folder: Path, capsys) -> None:
    assert run("--name", "first", "--lambda", "1e-3", "--quiet") == 0
    assert run("--name", "second", "--lambda", "1e-4,1e-5", "--quiet") == 0
    assert capsys.readouterr().out == ""
    words = ["report", str(store_folder), "--plugin", TINY, "--experiment"]
    assert main([*words, "first"]) == 0
    assert "lambda 1e-3" in (store_folder / "first" / "leaderboard.md").read_text()
    assert "lambda 1e-3" not in (store_folder / "leaderboard.md").read_text()
    assert main([*words, "frist"]) == 2 and "did you mean 'first'" in capsys.readouterr().err
    assert main([*words[:-1], "--lambda", "1e-4", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [found["lam"] for found in said["comparisons"]] == [1e-4]
    assert run("--name", "first", "--lambda", "1e-5") == 2
    assert "asks for something else" in capsys.readouterr().err


def test_what_is_hardly_meant_is_asked(run, store_folder: Path, capsys) -> None:
    assert run("--lambda", "1e5") == 2
    error = capsys.readouterr().err
    assert "lambda 100000: usual" in error and "--yes" in error and not store_folder.exists()
    assert run("--lambda", "1e5", "--yes") in (0, 1) and store_folder.exists()


def test_an_experiment_is_forgotten(run, store_folder: Path, capsys) -> None:
    assert run("--name", "typo", "--lambda", "1e-2") == 0
    assert run("--name", "good", "--lambda", "1e-3") == 0
    with Store(store_folder, create=False) as store:
        cells = store.count()
    forget = ["forget", str(store_folder)]
    capsys.readouterr()
    assert main(forget) == 0 and "typo" in capsys.readouterr().out
    assert main([*forget, "--experiment", "typo"]) == 2 and "--yes" in capsys.readouterr().err
    assert main([*forget, "--experiment", "typo", "--yes"]) == 0
    assert list(names(store_folder)) == ["good"]
    with Store(store_folder, create=False) as store:
        assert store.count() == cells - 1, "the plain fits stay: another experiment has them"
    assert main([*forget, "--lambda", "1e-3", "--yes"]) == 0
    with Store(store_folder, create=False) as store:
        assert all(row.facts["lambda"] == 0 for row in store.rows())
    assert main([*forget, "--experiment", "good", "--lambda", "1"]) == 2


@pytest.fixture
def parser() -> Parser:
    parser = Parser(prog="run")
    parser.add_argument("--quiet", action="store_true")
    add_arguments(parser)
    return parser


def test_options_from_a_file_and_what_is_typed_wins(parser: Parser, tmp_path: Path) -> None:
    job = tmp_path / "job.toml"
    job.write_text('inr = ["siren", "fourier"]\nlambda = [1e-5, 1e-3]\nlimit = 3\nforce = true\n')
    args = parser.parse_args(expanded(["--config", str(job), "--inr", "siren"], parser))
    assert args.inr == ["siren"] and args.lam == ["1e-05", "0.001"]
    assert args.limit == 3 and args.force
    args = parser.parse_args(expanded([f"--config={job}"], parser))
    assert args.inr == ["siren", "fourier"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("limt = 3", "did you mean 'limit'"),
        ("limit = {a = 1}", "its value is dict"),
        ("limit = ", "not TOML"),
        (None, "No such file"),
    ],
)
def test_a_file_that_cannot_be_used(parser: Parser, tmp_path: Path, text, says: str) -> None:
    job = tmp_path / "job.toml"
    if text is not None:
        job.write_text(text)
    with pytest.raises(InputError, match=says):
        expanded(["--config", str(job)], parser)
    with pytest.raises(InputError, match="no file stands behind it"):
        expanded(["--config"], parser)


def test_a_saved_file_stands_for_the_same_words(parser: Parser, tmp_path: Path) -> None:
    words = ["--inr", "siren", "--inr", "fourier", "--lambda", "1e-5,1e-3", "--bpp", "0.4"]
    words += ["--set", "siren.omega_0=60", "--root", "/a folder", "--force", "--dims", "3"]
    args = parser.parse_args(words)
    job = tmp_path / "job.toml"
    job.write_text(saved(parser, args))
    again = parser.parse_args(expanded(["--config", str(job)], parser))
    assert vars(again) == vars(args)

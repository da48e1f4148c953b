"""The library below the command: what a notebook calls, and what it gets."""

from __future__ import annotations

import inspect
import json
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import torch

import benchmark as sb
from benchmark import api
from benchmark.errors import InputError
from benchmark.plan.selection import Selection
from benchmark.report.opened import Run
from benchmark.types import IMAGE_METRICS, READER_METRICS
from tests import tiny_networks

TINY = Path(__file__).parent / "tiny.py"
FAST = {
    "dataset": "tiny",
    "steps": 20,
    "lr": 1e-2,
    "sets": {"hidden_features": 8, "hidden_layers": 2},
    "bits": 10,
    "device": "cpu",
    "kernel": "torch",
    "precision": "float32",
}
PAGE = Path(__file__).parents[1] / "docs" / "python.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sb.add_plugin(TINY)
    tiny_networks.write("tiny")
    return tmp_path / "run"


@pytest.fixture(scope="module")
def kept() -> dict[str, Path]:
    """Where the one run is kept that all tests start from a copy of."""
    return {}


@pytest.fixture
def run(folder: Path, kept: dict[str, Path], tmp_path_factory: pytest.TempPathFactory):
    if "first" not in kept:
        kept["first"] = tmp_path_factory.mktemp("first") / "run"
        sb.run("siren", lam=[1e-3], seeds=range(2), out=kept["first"], name="first", **FAST).close()
    shutil.copytree(kept["first"], folder)
    with sb.open(folder) as run:
        yield run


def test_the_import_costs_nothing() -> None:
    code = "import sys, benchmark; print(*{'torch', 'pandas', 'numpy', 'scipy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


def test_everything_public_is_handed_on() -> None:
    assert set(sb.HANDED_ON) == set(api.__all__) <= set(dir(sb))
    for name in sb.HANDED_ON:
        assert getattr(sb, name) is getattr(api, name)
        assert inspect.getdoc(getattr(sb, name)), name
    with pytest.raises(AttributeError, match="no attribute 'rnu'"):
        sb.rnu  # noqa: B018


def test_a_run_and_its_tables(run: Run, folder: Path) -> None:
    assert run.name == "first" and run.experiment.status == "finished" and run.failed == 0
    cells = run.frame()
    assert len(cells) == len(run.images) * (2 * 3 + 2)  # plain, null, SINCO; two codecs
    assert set(cells["status"]) == {"ok"}
    table = run.per_image()
    assert list(table["sample_id"].sort_values()) == run.images and set(table["seeds"]) == {2}
    gained = table["sinco_psnr_db"] - table["plain_psnr_db"]
    assert np.allclose(gained, table["psnr_db_difference"])
    worse = run.underperformers()
    assert len(worse) == sum((table[f"{metric}_difference"] < 0).sum() for metric in METRICS)
    board = run.leaderboard()
    best = board[(board["metric"] == "psnr_db") & (board["rank"] == 1)]
    assert best["mean"].item() == board.loc[board["metric"] == "psnr_db", "mean"].max()
    assert "siren" in set(board["method"])


METRICS = ("psnr_db", "ssim", "dice", "dice_eval")


def test_an_image_as_arrays(run: Run) -> None:
    picture = run.image(run.images[0], lam=1e-3)
    shape = picture.original.shape
    assert picture.plain.shape == picture.sinco.shape == shape and picture.mask.shape == shape[:2]
    assert not np.array_equal(picture.plain, picture.sinco)
    cells = run.frame()
    plain = cells[(cells["sample_id"] == picture.id) & (cells["lambda"] == 0) & ~cells["null"]]
    plain = plain[(plain["seed"] == 0) & plain["codec"].isna()]
    error = np.mean((picture.plain - picture.original) ** 2)
    assert -10 * np.log10(error) == pytest.approx(plain["psnr_db"].item(), abs=1e-3)
    assert all(array.shape == shape for array in picture.codecs.values()) and picture.codecs
    assert picture.masks == {}
    with pytest.raises(InputError, match="did you mean"):
        run.image(run.images[0] + "x")
    with pytest.raises(InputError, match="no such fit"):
        run.image(run.images[0], lam=0.5)


def test_networks_read_an_image_when_asked(run: Run) -> None:
    masks = run.image(run.images[0], read=True).masks
    assert {what for what, _ in masks} == {"original", "plain", "sinco"}
    assert {name for _, name in masks} == {"unet", "dilated"}
    assert all(mask.dtype == bool for mask in masks.values())


def test_a_notebook_shows_a_run(run: Run) -> None:
    page = run._repr_html_()
    assert page.count("<tr") == 1 + len(run.images) and "sinco_psnr_db" in page
    assert "3 images" in repr(run) and "0 failed" in repr(run)


def test_a_report_is_written_where_it_is_asked_for(run: Run, tmp_path: Path) -> None:
    written = run.report(tmp_path / "tables")
    assert {path.name for path in written} >= {"leaderboard.md", "rows.csv", "per_image.csv"}
    assert all(path.parent == tmp_path / "tables" and path.stat().st_size for path in written)


def test_what_is_stored_is_not_fitted_again_and_runs_are_kept_apart(run: Run, folder: Path) -> None:
    keys = set(run.frame()["key"])
    with sb.run("siren", lam=[1e-3, 1e-4], seeds=0, out=folder, name="second", **FAST) as second:
        assert len(set(second.frame()["key"]) - keys) == len(run.images)
        assert len(second.frame()) == len(run.images) * (4 + 2)
    with sb.open(folder) as last, sb.open(folder, "first") as first:
        assert last.name == "second" and set(first.frame()["key"]) == keys
    with sb.open(folder, everything=True, lam=1e-4) as part:
        assert set(part.frame()["lambda"]) == {0.0, 1e-4}
    with pytest.raises(InputError, match="no cell is left"):
        sb.open(folder, image="nobody")


def test_a_refused_run_changes_no_view(run: Run, folder: Path) -> None:
    with pytest.raises(InputError):
        sb.run("siren", lam=[1e-3], out=folder, **(FAST | {"bits": None, "bpp": 0.06, "sets": {}}))
    with sb.open(folder) as last:
        assert last.name == "first"


def test_values_that_are_hardly_meant_warn(folder: Path) -> None:
    with pytest.warns(UserWarning, match="lambda 100000: usual"):
        with sb.run(lam=1e5, out=folder, limit=1, **FAST) as run:
            assert run.failed <= 1


def test_a_name_that_no_selection_has(folder: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'bits'"):
        sb.run(bitz=8)
    for field in fields(Selection):
        api.selection_of(**{field.name: getattr(Selection(), field.name)})


def test_an_experiment_has_a_log(run: Run, folder: Path) -> None:
    lines = (folder / "logs" / "first.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    assert events[0]["message"] == "begins" and events[-1]["message"] == "finished"
    batches = [event for event in events if event["message"] == "batch"]
    fits = run.frame()["codec"].isna().sum()
    assert sum(len(batch["cells"]) for batch in batches) == fits
    assert all(batch["seconds"] > 0 for batch in batches)


def test_what_can_be_chosen_is_a_table() -> None:
    table = sb.list("inr")
    assert set(table["kind"]) == {"inr"} and {"siren", "fourier"} <= set(table["name"])
    siren = table[table["name"] == "siren"].iloc[0]
    assert siren["available"] and siren["options"]["omega_0"] == 30.0 and siren["what"]
    assert set(sb.list()["kind"]) > {"inr", "codec", "preset"}
    with pytest.raises(InputError, match="did you mean 'inr'"):
        sb.list("inrs")


def test_a_file_is_decoded_whoever_wrote_it(run: Run, tmp_path: Path) -> None:
    cells = run.frame()
    for codec in (None, "jpeg2000", "jpeg2000+mask"):
        chosen = cells["codec"].isna() if codec is None else cells["codec"] == codec
        row = cells[chosen].iloc[0]
        data = run.view.data(row["key"])
        (tmp_path / "file").write_bytes(data)
        decoded = sb.decode(tmp_path / "file")
        assert np.array_equal(decoded.image, sb.decode(data).image)
        assert (decoded.mask is not None) == (codec == "jpeg2000+mask")
        original = run.image(row["sample_id"]).original
        error = np.mean((decoded.image - original) ** 2)
        assert -10 * np.log10(error) == pytest.approx(row["psnr_db"], abs=1e-3)
    with pytest.raises(InputError):
        sb.decode(b"nobody wrote this")


def test_networks_are_evaluated_by_image_and_patient(folder: Path, tmp_path: Path) -> None:
    by_image = sb.evaluate("unet", "tiny", out=tmp_path / "page")
    assert len(by_image) == 3 and (tmp_path / "page" / "evaluation.md").is_file()
    assert "dice" in by_image and isinstance(by_image.attrs["notes"], list)
    assert len(sb.evaluate(["unet", "dilated"], "tiny", by="patient")) == 6
    with pytest.raises(InputError, match="did you mean 'limit'"):
        sb.evaluate("unet", "tiny", limt=1)


def test_a_class_is_checked_without_a_file() -> None:
    class Flat(torch.nn.Module):
        def __init__(self, in_dim: int, out_dim: int, *, width: int = 4) -> None:
            super().__init__()
            self.layers = torch.nn.Sequential(
                torch.nn.Linear(in_dim, width), torch.nn.Tanh(), torch.nn.Linear(width, out_dim)
            )

        def forward(self, coords: torch.Tensor) -> torch.Tensor:
            return self.layers(coords)

    checked = sb.check("inr", Flat)
    assert checked.ok and "claims ran" in str(checked)
    Flat.forward = lambda self, coords: self.layers(coords).mean(0, keepdim=True)
    assert not sb.check("inr", Flat).ok


def test_a_network_is_trained_from_python(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "mine.safetensors"
    trained = sb.train("dilated", "tiny", epochs=1, out=out, sets={"width": 4})
    assert trained.path == out and out.is_file() and trained.card["dataset"] == "tiny"


def documented(table: str) -> list[str]:
    """The names in the first column of a table of docs/python.md, below the heading `table`."""
    section = PAGE.read_text(encoding="utf-8").partition(f"### {table}\n")[2].partition("\n### ")[0]
    return re.findall(r"^\| `([^`]+)` \|", section, re.MULTILINE)


def test_the_error_of_the_page_is_the_one_that_is_raised() -> None:
    typed, said = re.findall(r"```pycon\n>>> (.*)\n([^`]*)\n```", PAGE.read_text(encoding="utf-8"))[
        0
    ]
    with pytest.raises(InputError) as caught:
        eval(typed, {"sb": sb})
    assert str(caught.value) == said
    assert f"here `{caught.value.fields}`".replace("'", '"') in PAGE.read_text(encoding="utf-8")


# What the words of docs/python.md stand for.
WORDS = {
    "METRIC": rf"({'|'.join([*IMAGE_METRICS, *READER_METRICS, 'bpp'])})(_eval)?",
    "METHOD": "(plain|sinco|original|jpeg2000|jpeg2000_mask)",
    "NETWORK": "(unet|dilated)(@[0-9a-f]{6})?",
}


def matches(column: str, known: list[str]) -> bool:
    """Whether a documented name stands for a column."""
    for name in known:
        pattern = re.escape(name)
        for word, stands_for in WORDS.items():
            pattern = pattern.replace(word, stands_for)
        if re.fullmatch(pattern, column):
            return True
    return False


def test_a_column_that_is_not_documented_is_found() -> None:
    known = ["key", "METHOD_METRIC", "METRIC_difference"]
    for column in ("key", "plain_psnr_db", "dice_eval_difference", "jpeg2000_mask_bpp"):
        assert matches(column, known)
    for column in ("keys", "plain", "plain_mse", "dice_eval_ratio", "other_psnr_db"):
        assert not matches(column, known)


@pytest.mark.parametrize("table", ["frame", "per_image", "underperformers", "leaderboard"])
def test_every_column_is_documented(run: Run, table: str) -> None:
    known = documented(f"run.{table}()")
    columns = list(getattr(run, table)().columns)
    assert [column for column in columns if not matches(column, known)] == []
    plain = [name for name in known if not re.search("METHOD|METRIC|NETWORK", name)]
    assert [name for name in plain if name not in columns] == []

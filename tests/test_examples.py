"""The examples run as they are: scripts as functions with few steps, the notebook as a whole."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from benchmark.errors import InputError

EXAMPLES = Path(__file__).parents[1] / "examples"
QUICK = {"steps": 100, "bits": 8, "device": "cpu", "kernel": "torch", "precision": "float32"}


def example(name: str) -> dict:
    return runpy.run_path(str(EXAMPLES / name), run_name="example")


def test_a_backbone_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sets = {"hidden_features": 6}
    with pytest.raises(InputError, match="2 selected plug-ins have the option"):
        example("own_backbone.py")["main"](tmp_path / "run", limit=1, sets=sets, **QUICK)
    sets = {"siren.hidden_features": 6, "morlet.hidden_features": 6}
    with example("own_backbone.py")["main"](tmp_path / "run", limit=1, sets=sets, **QUICK) as run:
        assert run.failed == 0 and {"morlet", "siren"} == set(run.frame()["inr"])
    assert "morlet" in capsys.readouterr().out


def test_data_of_ones_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    module = example("own_data.py")
    pairs = module["make_pairs"](tmp_path / "pairs")
    assert sorted(path.name for path in pairs.rglob("*.png"))[:2] == ["anna.png", "anna.png"]
    (tmp_path / "scratch").mkdir()
    few = {"hidden_features": 6, "hidden_layers": 2}
    options = QUICK | {"seeds": 0}
    with module["main"](pairs, tmp_path / "scratch", few, **options) as run:
        assert run.failed == 0 and len(run.images) == 4
    assert "4 images" in capsys.readouterr().out


@pytest.mark.slow
def test_the_notebook(tmp_path: Path) -> None:
    nbclient = pytest.importorskip("nbclient", reason="pip install -e '.[test]'")
    import nbformat

    notebook = nbformat.read(EXAMPLES / "first_look.ipynb", as_version=4)
    nbclient.NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": tmp_path}}
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    assert {"text/html", "image/png"} <= kinds
    assert (tmp_path / "first-look" / "store.sqlite").is_file()

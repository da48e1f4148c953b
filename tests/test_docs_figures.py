"""docs/figures.py: the pages are what the committed CSV files say, and a stale page is noticed."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
PAGE = "# A page\n\n<!-- figure: lgg_floors -->\n<!-- end -->\n\nText.\n"


@pytest.fixture(scope="module")
def figures() -> ModuleType:
    sys.path.insert(0, str(ROOT / "docs"))  # as `python docs/figures.py` has it
    try:
        spec = importlib.util.spec_from_file_location("figures", ROOT / "docs" / "figures.py")
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(ROOT / "docs"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with one page that has one empty figure."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "page.md").write_text(PAGE)
    (tmp_path / "README.md").write_text("# Front door\n")
    return tmp_path


def test_the_pages_are_fresh():
    done = subprocess.run(
        [sys.executable, "docs/figures.py", "--check"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_a_stale_page_is_named_and_written(figures, root, capsys):
    page = root / "docs" / "page.md"
    assert figures.main(["--check"], root) == 1
    assert "docs/page.md is stale" in capsys.readouterr().err
    assert page.read_text(encoding="utf-8") == PAGE  # --check changes nothing
    assert figures.main([], root) == 0
    written = page.read_text(encoding="utf-8")
    assert "| siren | 0.49 |" in written
    assert written.endswith("<!-- end -->\n\nText.\n")
    assert figures.main(["--check"], root) == 0
    page.write_text(written.replace("0.49", "0.48"))
    assert figures.main(["--check"], root) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PAGE.replace("lgg_floors", "no_such"), "unknown figure 'no_such'"),
        (PAGE.replace("<!-- end -->", ""), "a marker stands alone"),
        (PAGE + "<!-- end -->\n", "a marker stands alone"),
        (PAGE.replace("<!-- end -->", "") + PAGE, "has no end"),
    ],
)
def test_a_wrong_marker_is_said(figures, root, capsys, text, said):
    (root / "docs" / "page.md").write_text(text)
    assert figures.main(["--check"], root) == 1
    assert said in capsys.readouterr().err


def test_a_changed_csv_file_makes_the_page_stale(figures, root, monkeypatch):
    import figure_helpers

    results = root / "results"
    (results / "lgg").mkdir(parents=True)
    shutil.copy(ROOT / "results" / "lgg" / "rows.csv", results / "lgg")
    monkeypatch.setattr(figure_helpers, "RESULTS", results)
    figures.main([], root)
    assert figures.main(["--check"], root) == 0
    rows = (results / "lgg" / "rows.csv").read_text(encoding="utf-8").splitlines()
    without = [row for row in rows if ",True,3,mean," not in row]  # the null twins of seed 3
    assert len(without) < len(rows)
    (results / "lgg" / "rows.csv").write_text("\n".join(without) + "\n")
    assert figures.main(["--check"], root) == 1


def test_every_figure_stands_in_a_page(figures):
    text = "".join(page.read_text(encoding="utf-8") for page in figures.pages(ROOT))
    for name in figures.FIGURES:
        assert f"<!-- figure: {name} -->" in text, name


def test_the_tables_agree_with_the_programs_own(figures):
    """Verdicts and intervals of the program stand in leaderboard.md and evaluation.md."""
    evaluation = (ROOT / "results" / "networks" / "evaluation.md").read_text(encoding="utf-8")
    for cell in figures.networks_dice().splitlines()[2].split("|")[2:-1]:
        assert cell.strip() in evaluation
    board = (ROOT / "results" / "lgg" / "leaderboard.md").read_text(encoding="utf-8")
    for line in figures.lgg_verdicts().splitlines()[2:]:
        for cell in line.split("|")[3:-1]:
            counts, mean, interval = re.fullmatch(r" (.*), (\S+) (\[.*\]) ", cell).groups()
            assert f"| {counts.replace(' / ', ' | ')} | 0 | {mean} | {interval} |" in board, cell
    board = (ROOT / "results" / "recipes" / "leaderboard.md").read_text(encoding="utf-8")
    for line in figures.recipes_difference().splitlines()[2:]:
        difference, band = line.split("|")[3].strip().rstrip(")").split(" (")
        assert f"| {difference} | {band} |" in board, line


def test_means_are_over_patients(figures):
    mean, low, high = figures.over_patients([("a", 1.0), ("a", 3.0), ("b", 4.0)])
    assert mean == pytest.approx(3.0)  # of 2 and 4
    # t(0.975, 1) = 12.706, standard error 1
    assert (low, high) == pytest.approx((3 - 12.706, 3 + 12.706), abs=1e-3)

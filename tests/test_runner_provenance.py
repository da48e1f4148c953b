"""What is recorded of the plug-ins of a run: path, hash, what git says, the text where needed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmark.plan.job import resolve
from benchmark.plan.selection import Selection
from benchmark.plugins import index
from benchmark.plugins.new import new_plugin
from benchmark.runner import environment, provenance
from tests import tiny_networks
from tests.conftest import TINY

ROOT = Path(__file__).parents[1]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout of its own with one committed backbone that has a helper."""
    root = tmp_path / "checkout"
    (root / "inr").mkdir(parents=True)
    (root / "inr" / "_helper.py").write_text("WIDTH = 4\n")
    path = new_plugin("inr", "mine", root / "inr")
    path.write_text("from benchmark.plugins.inr import _helper\n" + path.read_text())
    git(root, "init", "-q")
    git(root, "add", ".")
    git(root, "-c", "user.name=a", "-c", "user.email=a@b.c", "commit", "-q", "-m", "first")
    for module in (provenance, environment):
        monkeypatch.setattr(module, "checkout_root", lambda: root)
    index.add_plugin_file(path)
    return root


def git(root: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True, timeout=30)


def change(root: Path) -> None:
    with (root / "inr" / "mine.py").open("a") as file:
        file.write("\n# another line\n")


def change_the_helper(root: Path) -> None:
    (root / "inr" / "_helper.py").write_text("WIDTH = 5\n")


def forget(root: Path) -> None:
    git(root, "rm", "--cached", "-q", "inr/mine.py")


def test_what_is_committed_needs_no_text(checkout: Path) -> None:
    entry = index.get("inr", "mine")
    assert provenance.provenance(entry) == {
        "kind": "inr",
        "name": "mine",
        "path": "inr/mine.py",
        "source_hash": entry.source_hash(),
        "git": "tracked",
    }


@pytest.mark.parametrize(
    ("edit", "state"),
    [(change, "changed"), (change_the_helper, "changed"), (forget, "untracked")],
)
def test_what_is_not_committed_is_kept_with_its_helpers(
    edit: Callable[[Path], None], state: str, checkout: Path
) -> None:
    edit(checkout)
    found = provenance.provenance(index.get("inr", "mine"))
    assert found["git"] == state
    folder = checkout / "inr"
    assert found["sources"] == {
        name: (folder / name).read_text() for name in ("mine.py", "_helper.py")
    }


def test_a_file_elsewhere_is_not_in_the_checkout() -> None:
    index.add_plugin_file(TINY.parent / "tiny.py")
    (tiny,) = [provenance.provenance(index.get("dataset", "tiny"))]
    assert tiny["path"] == "tests/tiny.py" and tiny["source_hash"]
    outside = provenance.git_state(Path("/nowhere/mine.py"), ROOT)
    assert outside == provenance.git_state(TINY, None) == "not in the checkout"


def test_the_environment_says_that_an_untracked_plug_in_was_there(checkout: Path) -> None:
    clean = environment._git()
    assert clean is not None and clean["changed"] is False and "untracked" not in clean
    (checkout / "notes.txt").write_text("no code")
    assert environment._git() == clean
    (checkout / "segmenters").mkdir()
    (checkout / "segmenters" / "yours.py").write_text("")
    found = environment._git()
    assert found is not None and found["changed"] is True
    assert found["untracked"] == ["segmenters/yours.py"] and found["commit"] == clean["commit"]


def test_every_plug_in_of_a_job_is_recorded_once(tiny_dataset: object) -> None:
    tiny_networks.write()
    job = resolve(Selection(dataset="tiny", inr=("siren", "fourier"), steps=4, limit=1))
    used = [(one["kind"], one["name"]) for one in provenance.provenance_of(job)]
    assert used == [
        ("codec", "jpeg2000"),
        ("codec", "jpeg2000+mask"),
        ("dataset", "tiny"),
        ("inr", "fourier"),
        ("inr", "siren"),
        ("optimizer", "soap"),
        ("regularizer", "dice"),
        ("segmenter", "dilated"),
        ("segmenter", "unet"),
    ]

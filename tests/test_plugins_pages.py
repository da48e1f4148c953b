"""docs/plug-ins: the example of each page passes every check, and no page leaves anything out."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from benchmark.checks import claims
from benchmark.cli import main
from benchmark.plugins import index
from benchmark.plugins.register import COMMON, DECLARABLE
from tests.volume_files import save_volume

PAGES = Path(__file__).parents[1] / "docs" / "plug-ins"
KINDS = tuple(index.PACKAGES)


def page(name: str) -> str:
    return (PAGES / f"{name}.md").read_text(encoding="utf-8")


def example(kind: str) -> str:
    (block,) = re.findall(r"^```python\n(.*?)^```$", page(kind), re.MULTILINE | re.DOTALL)
    return str(block)


def write_patients(root: Path) -> None:
    """What the example of data sets reads: FLAIR volumes with masks, in all three splits."""
    y, x = np.mgrid[:40, :40] - 20
    for k in range(12):
        rng = np.random.default_rng(k)
        head = (rng.integers(100, 900, (6, 40, 40)) * (x**2 + y**2 < 300)).astype(np.int16)
        mask = np.zeros(head.shape, np.uint8)
        mask[2:4, 15:22, 15:20] = 1
        for name, volume in (("flair", head), ("mask", mask)):
            save_volume(root / f"p{k:02d}" / f"{name}.nii.gz", volume, (3.0, 1.0, 1.0))


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_of_a_page_passes_every_check_and_none_is_skipped(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.py"
    path.write_text(example(kind))
    words = ["check", kind, f"page-{kind}", "--plugin", str(path)]
    if kind == "dataset":
        write_patients(tmp_path / "scans")
        words += ["--root", str(tmp_path / "scans")]
    code = main(words)
    printed = capsys.readouterr().out
    count = len(claims(kind))
    assert f"page-{kind}: {count} of {count} claims ran, 0 failed, 0 skipped" in printed, printed
    assert code == 0


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_names_every_claim_and_everything_that_its_decorator_takes(kind: str) -> None:
    text = page(kind)
    table = re.findall(r"^\| ([a-z ]+) \| ", text, re.MULTILINE)
    assert [line for line in table if line in claims(kind)] == list(claims(kind))
    for word in DECLARABLE[kind]:
        assert f"`{word}`" in text, word
    assert f"new {kind} mine" in text
    assert 60 <= len(text.splitlines()) <= 150


def test_the_index_names_every_kind_and_what_all_of_them_share() -> None:
    text = page("README")
    for kind, package in index.PACKAGES.items():
        assert f"[{kind}.md]({kind}.md)" in text
        folder = package.replace("benchmark.plugins.", "").replace(".", "/")
        assert f"`{folder}/`" in text
    for word in [*COMMON, "--plugin", "sinco_bench.KIND", "_name.py", "--allow-skips", "Literal"]:
        assert word in text, word
    assert 60 <= len(text.splitlines()) <= 150


def test_the_commands_of_the_pages_are_commands() -> None:

    from benchmark.cli import COMMANDS

    found = set()
    for name in ("README", *KINDS):
        found |= set(re.findall(r"python -m\s+benchmark (\w+)", page(name)))
    assert found and found <= set(COMMANDS)

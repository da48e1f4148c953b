"""A plug-in that leaves the program, or raises, fails its own cells, and the row names its file."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from benchmark.cli import main
from benchmark.errors import InputError
from benchmark.networks.checkpoints import default_path
from benchmark.networks.network import save_checkpoint
from benchmark.plugins import index
from benchmark.runner.failures import no_exit, place_of, reason_of
from benchmark.store.store import Row, Store
from tests import tiny_networks
from tests.conftest import TINY

LEAVES = '''
"""A backbone that leaves in {where}."""
import sys
from torch import nn
from benchmark.plugins import register

@register.inr("leaves", size="width", sizes=(2, 64), lr=1e-2)
class Leaves(nn.Module):
    def __init__(self, in_dim, out_dim, *, width: int = 4):
        super().__init__()
        self.a, self.b = nn.Linear(in_dim, width), nn.Linear(width, out_dim)
        {init}

    def forward(self, coords):
        {forward}
        return self.b(self.a(coords).tanh())
'''
READS = '''
"""A segmenter that leaves the program."""
import sys
from torch import nn
from benchmark.plugins import register

@register.segmenter("leaver", multiple=2)
class Leaver(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.head = nn.Conv2d(channels, 1, 1)

    def forward(self, image, volume):
        sys.exit("no licence")
'''


def write(folder: Path, name: str, text: str, **parts: str) -> Path:
    path = folder / name
    path.write_text(text.format(**parts) if parts else text)
    index.add_plugin_file(path)
    return path


def run(folder: Path, *words: str) -> int:
    fast = "--dataset tiny --steps 40 --device cpu --limit 1 --kernel torch".split()
    return main(["run", "--out", str(folder), *fast, "--plugin", str(TINY), *words])


def rows_of(folder: Path) -> list[Row]:
    with Store(folder) as store:
        return store.rows()


@pytest.fixture
def networks(tiny_dataset: object) -> None:
    tiny_networks.write()


@pytest.mark.parametrize("rate", [["--bpp", "3", "--bits", "10"], ["--bpp", "3"]])
def test_sys_exit_in_forward_fails_the_cells_of_that_backbone_alone(
    rate: list[str],
    networks: None,
    store_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    where = {"where": "forward", "init": "pass", "forward": "sys.exit(7)"}
    file = write(tmp_path, "leaves.py", LEAVES, **where)
    words = ["--inr", "leaves", "--inr", "siren", "--plugin", str(file), *rate]
    with caplog.at_level(logging.ERROR, logger="benchmark"):
        assert run(store_folder, *words) == 1
    rows = [row for row in rows_of(store_folder) if row.facts["codec"] is None]
    left = [row for row in rows if row.facts["inr"] == "leaves"]
    assert {row.status for row in left} == {"failed"} and len(left) == 3
    assert {row.reason for row in left} == {f"SystemExit: 7 (in {file}:15)"}
    assert {row.status for row in rows if row.facts["inr"] == "siren"} == {"ok"}
    assert "SystemExit: 7" in caplog.text and "Traceback" in caplog.text
    assert "Traceback" not in capsys.readouterr().err


def test_sys_exit_in_the_constructor_is_an_input_error_that_names_the_file(
    networks: None, store_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    where = {"where": "__init__", "init": "sys.exit(7)", "forward": "pass"}
    file = write(tmp_path, "leaves.py", LEAVES, **where)
    assert run(store_folder, "--inr", "leaves", "--plugin", str(file), "--bpp", "3") == 2
    said = capsys.readouterr().err
    assert f"SystemExit: 7 (in {file}:12)" in said and "check inr leaves" in said


def test_sys_exit_of_a_network_names_its_file(
    networks: None, store_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = write(tmp_path, "leaver.py", READS)
    module = index.get("segmenter", "leaver").load()(1)
    card = {"segmenter": "leaver", "options": {}, "channels": ["gray"], "dataset": "tiny"}
    save_checkpoint(default_path("leaver", "tiny"), module, card)
    plugin = ["--plugin", str(file), "--bpp", "3", "--bits", "10"]
    assert run(store_folder / "loss", "--segmenter", "leaver", "--reader", "unet", *plugin) == 1
    rows = [row for row in rows_of(store_folder / "loss") if row.facts["codec"] is None]
    with_it = [row for row in rows if row.facts["lambda"] > 0]
    assert with_it and {row.status for row in with_it} == {"failed"}
    # As a network that only reads the files it fails their rows too, and says the same.
    assert run(store_folder / "reads", "--reader", "leaver", *plugin) == 1
    for row in [*with_it, *rows_of(store_folder / "reads")]:
        assert row.status == "failed"
        assert f"SystemExit: no licence (in {file}:14)" in row.reason
    # What is stored stays as it is where such a network comes later.
    assert run(store_folder / "later", "--reader", "unet", *plugin) == 0
    assert run(store_folder / "later", "--reader", "leaver", *plugin) == 2
    assert "SystemExit: no licence" in capsys.readouterr().err
    assert {row.status for row in rows_of(store_folder / "later")} == {"ok"}


def test_sys_exit_of_a_codec_fails_its_rows(
    networks: None, store_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codec = index.get("codec", "jpeg2000").load()

    def leave(self: object, sample: object, max_bytes: int) -> bytes:
        raise SystemExit(3)

    monkeypatch.setattr(codec, "encode", leave)
    assert run(store_folder, "--bpp", "3", "--bits", "10") == 1
    statuses = {(row.facts["codec"], row.status) for row in rows_of(store_folder)}
    assert statuses == {(None, "ok"), ("jpeg2000", "failed"), ("jpeg2000+mask", "ok")}


def test_the_innermost_plug_in_of_a_traceback_is_named() -> None:
    siren = index.get("inr", "siren")
    try:
        siren.load()(2, 1)(torch.zeros(3, 5))
    except RuntimeError as error:
        assert place_of(error).startswith(f"{siren.path}:")
        assert reason_of(error, "a test").startswith("RuntimeError: ")
    try:
        raise ValueError("ours")
    except ValueError as error:
        assert place_of(error) == "" and reason_of(error, "a test") == "ValueError: ours"


def test_no_exit_lets_other_errors_pass() -> None:
    with pytest.raises(KeyError), no_exit("inr", "siren"):
        raise KeyError("x")
    with pytest.raises(InputError, match="siren.py: SystemExit: 5"), no_exit("inr", "siren"):
        raise SystemExit(5)

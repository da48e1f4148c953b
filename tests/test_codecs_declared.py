"""What a codec declares of itself is what tables, files and `decode` call it; no plug-in is named
elsewhere.
"""

from __future__ import annotations

import ast
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmark.cli import main
from benchmark.errors import InputError
from benchmark.plan.job import resolve
from benchmark.plan.selection import Selection
from benchmark.plugins import index
from benchmark.plugins.magic import codec_of, recognized
from benchmark.report.codecs import names_of
from tests import label_networks, tiny_networks

ROOT = Path(__file__).parents[1]
TINY = Selection(dataset="tiny", steps=4, lam=(1e-3,))
FAST = ["--steps", "30", "--lr", "1e-2", "--lambda", "1e-3", "--kernel", "torch"]
FAST += ["--set", "hidden_features=12", "--bits", "10"]
J2K = b"\xff\x4f\xff\x51"
BLOCKS = '''
"""A codec for tests: the mean of each block in 8 bits."""
import numpy as np
from benchmark.plugins import CellFailed, Decoded, register


@register.codec("blocks", label="BLK", suffix=".blk", magic=(b"BLOCKS",))
class Blocks:
    """Means of blocks."""

    def __init__(self, *, smallest: int = 2) -> None:
        self.smallest = smallest

    def encode(self, sample, max_bytes):
        height, width, channels = sample.image.shape
        for size in (2, 4, 8, 16, 32):
            if size < self.smallest:
                continue
            blocks = sample.image.reshape(height // size, size, width // size, size, channels)
            values = np.rint(255 * blocks.mean((1, 3))).astype(np.uint8)
            data = b"BLOCKS" + bytes([size, *values.shape]) + values.tobytes()
            if len(data) <= max_bytes:
                return data
        raise CellFailed("blocks", "nothing is that small", "a higher --bpp")

    def decode(self, data):
        size, *shape = data[6:10]
        values = np.frombuffer(data[10:], np.uint8).reshape(shape).astype(np.float32) / 255
        return Decoded(values.repeat(size, 0).repeat(size, 1))
'''
DISTANCE = '''
"""A regularizer for tests: the mean squared distance of the network's answer from the mask."""
import numpy as np
import torch
from benchmark.plugins import register


@register.regularizer("distance")
class Distance:
    """Squared distance."""

    def __init__(self, *, strength: float = 1.0) -> None:
        self.strength = strength

    def make(self, samples, network):
        masks = torch.from_numpy(np.stack([sample.mask for sample in samples]).astype(np.float32))
        volume = torch.tensor([sample.volume.as_row() for sample in samples])

        def penalty(images, which):
            with torch.enable_grad():
                x = images.detach().requires_grad_()
                answer = torch.sigmoid(network.logits(x, volume[which]))
                loss = self.strength * (answer - masks[which]).square().mean((1, 2))
                (gradient,) = torch.autograd.grad(loss.sum(), x)
            return loss.detach(), gradient

        return penalty
'''


@pytest.fixture
def networks(tiny_dataset) -> None:
    tiny_networks.write()


@pytest.fixture
def plugin(tmp_path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(BLOCKS + DISTANCE)
    return path


def codecs(selection: Selection) -> list[str]:
    return list(dict.fromkeys(cell.codec.name for cell in resolve(selection).cells if cell.codec))


def test_what_a_codec_is_called_changes_no_key():
    """The hashes of both codecs before they declared label, suffix, magic and sends_mask: stored
    cells are found by them.
    """
    assert index.get("codec", "jpeg2000").source_hash() == "cb10add7598f"
    assert index.get("codec", "jpeg2000+mask").source_hash() == "3db27444b7c4"


def test_only_what_a_codec_is_called_is_left_out_of_its_hash(tmp_path):
    def hash_of(decorator: str) -> str:
        path = tmp_path / f"plugin{len(list(tmp_path.iterdir()))}.py"
        path.write_text(f"@register.{decorator}\nclass C:\n    pass\n")
        return index.source_hash(path)

    plain = hash_of('codec("a")')
    named = hash_of('codec("a", label="A", suffix=".a", magic=(b"A",), sends_mask=True)')
    assert named == plain
    assert hash_of('codec("a", requires=("x",))') != plain
    assert hash_of('codec("b")') != plain
    assert hash_of('inr("a", label="A")') != hash_of('inr("a")')


def test_codecs_are_those_asked_for(networks, plugin):
    assert codecs(TINY) == ["jpeg2000", "jpeg2000+mask"]
    assert codecs(replace(TINY, codec=("jpeg2000+mask",))) == ["jpeg2000+mask"]
    assert codecs(replace(TINY, codec=("none",))) == []
    index.add_plugin_file(plugin)
    asked = replace(TINY, codec=("blocks", "jpeg2000"), sets=("smallest=8",))
    assert codecs(asked) == ["blocks", "jpeg2000"]
    args = {cell.codec.args for cell in resolve(asked).cells if cell.codec}
    assert args == {(), (("smallest", 8),)}


def test_a_codec_that_sends_the_mask_is_a_rival_only_where_a_loss_sees_it():
    index.add_plugin_file(Path(__file__).with_name("tiny_labels.py"))
    label_networks.write("tiny-label")
    labels = Selection(dataset="tiny-labels", segmenter=("tiny-label",), steps=4)
    assert codecs(labels) == ["jpeg2000"]
    assert codecs(replace(labels, codec=("jpeg2000+mask",))) == ["jpeg2000+mask"]


def test_a_regularizer_is_the_one_asked_for(networks, plugin):
    def chosen(selection: Selection) -> set:
        fits = resolve(selection).fits
        return {(cell.regularizer.name, cell.regularizer.args) for cell in fits if cell.lam}

    assert chosen(TINY) == {("dice", (("epsilon", 1e-6),))}
    index.add_plugin_file(plugin)
    asked = replace(TINY, regularizer="distance", sets=("distance.strength=3",))
    assert chosen(asked) == {("distance", (("strength", 3.0),))}
    with pytest.raises(InputError, match="no selected plug-in has that option"):
        resolve(replace(TINY, sets=("strength=3",)))


def test_a_made_up_codec_and_regularizer_go_all_the_way(
    networks, plugin, store_folder, tmp_path, capsys
):
    """Fitted, encoded, scored, printed, drawn, written as files and decoded again."""
    command = ["run", "--dataset", "tiny", *FAST]
    command += ["--codec", "blocks,jpeg2000+mask", "--regularizer", "distance"]
    command += ["--plugin", str(plugin)]
    assert main([*command, "--out", str(store_folder)]) == 0
    printed = capsys.readouterr().out
    assert "BLK" in printed and "BLK: blocks at the bytes of the fits" in printed
    assert "+mask: with the true mask sent too" in printed and "J2K" not in printed
    page = (store_folder / "leaderboard.md").read_text()
    assert "| blocks |" in page and "`jpeg2000+mask` sends the true mask" in page
    table = pd.read_csv(store_folder / "per_image.csv")
    assert table.blocks_psnr_db.notna().all() and "jpeg2000_psnr_db" not in table
    assert "distance" in pd.read_csv(store_folder / "rows.csv").regularizer.tolist()

    files = tmp_path / "files"
    report = ["report", str(store_folder), "--files", str(files), "--plugin", str(plugin)]
    assert main(report) == 0
    (first, *_) = sorted(files.glob("*_blocks_beside-siren_*.blk"))
    assert len(list(files.glob("*+mask*.j2k"))) == 3
    out = tmp_path / "out.npy"
    capsys.readouterr()
    assert main(["decode", str(first), "-o", str(out), "--plugin", str(plugin)]) == 0
    assert "codec     blocks" in capsys.readouterr().out
    expected = index.get("codec", "blocks").load()().decode(first.read_bytes()).image
    assert np.array_equal(np.load(out), expected)


def test_two_options_of_a_codec_in_one_store_are_told_apart(networks, plugin, store_folder):
    command = ["run", "--dataset", "tiny", *FAST, "--codec", "blocks", "--plugin", str(plugin)]
    for smallest in ("2", "16"):
        options = ["--set", f"smallest={smallest}", "--out", str(store_folder)]
        assert main([*command, *options]) == 0
    assert main(["report", str(store_folder), "--all", "--plugin", str(plugin)]) == 0
    page = (store_folder / "leaderboard.md").read_text()
    assert "| blocks, smallest 2 |" in page and "| blocks, smallest 16 |" in page
    table = pd.read_csv(store_folder / "per_image.csv")
    fine, coarse = table["blocks, smallest 2_psnr_db"], table["blocks, smallest 16_psnr_db"]
    assert (fine > coarse).all()


def test_curves_draw_every_codec(networks, plugin, store_folder, monkeypatch):
    from matplotlib.axes import Axes

    drawn = []
    line = Axes.axhline
    text = Axes.text
    monkeypatch.setattr(
        Axes, "axhline", lambda *a, **k: drawn.append(str(k.get("label"))) or line(*a, **k)
    )
    monkeypatch.setattr(Axes, "text", lambda *a, **k: drawn.append(str(a[3])) or text(*a, **k))
    command = ["run", "--dataset", "tiny", *FAST, "--codec", "blocks", "--plugin", str(plugin)]
    assert main([*command, "--out", str(store_folder)]) == 0
    assert any(said.startswith("blocks") for said in drawn)
    assert not any("jpeg2000" in said for said in drawn)


def test_a_store_whose_codec_is_not_here_calls_it_by_its_name():
    names = names_of("gone")
    assert (names.label, names.suffix, names.sends_mask) == ("gone", ".bin", False)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (J2K + b"...", "jpeg2000"),
        (b"\0" + J2K + b"...", "jpeg2000+mask"),
        (b"\1\5\0\5mask." + J2K, "jpeg2000+mask"),
        (b"\1 and nothing of it behind", None),
        (b"\3" + J2K, None),
        (b"hello", None),
        (b"", None),
    ],
)
def test_files_are_told_by_their_first_bytes(data, name):
    found = codec_of(data)
    assert (found.name if found else None) == name


def test_a_sign_in_parts_is_found_in_order():
    assert recognized(b"A..B..C", ((b"A", b"B", b"C"),)) == 3
    assert recognized(b"A..C..B", ((b"A", b"B", b"C"),)) == 0
    assert recognized(b"ABC", (b"A", b"AB")) == 2


# Where plug-ins may be named, and why.
MAY_NAME = {
    "plan/selection.py": "the defaults",
    "plan/recipes.py": "a preset that repeats one work's network",
    "networks/foreign.py": "published weights, by the name that `import` takes",
    "runner/doctor.py": "what an optional package is needed for",
}
FORMATS = {"torch.export", "onnx"}  # of files, which the networks that read them are called by
# In a text of a message or of a help, an example that may be typed.
EXAMPLE = re.compile(r"python -m benchmark .*|--inr \S+|--segmenter \S+")


def texts(path: Path) -> list[tuple[int, str]]:
    """Every text in a file's code: no docstring, no comment."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    docstrings = set()
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr):
            docstrings.add(id(body[0].value))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in docstrings:
            if isinstance(node.value, str):
                found.append((node.lineno, node.value))
            if isinstance(node.value, bytes):
                found.append((node.lineno, node.value.decode("latin-1")))
    return found


def named(folder: Path) -> list[str]:
    """FILE:LINE of every text that names a plug-in, its short name, its suffix or its magic."""
    names = {"openjpeg", J2K.decode("latin-1")}
    for kind in ("inr", "segmenter", "codec"):
        names |= set(index.entries(kind)) - FORMATS
    for entry in index.entries("codec").values():
        names |= {entry.declared["label"], entry.declared["suffix"].strip(".")}
    words = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w-])(?:{words})(?![\w-])", re.IGNORECASE)
    penalties = "|".join(index.entries("regularizer"))
    penalty = re.compile(rf"get\(\"regularizer\", \"(?:{penalties})\"\)")
    found = []
    for path in sorted(folder.rglob("*.py")):
        part = path.relative_to(folder).as_posix()
        if part.startswith("codecs/") or part in MAY_NAME:
            continue
        for line, text in texts(path):
            if pattern.search(EXAMPLE.sub("", text)):
                found.append(f"{part}:{line}: {text[:60]}")
        if penalty.search(path.read_text(encoding="utf-8")):
            found.append(f"{part}: a regularizer")
    return found


def test_no_plug_in_is_named_in_engine_tables_or_pictures(tmp_path):
    assert named(ROOT / "benchmark") == []


@pytest.mark.parametrize(
    "line",
    [
        'X = "jpeg2000"',
        'X = f"{x} of siren"',
        'X = ".j2k"',
        'X = {"J2K": 1}',
        'X = b"\\xff\\x4f\\xff\\x51"',
        'X = index.get("regularizer", "dice")',
    ],
)
def test_the_search_for_names_finds_them(tmp_path, line):
    (tmp_path / "a.py").write_text(f'"""A docstring may say siren."""\n{line}  # siren\n')
    assert len(named(tmp_path)) == 1


def test_json_of_a_report_has_no_kinds_of_scores(networks, store_folder, tmp_path, capsys):
    command = ["run", "--dataset", "tiny", *FAST]
    assert main([*command, "--out", str(store_folder)]) == 0
    capsys.readouterr()
    out = ["--out", str(tmp_path / "out"), "--json"]
    assert main(["report", str(store_folder), *out]) == 0
    assert not {"flips", "score_as"} & set(json.loads(capsys.readouterr().out))

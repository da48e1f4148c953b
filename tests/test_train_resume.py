"""A training that is killed in the middle of an epoch and resumed ends in the weights of one that
was not, bit by bit.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from benchmark.cli import main
from benchmark.networks.checkpoints import read_card
from benchmark.plugins.index import add_plugin_file

# A network with all that a resumed run could get wrong: dropout, BatchNorm. Its eighth batch kills
# the process, where it is told to.
PLUGIN = '''
import os
import signal

from torch import nn

from benchmark.plugins import register


@register.segmenter("mortal", multiple=8)
class Mortal(nn.Module):
    """Two convolutions."""

    def __init__(self, channels) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Conv2d(4, 1, 3, padding=1),
        )
        self.batches = 0

    def forward(self, image, volume):
        self.batches += self.training
        if self.batches == 8 and os.environ.get("MORTAL"):
            os.kill(os.getpid(), signal.SIGKILL)
        return self.layers(image)
'''
HERE = Path(__file__).parent


def command(out: Path, *more: str) -> list[str]:
    """Four epochs of three batches: the eighth batch is the second of the third epoch."""
    return [
        "train",
        "--segmenter",
        "mortal",
        "--dataset",
        "tiny",
        "--epochs",
        "4",
        "--batch",
        "1",
        "--patience",
        "0",
        "--precision",
        "float32",
        "--loss",
        "weighted-dice",
        "--out",
        str(out),
        *more,
    ]


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    path = tmp_path / "mortal.py"
    path.write_text(PLUGIN)
    add_plugin_file(path)
    add_plugin_file(HERE / "tiny.py")
    return path


def weights_equal(one: Path, other: Path) -> bool:
    a, b = load_file(one), load_file(other)
    return set(a) == set(b) and all(torch.equal(a[name], b[name]) for name in a)


def test_killed_within_an_epoch_and_resumed(tmp_path, plugin, monkeypatch):
    whole, broken = tmp_path / "whole.safetensors", tmp_path / "broken.safetensors"
    assert main(command(whole)) == 0
    monkeypatch.setenv("MORTAL", "1")
    died = subprocess.run(
        [sys.executable, "-m", "benchmark", *command(broken)],
        cwd=HERE.parent,
        capture_output=True,
        check=False,
    )
    assert (
        died.returncode == -signal.SIGKILL
        and b"epoch 2:" in died.stderr
        and b"epoch 3:" not in died.stderr
    )
    assert not broken.exists() and broken.with_suffix(".resume").is_file()
    monkeypatch.delenv("MORTAL")
    left = tmp_path / ".1.part.broken.resume"  # as if it had died while it wrote
    left.write_bytes(b"half of a sta")
    os.utime(left, (0, 0))
    assert main(command(broken, "--resume")) == 0
    assert weights_equal(whole, broken) and not list(tmp_path.glob("*broken.resume*"))
    assert [row["loss"] for row in read_card(whole)["history"]] == [
        row["loss"] for row in read_card(broken)["history"]
    ]


def test_resume_where_nothing_was_saved_starts(tmp_path, plugin, capsys):
    one, other = tmp_path / "one.safetensors", tmp_path / "other.safetensors"
    assert main(command(one)) == 0
    capsys.readouterr()
    assert (
        main(command(other, "--resume")) == 0
        and "starts at the beginning" in capsys.readouterr().err
    )
    assert weights_equal(one, other)
    assert (
        main(command(other, "--resume")) == 2
        and "that checkpoint is finished" in capsys.readouterr().err
    )


def test_a_training_with_other_options_is_not_resumed(tmp_path, plugin, capsys, monkeypatch):
    from benchmark.training import trainer

    out = tmp_path / "w.safetensors"
    monkeypatch.setattr(trainer, "save_checkpoint", lambda *args: pytest.fail("stop here"))
    with pytest.raises(pytest.fail.Exception):
        main(command(out))
    assert out.with_suffix(".resume").is_file()
    monkeypatch.undo()
    add_plugin_file(plugin), add_plugin_file(HERE / "tiny.py")
    for words, found in (
        (["--optimizer", "sgd"], "optimizer=adamw"),
        (["--freeze", "layers.0"], "freeze=[]"),
        (["--augment", "none"], "augment=full"),
    ):
        assert main(command(out, *words, "--resume")) == 2 and found in capsys.readouterr().err
    assert (
        main(command(out, "--resume")) == 0 and out.is_file()
    )  # all epochs were done: only the end is made again

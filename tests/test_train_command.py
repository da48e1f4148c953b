"""`train` as a user types it, on six simulated patients."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

from benchmark.checkpoints import find_checkpoint
from benchmark.cli import main
from benchmark.networks import load_network
from benchmark.plugins.index import add_plugin_file

PLUGIN = '''
from benchmark.plugins import register
from benchmark.plugins.datasets.mni_lesion import MniLesion


@register.dataset("few")
class Few(MniLesion):
    """The first two patients of each split of mni-lesion."""

    def __init__(self, root=None, *, size: int = 32) -> None:
        super().__init__(root, size=size)

    def ids(self, split):
        return super().ids(split)[:6]
'''


@pytest.fixture(autouse=True)
def few(tmp_path):
    (tmp_path / "few.py").write_text(PLUGIN)
    add_plugin_file(tmp_path / "few.py")


COMMAND = ["train", "--segmenter", "unet", "--dataset", "few", "--set", "base=4", "--epochs", "3", "--batch", "3"]


def test_trains_and_writes_a_checkpoint_that_run_finds(capsys):
    assert main(COMMAND) == 0
    said = capsys.readouterr()
    found = find_checkpoint("unet", "few", channels=("flair",))
    card = found.card
    assert card["options"] == {"base": 4} and card["dataset_options"] == {"size": 32} and card["epochs_run"] == 3
    assert card["command"].startswith("python -m benchmark train --segmenter unet --dataset few --set unet.base=4 ")
    assert f"mean of {len(card['test_dice_by_patient'])} patients" in said.out and "epoch 3: loss" in said.err
    assert [p.name for p in found.path.parent.iterdir()] == ["unet-few.safetensors"]  # no state is left behind
    assert load_network(found).logits(torch.rand(1, 32, 32, 1), torch.tensor([[0.3, 0.2, 0.1, 0.9]])).isfinite().all()


def test_json_is_the_card(capsys, tmp_path):
    assert main([*COMMAND, "--epochs", "1", "--json", "--out", str(tmp_path / "w.safetensors")]) == 0
    card = json.loads(capsys.readouterr().out)
    assert card == find_checkpoint(f"unet@{tmp_path / 'w.safetensors'}", "few").card
    assert str(tmp_path) not in json.dumps(card)  # a card travels, folders do not


def test_what_is_tested_is_what_is_written(tmp_path, monkeypatch):
    from benchmark.train import loop

    read, seen = loop.read, []
    monkeypatch.setattr(loop, "read", lambda module, slices: seen.append(module) or read(module, slices))
    assert main([*COMMAND, "--epochs", "1"]) == 0
    assert all(torch.equal(w, w.half().float()) for w in seen[-1].state_dict().values() if w.is_floating_point())


def test_starts_from_the_weights_of_another_data_set(capsys, tmp_path):
    assert main([*COMMAND, "--dataset", "few", "--epochs", "1"]) == 0
    start = find_checkpoint("unet", "few")
    again = [*COMMAND, "--init", "few", "--lr", "1e-9", "--epochs", "1", "--out", str(tmp_path / "w.safetensors")]
    assert main(again) == 0
    found = find_checkpoint(f"unet@{tmp_path / 'w.safetensors'}", "few")
    assert found.card["init"] == {"dataset": "few", "hash": start.hash} and "--init few" in found.card["command"]
    one, other = load_file(start.path), load_file(found.path)
    assert all(torch.allclose(one[name], other[name], atol=1e-3) for name in one if name.endswith("weight"))
    assert main([*again, "--set", "unet.base=8"]) == 2 and "do not fit" in capsys.readouterr().err


def test_interrupted_and_resumed_gives_the_same_weights(tmp_path, monkeypatch, capsys):
    from benchmark.train import loop

    assert main([*COMMAND, "--out", str(tmp_path / "unbroken.safetensors")]) == 0
    whole, again = loop.save_state, [*COMMAND, "--out", str(tmp_path / "broken.safetensors")]

    def interrupted(*args):
        whole(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "save_state", interrupted)
    assert main(again) == 130 and "--resume" in capsys.readouterr().err
    monkeypatch.setattr(loop, "save_state", whole)
    assert main([*again, "--resume"]) == 0
    one, other = (load_file(tmp_path / f"{name}.safetensors") for name in ("unbroken", "broken"))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("words, says", [
    (["--epochs", "0"], "not above 0"),
    (["--set", "unet.bass=4"], "did you mean 'unet.base'"),
    (["--set", "base=big"], "whole number"),
    (["--set", "few.size=40"], "multiples of 16"),
    (["--segmenter", "unit"], "did you mean 'unet'"),
    (["--device", "tpu"], "no such device"),
    (["--loss", "mse"], "invalid choice"),
    (["--resume"], "no unfinished training"),
])
def test_what_cannot_be_done_is_said_with_exit_code_2(words, says, capsys):
    assert main([*COMMAND, *words]) == 2
    assert says in capsys.readouterr().err


def test_a_folder_is_no_file_to_write(tmp_path, capsys):
    assert main(["train", "--segmenter", "unet", "--dataset", "mni-lesion", "--out", str(tmp_path)]) == 2
    assert f"--out {tmp_path / 'unet-mni-lesion.safetensors'}" in capsys.readouterr().err

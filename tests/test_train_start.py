"""The command train: weights to start from, and going on after an interruption."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from benchmark.cli import main
from benchmark.networks.checkpoints import find_checkpoint
from benchmark.networks.network import save_checkpoint
from benchmark.plugins.index import add_plugin_file, get
from benchmark.training.card import command_of
from benchmark.training.recipe import Training, TrainRecipe
from tests.train_plugins import COMMAND, PLUGIN


@pytest.fixture(autouse=True)
def few(tmp_path):
    (tmp_path / "few.py").write_text(PLUGIN)
    add_plugin_file(tmp_path / "few.py")


def test_the_command_of_a_card_can_be_typed():
    training = Training(
        get("segmenter", "unet"),
        get("dataset", "folder"),
        TrainRecipe(epochs=3, fresh=("a head",)),
        Path("w.safetensors"),
        dataset_options={"images": "*_flair.nii.gz", "name": "two words"},
        init_from="a folder/old weights.safetensors",
    )
    words = shlex.split(command_of(training))
    assert (
        words[:4] == ["python", "-m", "benchmark", "train"]
        and words[words.index("--init-from") + 1] == "old weights.safetensors"
    )
    assert [words[i + 1] for i, word in enumerate(words) if word == "--set"] == [
        "folder.images=*_flair.nii.gz",
        "folder.name=two words",
    ]
    assert words[-2:] == ["--fresh", "a head"] and "'folder.images=*_flair.nii.gz'" in command_of(
        training
    )  # a shell would fill in the *


def test_starts_from_the_weights_of_another_data_set(capsys, tmp_path):
    assert main([*COMMAND, "--dataset", "few", "--epochs", "1"]) == 0
    start = find_checkpoint("unet", "few")
    again = [
        *COMMAND,
        "--init",
        "few",
        "--lr",
        "1e-9",
        "--epochs",
        "1",
        "--out",
        str(tmp_path / "w.safetensors"),
    ]
    assert main(again) == 0
    found = find_checkpoint(f"unet@{tmp_path / 'w.safetensors'}", "few")
    assert (
        found.card["init"] == {"dataset": "few", "hash": start.hash, "fresh": []}
        and "--init-from few" in found.card["command"]
    )
    one, other = load_file(start.path), load_file(found.path)
    assert all(
        torch.allclose(one[name], other[name], atol=1e-3) for name in one if name.endswith("weight")
    )
    # Whoever the start has met on this data set has been seen; a patient of another data set is
    # nobody here.
    seen = start.card["train_patients"]
    one_more = tmp_path / "met.safetensors"
    save_checkpoint(
        one_more,
        get("segmenter", "unet").load()(1, base=4),
        start.card | {"train_patients": [*seen, "p-met"]},
    )
    assert main([*again, "--init", str(one_more)]) == 0
    assert find_checkpoint(f"unet@{tmp_path / 'w.safetensors'}", "few").card[
        "train_patients"
    ] == sorted([*seen, "p-met"])
    elsewhere = start.card | {"train_patients": [*seen, "p-met"], "dataset": "blind"}
    save_checkpoint(one_more, get("segmenter", "unet").load()(1, base=4), elsewhere)
    assert main([*again, "--init", str(one_more)]) == 0
    assert find_checkpoint(f"unet@{tmp_path / 'w.safetensors'}", "few").card[
        "train_patients"
    ] == sorted(seen)
    capsys.readouterr()
    assert main([*again, "--set", "unet.base=8"]) == 2 and "do not fit" in capsys.readouterr().err
    for spec in (str(start.path), f"unet@{start.path}"):
        assert main([*again, "--init-from", spec, "--freeze", "down", "--freeze", "up"]) == 0
        card = find_checkpoint(f"unet@{tmp_path / 'w.safetensors'}", "few").card
        assert (
            str(start.path.parent) not in json.dumps(card)
            and "--freeze down --freeze up" in card["command"]
        )
        assert 0 < card["frozen_parameters"] < card["parameters"]


def test_interrupted_and_resumed_gives_the_same_weights(tmp_path, monkeypatch, capsys):
    from benchmark.training import loop

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

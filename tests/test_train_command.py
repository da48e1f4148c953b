"""`train` as a user types it, on six simulated patients."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.cli import main
from benchmark.networks.checkpoints import find_checkpoint
from benchmark.networks.network import load_network
from benchmark.plugins.index import add_plugin_file
from tests.train_plugins import COMMAND, PLUGIN


@pytest.fixture(autouse=True)
def few(tmp_path):
    (tmp_path / "few.py").write_text(PLUGIN)
    add_plugin_file(tmp_path / "few.py")


def test_trains_and_writes_a_checkpoint_that_run_finds(capsys):
    assert main(COMMAND) == 0
    said = capsys.readouterr()
    found = find_checkpoint("unet", "few", channels=("flair",))
    card = found.card
    assert (
        card["options"] == {"base": 4}
        and card["dataset_options"] == {"size": 32}
        and card["epochs_run"] == 3
    )
    assert card["command"].startswith(
        "python -m benchmark train --segmenter unet --dataset few --set unet.base=4 "
    )
    assert f"wrote {found.path} and {found.path.with_suffix('.png')}" in said.out
    assert (
        f"mean of {len(card['test_dice_by_patient'])} " in said.out and "epoch 3: loss" in said.err
    )
    assert sorted(p.name for p in found.path.parent.iterdir()) == [
        "unet-few.png",
        "unet-few.safetensors",
    ]  # no state is left behind
    assert {"dice", "iou", "precision", "recall", "volume_error"} <= set(
        card["test_by_patient"]["p0441"]
    ) and card["target"] == "lesion"
    assert "HD95 mm" in said.out and [row["epoch"] for row in card["history"]] == [1, 2, 3]
    assert (
        load_network(found)
        .logits(torch.rand(1, 32, 32, 1), torch.tensor([[0.3, 0.2, 0.1, 0.9]]))
        .isfinite()
        .all()
    )


@pytest.mark.parametrize(
    "words, says",
    [
        (
            ["--out", "w.png"],
            "--out w.safetensors",
        ),  # the picture of the learning curves would overwrite it
        (
            ["--out", "w.resume"],
            "--out w.safetensors",
        ),  # and the state of the training is removed at the end
        (["--out", "few.py/w.safetensors"], "few.py"),
        (["--out", "/proc/w.safetensors"], "/proc"),
        (["--seed", "99999999999999999999"], "4294967295"),
        (["--compressor", "jpeg2001"], "without --train-on"),
        (["--recipe", "classifier"], "--recipe classifier for unet"),
        (["--set", "unet.base=-1"], "segmenter unet with {'base': -1}"),
        (["--init-from", "none.safetensors"], "the checkpoint none.safetensors"),
    ],
)
def test_what_cannot_be_done_is_said_with_exit_code_2_and_before_the_work(
    words, says, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    assert main([*COMMAND, *words]) == 2
    said = capsys.readouterr().err
    assert (
        says in said and "epoch 1" not in said and ("reading" in said) == ("unet.base=-1" in words)
    )


def test_json_is_the_card(capsys, tmp_path):
    assert (
        main([*COMMAND, "--epochs", "1", "--json", "--out", str(tmp_path / "w.safetensors")]) == 0
    )
    card = json.loads(capsys.readouterr().out)
    assert card == find_checkpoint(f"unet@{tmp_path / 'w.safetensors'}", "few").card
    assert str(tmp_path) not in json.dumps(card)  # a card travels, folders do not


def test_what_is_tested_is_what_is_written(tmp_path, monkeypatch):
    from benchmark.training import card

    read, seen = card.read_masks, []
    monkeypatch.setattr(
        card, "read_masks", lambda module, slices: seen.append(module) or read(module, slices)
    )
    assert main([*COMMAND, "--epochs", "1"]) == 0
    assert len(seen) == 1  # the test split is read once
    assert all(
        torch.equal(w, w.half().float())
        for w in seen[-1].state_dict().values()
        if w.is_floating_point()
    )


@pytest.mark.parametrize(
    "words, says",
    [
        (["--epochs", "0"], "not above 0"),
        (["--set", "unet.bass=4"], "did you mean 'unet.base'"),
        (["--set", "base=big"], "whole number"),
        (["--set", "few.size=40"], "multiples of 16"),
        (["--segmenter", "unit"], "did you mean 'unet'"),
        (["--device", "tpu"], "no such device"),
        (["--loss", "mse"], "invalid choice"),
        (["--batch", "0"], "not above 0"),
        (["--freeze", "dwn"], "did you mean 'down'"),
        (["--fresh", "head"], "without --init-from"),
        (["--init-from", "nowhere"], "no weights there"),
        (["--init-from", "dilated@x.safetensors"], "do not fit unet"),
        (["--loss", "kl"], "it learns masks"),
        (["--train-on", "both", "--compressor", "jpeg"], "did you mean 'jpeg2000'"),
        (["--train-on", "both"], "--train-bpp"),
        (["--segmenter", "ready"], "python -m benchmark import --segmenter ready"),
        (["--dataset", "blind"], "none with a lesion"),
        (["--dataset", "blind", "--target", "brain"], "no brain masks"),
    ],
)
def test_what_cannot_be_done_is_said_with_exit_code_2(words, says, capsys):
    assert main([*COMMAND, *words]) == 2
    assert says in capsys.readouterr().err


def test_a_folder_is_no_file_to_write(tmp_path, capsys):
    assert (
        main(["train", "--segmenter", "unet", "--dataset", "mni-lesion", "--out", str(tmp_path)])
        == 2
    )
    assert f"--out {tmp_path / 'unet-mni-lesion.safetensors'}" in capsys.readouterr().err


def test_a_recipe_sets_defaults_and_options_win(tmp_path):
    out = tmp_path / "w.safetensors"
    words = [
        "train",
        "--segmenter",
        "unet",
        "--dataset",
        "few",
        "--set",
        "base=4",
        "--out",
        str(out),
    ]
    assert main([*words, "--recipe", "reproduction", "--epochs", "1"]) == 0
    recipe = find_checkpoint(f"unet@{out}", "few").card["recipe"]
    assert [
        recipe[name] for name in ("loss", "optimizer", "lr", "schedule", "batch", "epochs")
    ] == ["bce", "adam", 1e-4, "constant", 32, 1]
    assert (
        main(
            [
                *words,
                "--recipe",
                "reproduction",
                "--epochs",
                "1",
                "--optimizer",
                "sgd",
                "--loss",
                "dice",
            ]
        )
        == 0
    )
    recipe = find_checkpoint(f"unet@{out}", "few").card["recipe"]
    assert [recipe[name] for name in ("loss", "optimizer", "lr")] == ["dice", "sgd", 1e-2]


def test_the_brain_as_target(tmp_path):
    out = tmp_path / "w.safetensors"
    assert main([*COMMAND, "--epochs", "1", "--target", "brain", "--out", str(out)]) == 0
    card = find_checkpoint(f"unet@{out}", "few").card
    assert card["target"] == "brain" and "--target brain" in card["command"]


def test_labels_in_a_card_and_a_table(capsys):
    words = [
        "train",
        "--segmenter",
        "tells",
        "--dataset",
        "sorted",
        "--epochs",
        "1",
        "--precision",
        "float32",
    ]
    assert main(words) == 0
    said, card = capsys.readouterr().out, find_checkpoint("tells", "sorted").card
    assert (
        card["classes"] == ["low", "tall"]
        and card["options"] == {"classes": 2}
        and "target" not in card
    )
    counts = card["test_confusion"]
    assert [sum(row) for row in counts] == [4, 2] and card["test_accuracy"] == round(
        (counts[0][0] + counts[1][1]) / 6, 4
    )
    assert (
        card["test_recall_by_class"] == {"low": counts[0][0] / 4, "tall": counts[1][1] / 2}
        and "accuracy" in said
        and "tall" in said
    )
    assert "classes" not in card["command"]
    assert (
        main([*words, "--set", "classes=5"]) == 2 and "have 2: low, tall" in capsys.readouterr().err
    )
    assert main([*words, "--target", "brain"]) == 2 and "learns labels" in capsys.readouterr().err
    assert (
        main([*words, "--dataset", "few"]) == 2
        and "6 of 6 images have no label" in capsys.readouterr().err
    )


def test_a_network_of_volumes(capsys):
    words = ["train", "--segmenter", "deep", "--dataset", "tiny", "--epochs", "2", "--loss", "dice"]
    add_plugin_file(Path(__file__).parent / "tiny.py")
    assert main(words) == 0
    card = find_checkpoint("deep", "tiny").card
    assert (
        card["slices"] == {"train": 12, "val": 8, "test": 12}
        and card["recipe"]["augment"] == "flips"
    )
    assert (
        main([*words, "--set", "size=30"]) == 2
        and "4 x 30 x 30 voxels; this segmenter reads multiples of 4" in capsys.readouterr().err
    )
    assert (
        main([*words, "--train-on", "both"]) == 2
        and "only slices are compressed" in capsys.readouterr().err
    )


def test_a_picture_of_the_learning_curves(tmp_path, capsys):
    from PIL import Image

    command = [*COMMAND, "--epochs", "2", "--out", str(tmp_path / "w.safetensors")]
    assert main(command) == 0 and "will replace" not in capsys.readouterr().err
    assert main(command) == 0 and "will replace" in capsys.readouterr().err
    pixels = np.asarray(Image.open(tmp_path / "w.png").convert("RGB"), int)
    blue, orange = (
        np.abs(pixels - color).sum(2) < 60 for color in ((31, 119, 180), (255, 127, 14))
    )
    assert blue.sum() > 100 and orange.sum() > 100

"""Training called from Python: a request in, a result out, nothing printed, no dashes in errors."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmark.cli.words import shown
from benchmark.errors import InputError
from benchmark.listener import Quiet
from benchmark.networks.checkpoints import default_path, find_checkpoint
from benchmark.plugins.index import add_plugin_file
from benchmark.training.request import TrainRequest, train_network, training_of
from tests.conftest import TINY

UNET = TrainRequest("unet", "tiny", sets={"base": 2}, epochs=1, batch=4, precision="float32")


@pytest.fixture(autouse=True)
def tiny():
    add_plugin_file(TINY)


class Told(Quiet):
    """Keeps what a training tells."""

    def __init__(self) -> None:
        self.said, self.epochs = [], []

    def say(self, text):
        self.said.append(str(text))

    def epoch(self, progress):
        self.epochs.append(progress.epoch)


def test_a_training_returns_its_checkpoint_and_prints_nothing(capsys):
    done = train_network(UNET)
    assert capsys.readouterr() == ("", "")
    assert done.path == default_path("unet", "tiny") and done.curves.is_file()
    assert done.card == find_checkpoint("unet", "tiny").card
    assert done.card["options"] == {"base": 2} and done.card["epochs_run"] == 1


def test_a_listener_is_told_lines_without_dashes(tmp_path):
    told, request = Told(), replace(UNET, out=tmp_path / "w.safetensors", resume=True)
    train_network(request, told)
    assert told.epochs == [1] and told.said[0].startswith("resume: no epoch was finished before")
    again = Told()
    train_network(replace(request, resume=False), again)
    assert "will replace it; out keeps both" in again.said[1]


@pytest.mark.parametrize(
    ("change", "fields", "in_python", "in_a_shell"),
    [
        ({"loss": "mse"}, ("loss",), "loss='mse'", "--loss mse"),
        ({"recipe": "reproduce"}, ("recipe",), "did you mean", "--recipe reproduce"),
        ({"train_on": "decoded"}, ("train_on",), "train_on='decoded'", "--train-on decoded"),
        ({"loss": "kl"}, ("loss",), "loss='bce+dice' or bce", "--loss bce+dice or bce"),
        ({"fresh": ("head",)}, ("fresh", "init_from"), "fresh without init_from", "--init-from"),
        ({"train_bpp": 0.3}, ("compressor", "train_bpp", "train_on"), "train_on=", "--train-on"),
        ({"seed": -1}, ("seed",), "seed=-1", "--seed -1"),
        ({"lr": 0.0}, ("lr",), "lr=0.0", "--lr 0.0"),
        ({"device": "tpu"}, ("device",), "device='auto', cpu or cuda", "--device auto, cpu"),
        ({"sets": {"bass": 2}}, ("sets",), "sets={'bass': '2'}", "--set bass=2"),
        ({"sets": ["base"]}, ("sets",), "it is not NAME=VALUE", "--set base"),
    ],
)
def test_errors_name_fields(change, fields, in_python, in_a_shell):
    with pytest.raises(InputError) as caught:
        training_of(replace(UNET, **change))
    assert caught.value.fields == fields
    assert in_python in str(caught.value) and "--" not in str(caught.value)
    assert in_a_shell in shown(caught.value)


def test_a_recipe_sets_defaults_and_what_is_given_wins():
    recipe = training_of(replace(UNET, recipe="reproduction", optimizer="sgd")).recipe
    assert (recipe.loss, recipe.optimizer, recipe.lr, recipe.epochs) == ("bce", "sgd", 1e-2, 1)
    assert (recipe.schedule, recipe.batch, recipe.patience) == ("constant", 4, 0)

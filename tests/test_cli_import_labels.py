"""`import` of classifiers: as torchvision saves them, with names for their answers."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch

from benchmark.cli import main
from benchmark.errors import InputError
from benchmark.networks import foreign
from benchmark.networks.checkpoints import default_path, find_checkpoint
from benchmark.networks.network import load_network
from benchmark.plugins.index import get
from tests.test_cli_import import ask, unet

SMALL = {"mobilenet-v2": {"width": 0.25}, "vgg16": {"base": 2, "hidden": 4}}
LABELS = ["--plugin", str(Path(__file__).with_name("tiny_labels.py")), "--dataset", "tiny-labels"]


def pretrained(file: Path, name: str, classes: int = 5) -> torch.nn.Module:
    """A classifier of three colors as torchvision saves one, and the file of its state dict."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        module = get("segmenter", name).load()(
            3, classes=classes, normalize="imagenet", **SMALL[name]
        )
        with torch.no_grad():
            module.train()(torch.rand(4, 3, 32, 32), torch.ones(4, 4))
    torch.save(module.state_dict(), file)
    return module.eval()


def ask_labels(name: str, file: Path, *words: str) -> int:
    own = [
        f"--set={name}.{key}={value}"
        for key, value in ({"rgb": "true", "normalize": "imagenet"} | SMALL[name]).items()
    ]
    return main(
        ["import", "--segmenter", name, *LABELS, *own, "--file", str(file), *map(str, words)]
    )


@pytest.mark.parametrize("name", SMALL)
def test_a_classifier_of_torchvision_reads_as_it_did(tmp_path, capsys, name):
    module = pretrained(tmp_path / "w.pth", name, 3)
    assert ask_labels(name, tmp_path / "w.pth", "--classes", "left, none,right") == 0
    printed = capsys.readouterr().out
    assert (
        f"use it: python -m benchmark run --segmenter {name} --dataset tiny-labels" in printed
        and "start from it" not in printed
    )
    network, image = load_network(find_checkpoint(name, "tiny-labels")), torch.rand(2, 32, 64, 1)
    assert (
        network.classes == ("left", "none", "right")
        and "target" not in network.card
        and "--classes" in network.card["command"]
    )
    colors = image.permute(0, 3, 1, 2).expand(-1, 3, -1, -1)
    assert torch.allclose(
        network.logits(image, torch.ones(2, 4)),
        module(colors, torch.ones(2, 4)),
        rtol=1e-3,
        atol=1e-4,
    )


@pytest.mark.parametrize(
    "name, last", [("mobilenet-v2", "classifier.1"), ("vgg16", "classifier.6")]
)
def test_training_starts_from_imported_weights(tmp_path, capsys, name, last):
    module, out = pretrained(tmp_path / "w.pth", name), tmp_path / "imagenet.safetensors"
    assert ask_labels(name, tmp_path / "w.pth", "--set", f"{name}.classes=5", "--out", out) == 0
    command = capsys.readouterr().out.partition("start from it: python -m benchmark ")[2].split()
    assert find_checkpoint(f"{name}@{out}", "tiny-labels").classes == tuple(
        f"class_{number}" for number in range(5)
    )
    words = [
        *command,
        *LABELS[:2],
        "--epochs",
        "1",
        "--batch",
        "2",
        "--device",
        "cpu",
        "--precision",
        "float32",
        "--json",
    ]
    assert words[words.index("--fresh") + 1] == last
    assert main([word for word in words if word not in ("--fresh", last)]) == 2
    assert f"--fresh {last}" in capsys.readouterr().err
    assert (
        main([*words, "--freeze", "features", "--out", str(tmp_path / "trained.safetensors")]) == 0
    )
    trained = find_checkpoint(f"{name}@{tmp_path / 'trained.safetensors'}", "tiny-labels")
    assert trained.classes == ("none", "right") and trained.card["init"]["fresh"] == [last]
    weights, first = safetensors.torch.load_file(trained.path), next(iter(module.state_dict()))
    assert (
        torch.equal(weights[first], module.state_dict()[first].half())
        and len(weights[f"{last}.bias"]) == 2
    )


@pytest.mark.parametrize(
    "words, said",
    [
        (["--classes", "a,b"], "is [5, "),
        (["--set", "vgg16.classes=5", "--classes", "a,b"], "2 names for 5 answers"),
        (["--classes", "a,a,b,c,d"], "each once"),
        (["--classes", "a"], "two names or more"),
        ([], "is [5, "),
        (["--target", "brain"], "labels, not masks"),
    ],
)
def test_names_that_do_not_fit_a_classifier(tmp_path, capsys, words, said):
    pretrained(tmp_path / "w.pth", "vgg16")
    assert ask_labels("vgg16", tmp_path / "w.pth", *words) == 2
    assert said in capsys.readouterr().err and not default_path("vgg16", "tiny-labels").exists()


def test_a_network_of_masks_has_no_names_of_classes(tmp_path, capsys):
    torch.save(unet().state_dict(), tmp_path / "w.pt")
    assert ask("--set", "base=2", "--file", tmp_path / "w.pt", "--classes", "a,b") == 2
    assert "marks masks" in capsys.readouterr().err


class Classifier(torch.nn.Module):
    def forward(self, image, volume):
        return self.scored(image).flatten(1)


class Beside(Classifier):
    def scored(self, image):
        return (image - image.mean()).mean((2, 3))


class Short(Classifier):
    def scored(self, image):
        return image.mean((2, 3))[:, :1]


class Endless(Classifier):
    def scored(self, image):
        return image.mean((2, 3)) / 0


class Pair(Classifier):
    def scored(self, image):
        return torch.cat([(image,)])


class Deaf(Classifier):
    def scored(self, image):
        return (image > 0.5).float().mean((2, 3))


@pytest.mark.parametrize(
    "kind, said",
    [
        (Beside, "depends on the images beside it"),
        (Short, r"it makes \[2, 1\]"),
        (Endless, "not all of it finite"),
        (Pair, "cannot read images"),
        (Deaf, "no finite gradient"),
    ],
)
def test_a_classifier_is_tried_like_any_other(kind, said):
    with pytest.raises(InputError, match=said):
        foreign.tried(kind(), 2, get("segmenter", "vgg16").declared, "weights", classes=2)

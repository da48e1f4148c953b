"""`doctor`: what is here, what is missing, and what to type. It never fails itself."""

import importlib
import json
import os
import shlex
import sys
from importlib.util import find_spec

import pytest

from benchmark.cli import main
from benchmark.cli.parser import Parser
from benchmark.cli.words import as_options
from benchmark.errors import InputError
from benchmark.networks.checkpoints import default_path, find_checkpoint
from benchmark.plugins.sets import options_by_plugin
from benchmark.runner.doctor import TINYCUDANN


def findings(capsys):
    assert main(["doctor", "--json"]) == 0
    return {finding["part"]: finding for finding in json.loads(capsys.readouterr().out)}


def write_checkpoint(path, card):
    header = json.dumps({"__metadata__": {"card": json.dumps(card)}}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(header).to_bytes(8, "little") + header)


def test_says_what_is_here(capsys, tiny_dataset):
    found = findings(capsys)
    assert found["torch"]["ok"] and "1 threads of" in found["torch"]["found"]
    assert found["data set tiny"] == {
        "part": "data set tiny",
        "ok": True,
        "found": "needs no download",
        "todo": [],
    }
    assert (
        found["cache folder"]["ok"]
        and os.environ["SINCO_BENCH_CACHE"] in found["cache folder"]["found"]
    )
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert all(
        f"{'ok' if finding['ok'] else '--'}  {part} " in printed for part, finding in found.items()
    )


def test_missing_parts_come_with_what_to_type(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("SINCO_BENCH_DATA", str(tmp_path / "absent"))
    (tmp_path / "file").touch()
    monkeypatch.setenv("SINCO_BENCH_CACHE", str(tmp_path / "file" / "cache"))
    found = findings(capsys)
    for part in ("data folder", "cache folder"):
        assert not found[part]["ok"] and found[part]["todo"]
    monkeypatch.delenv("SINCO_BENCH_DATA")
    assert "export SINCO_BENCH_DATA=FOLDER" in findings(capsys)["data folder"]["todo"]


@pytest.mark.parametrize(
    ("package", "says"),
    [
        (None, TINYCUDANN[1]),
        (
            (
                "raise OSError('Unknown compute capability. Ensure PyTorch with CUDA support is"
                " installed.')"
            ),
            "hashgrid-torch",
        ),
        ("raise ImportError()", "hashgrid-torch"),
        ("", None),
    ],
)
def test_tiny_cuda_nn_absent_broken_and_there(package, says, capsys, monkeypatch, tmp_path):
    monkeypatch.delitem(sys.modules, "tinycudann", raising=False)
    if package is not None:
        (tmp_path / "tinycudann.py").write_text(package)
        monkeypatch.syspath_prepend(tmp_path)
    elif find_spec("tinycudann"):
        pytest.skip("tiny-cuda-nn is installed here")
    found = findings(capsys)["tiny-cuda-nn"]
    assert found["ok"] is (says is None)
    assert says is None or any(says in line for line in found["todo"])
    sys.modules.pop("tinycudann", None)


def test_checkpoints_by_the_segmenter_on_their_card(capsys):
    card = {"segmenter": "unet", "options": {}, "channels": ["gray"], "dataset": "tiny"}
    write_checkpoint(default_path("unet", "tiny"), card)
    default_path("unet", "cut").write_bytes(b"\x01")
    default_path("unet", "tiny").with_suffix(".resume").write_bytes(b"\x01")
    assert main(["doctor"]) == 0
    printed = capsys.readouterr().out
    assert f"for tiny (gray): {default_path('unet', 'tiny')}" in printed
    assert f"{default_path('unet', 'cut')}: it is not a safetensors file" in printed
    assert ".resume" not in printed  # a training that goes on


def test_what_a_segmenter_may_learn_from(capsys):
    found = findings(capsys)
    for name, words in (
        ("mobilenet-v2", "--dataset brain-tumor-mri --set size=128"),
        ("vgg16", "--dataset brain-tumor-mri --set size=128"),
        ("resunet3d", "--dataset nfbs --target brain --set size=64 --set planes=32"),
        ("unet-4", "--dataset mni-lesion"),
    ):
        assert (
            found[f"weights of {name}"]["todo"][-1]
            == f"python -m benchmark train --segmenter {name} {words}"
        )
    for finding in found.values():
        for todo in finding["todo"]:
            if todo.startswith("python -m benchmark train"):
                parsed("train", todo)


def parsed(command, todo):
    """What the parser of a command makes of a line that was printed; it raises InputError where it
    does not know it.
    """
    module, parser = importlib.import_module(f"benchmark.cli.{command}"), Parser(prog=command)
    module.add_arguments(parser)
    return parser.parse_args(shlex.split(todo)[4:])


@pytest.mark.parametrize(
    "name",
    ["atlas", "brain-tumor-mri", "brats", "decathlon", "folder", "lgg", "mni-lesion", "ms", "nfbs"],
)
@pytest.mark.parametrize("segmenter", ["unet-4", "mobilenet-v2"])
def test_what_absent_weights_say_is_a_command(name, segmenter):
    with pytest.raises(InputError) as caught:
        find_checkpoint(segmenter, name)
    *borrowed, train = as_options(caught.value.todo).split("(committed results have them); or ")
    assert bool(borrowed) == ((segmenter, name) == ("unet-4", "lgg"))
    train, *after = train.split("; ")
    args = parsed("train", train)
    options = options_by_plugin(
        args.sets, [("segmenter", args.segmenter), ("dataset", args.dataset)]
    )
    assert args.dataset == name and args.target == ("brain" if name == "nfbs" else "lesion")
    assert args.segmenter == (segmenter if name != "brain-tumor-mri" else "mobilenet-v2")
    assert options["dataset", name] == ({"size": 128} if name == "brain-tumor-mri" else {})
    assert options["segmenter", args.segmenter] == {}
    assert after == (
        ["then --segmenter mobilenet-v2 --set size=128"]
        if (segmenter, name) == ("unet-4", "brain-tumor-mri")
        else []
    )


def test_images_with_labels_lead_to_the_classifier_that_is_there():
    card = {
        "segmenter": "vgg16",
        "options": {},
        "channels": ["image"],
        "dataset": "brain-tumor-mri",
    }
    write_checkpoint(default_path("vgg16", "brain-tumor-mri"), card)
    with pytest.raises(InputError, match="these images have none, but labels") as caught:
        find_checkpoint("unet", "brain-tumor-mri")
    assert as_options(caught.value.todo) == "--segmenter vgg16 --set size=128"

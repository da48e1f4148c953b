"""Checkpoints as files: found where they should be, refused where they do not fit, read without
torch.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from benchmark.cli.words import as_options
from benchmark.errors import InputError
from benchmark.networks import checkpoints
from benchmark.networks.checkpoints import default_path, find_checkpoint, read_card

CARD = {"segmenter": "unet", "options": {"base": 16}, "channels": ["flair"], "dataset": "tiny"}


def write(path: Path, **changes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"w": np.zeros(8, np.float16)}, path, {"card": json.dumps({**CARD, **changes})})
    return path


def test_a_bare_name_is_found_in_the_cache_with_its_hash():
    path = write(default_path("unet", "tiny"))
    found = find_checkpoint("unet", "tiny", channels=("flair",))
    assert (found.name, found.path, found.card) == ("unet", path, CARD)
    assert found.hash == hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def test_absent_weights_say_the_command_that_makes_them():
    with pytest.raises(InputError) as caught:
        find_checkpoint("unet", "tiny")
    command, _, borrowed = as_options(caught.value.todo).partition("; or ")
    assert caught.value.todo.startswith("sb.train(segmenter='unet', dataset='tiny'); or ")
    assert command == "python -m benchmark train --segmenter unet --dataset tiny"
    assert (
        borrowed.endswith("unet-mni-lesion.safetensors --force") and "--segmenter unet@" in borrowed
    )
    with pytest.raises(InputError, match="no weights there: nowhere.safetensors"):
        find_checkpoint("unet@nowhere.safetensors", "tiny")
    with pytest.raises(InputError, match="did you mean 'unet'"):
        find_checkpoint("umet", "tiny")


@pytest.mark.parametrize(
    "changes, names",
    [
        ({"dataset": "lgg"}, ("data set tiny", "data set lgg")),
        ({"segmenter": "dilated"}, ("segmenter unet", "segmenter dilated")),
        ({"channels": ["t1"]}, ("channels flair", "channels t1")),
    ],
)
def test_what_it_was_not_trained_for_is_an_error_that_force_lifts(tmp_path, changes, names):
    path = write(tmp_path / "w.safetensors", **changes)
    with pytest.raises(InputError) as caught:
        find_checkpoint(f"unet@{path}", "tiny", channels=("flair",))
    assert (
        names[0] in caught.value.asked
        and names[1] in caught.value.found
        and "force=True" in caught.value.todo
    )
    assert find_checkpoint(f"unet@{path}", "tiny", channels=("flair",), force=True).card == {
        **CARD,
        **changes,
    }


def test_force_does_not_lift_another_number_of_channels(tmp_path):
    path = write(tmp_path / "w.safetensors", channels=["pre", "flair", "post"])
    with pytest.raises(
        InputError, match=r"images of 1 channels \(flair\)[\s\S]*trained on 3 \(pre, flair, post\)"
    ):
        find_checkpoint(f"unet@{path}", "tiny", channels=("flair",), force=True)


def test_files_that_are_no_checkpoints(tmp_path):
    good = write(tmp_path / "w.safetensors").read_bytes()
    cases = {
        "text": b"hello",
        "empty": b"",
        "zip": b"PK\x03\x04" + bytes(100),
        "cut header": good[:40],
        "cut tensors": good[:-3],
        "header that is a list": (2).to_bytes(8, "little") + b"[]",
        "header that is no JSON": (4).to_bytes(8, "little") + b"\xff\xfe{}",
    }
    for name, data in cases.items():
        (tmp_path / "bad").write_bytes(data)
        with pytest.raises(InputError, match="not a safetensors file|cut short"):
            read_card(tmp_path / "bad")
            pytest.fail(name)


def test_weights_without_a_card(tmp_path):
    save_file({"w": np.zeros(8, np.float16)}, tmp_path / "w.safetensors")
    with pytest.raises(InputError, match="no card"):
        read_card(tmp_path / "w.safetensors")
    save_file(
        {"w": np.zeros(8, np.float16)},
        tmp_path / "w.safetensors",
        {"card": '{"segmenter": "unet"}'},
    )
    with pytest.raises(InputError, match="does not say its options, channels, dataset"):
        read_card(tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    "changes",
    [
        {"segmenter": ["unet"]},
        {"dataset": ["lgg"]},
        {"options": [1]},
        {"options": None},
        {"channels": "flair"},
        {"channels": []},
        {"channels": [1]},
        {"channels": [["a"]]},
        {"dataset_options": [1]},
        {"dataset_options": {"size": "x"}},
        {"dataset_options": {"size": -4}},
        {"target": "liver"},
        {"target": ["brain"]},
        {"train_patients": 5},
        {"train_patients": ["a", [2]]},
        {"minutes": "3"},
        {"note": [1]},
    ],
)
def test_a_card_of_other_types_is_damaged(tmp_path, changes):
    with pytest.raises(
        InputError, match=f"its card is damaged: {next(iter(changes))} is .* is due"
    ):
        read_card(write(tmp_path / "w.safetensors", **changes))


def test_what_a_card_need_not_have_may_be_null(tmp_path):
    path = write(
        tmp_path / "w.safetensors",
        dataset_options=None,
        train_patients=None,
        target=None,
        parameters=None,
    )
    assert find_checkpoint(f"unet@{path}", "tiny").target == "lesion"


def test_a_card_nested_without_end_is_no_card(tmp_path):
    save_file({"w": np.zeros(8, np.float16)}, tmp_path / "w.safetensors", {"card": "[" * 100_000})
    with pytest.raises(InputError, match="no card"):
        read_card(tmp_path / "w.safetensors")
    (tmp_path / "deep").write_bytes((100_000).to_bytes(8, "little") + b"[" * 100_000)
    with pytest.raises(InputError, match="not a safetensors file"):
        read_card(tmp_path / "deep")


def test_card_and_hash_are_read_without_torch(tmp_path):
    path = write(tmp_path / "w.safetensors")
    code = (
        "import sys; from benchmark.networks.checkpoints import find_checkpoint; "
        f"print(find_checkpoint('unet@{path}', 'tiny').card['dataset'], 'torch' in sys.modules)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert out.split() == ["tiny", "False"]


def test_absent_weights_name_those_of_committed_results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checkpoints, "RESULTS", tmp_path / "results")
    write(tmp_path / "results" / "a" / "readers" / "unet-tiny.safetensors")
    write(tmp_path / "results" / "b" / "readers" / "unet-tiny.safetensors", dataset="lgg")
    damaged = tmp_path / "results" / "c" / "readers" / "unet-tiny.safetensors"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(b"no weights")
    with pytest.raises(InputError) as caught:
        find_checkpoint("unet", "tiny")
    first, _, train = as_options(caught.value.todo).partition("; or ")
    spec = first.removeprefix("--segmenter ").removesuffix(" (committed results have them)")
    assert spec == "unet@results/a/readers/unet-tiny.safetensors"
    assert train == "python -m benchmark train --segmenter unet --dataset tiny"
    assert find_checkpoint(spec, "tiny").card == CARD


def test_readers_of_this_checkout_are_found():
    for segmenter in ("unet", "dilated"):
        assert checkpoints.committed(segmenter, "lgg")

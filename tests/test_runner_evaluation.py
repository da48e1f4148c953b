"""Evaluation called from Python: readings and notes come back, nothing is printed or written."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmark.errors import InputError
from benchmark.report.evaluated import command, write_evaluation
from benchmark.runner.evaluation import EvaluateRequest, evaluate_networks
from tests import tiny_networks

REQUEST = EvaluateRequest(("unet", "dilated"), "tiny", post=("largest",))


@pytest.fixture(autouse=True)
def networks(tiny_dataset):
    tiny_networks.write()


def test_networks_read_a_split(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    found = evaluate_networks(REQUEST)
    assert capsys.readouterr() == ("", "") and list(tmp_path.iterdir()) == []
    assert [one.name for one in found.readings] == ["unet", "dilated"] and not found.labels
    assert list(found.readings[0].by_patient) == ["raw", "largest"]
    assert list(found.slices) == ["p6-0", "p7-0", "p8-0"] and found.unreadable == {}
    paths = write_evaluation(found, tmp_path / "out")
    names = ["evaluation.md", "per_image.csv", "per_patient.csv", "calibration.png", "worst.png"]
    assert [path.name for path in paths] == names and all(path.is_file() for path in paths)


def test_the_command_of_a_page_is_of_the_request():
    asked = replace(REQUEST, sets={"size": 64}, dims=3, limit=2, image=("p6",), strip="a@b/c.pt")
    assert command(asked) == (
        "python -m benchmark evaluate --dataset tiny --split test --dims 3 --segmenter unet"
        " --segmenter dilated --set size=64 --post largest --strip a@c.pt --limit 2 --image p6"
    )


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"limit": 0}, "limit=0"),
        ({"post": ("largst",)}, "post='largst'"),
        ({"strip": "none"}, "strip='classical'"),
        ({"post": ("",)}, "post=''"),
        ({"segmenter": ("unit",)}, "did you mean 'unet'"),
    ],
)
def test_errors_name_fields(change, says):
    with pytest.raises(InputError) as caught:
        evaluate_networks(replace(REQUEST, **change))
    assert says in str(caught.value) and "--" not in str(caught.value)

"""`list`: what is there, whether it can run here, what its options are."""

import json

from benchmark.cli import main
from benchmark.plan.recipes import PRESETS
from benchmark.plugins import index

GPU_ONLY = '''
from typing import Literal
from benchmark.plugins import register

@register.inr("gpu-only", requires=("no_such_package",), install="pip install no-such-package")
class GpuOnly:
    """Runs nowhere.

    The second paragraph.
    """

    def __init__(
        self, in_dim, out_dim, *, width: int = 7, kind: Literal["a", "b"] = "b", free=None
    ):
        raise RuntimeError("list must not import this")

raise RuntimeError("nor this")
'''


def listed(capsys, *argv):
    assert main(["list", *argv]) == 0
    return capsys.readouterr().out


def test_everything_by_kind(capsys):
    printed = listed(capsys)
    for kind in index.PACKAGES:
        assert f"\n{kind}\n" in "\n" + printed
        for name, entry in index.entries(kind).items():
            assert f"  {name} " in printed and entry.doc.split()[0] in printed
    assert all(name in printed for name in PRESETS)


def test_an_unavailable_plugin_says_why_and_what_to_type(capsys, tmp_path):
    (tmp_path / "gpu.py").write_text(GPU_ONLY)
    printed = listed(capsys, "inr", "--plugin", str(tmp_path / "gpu.py"))
    assert "not available: the package no_such_package is not installed" in printed
    assert "pip install no-such-package" in [line.strip() for line in printed.splitlines()]


def test_one_plugin_with_its_whole_text_and_options(capsys, tmp_path):
    (tmp_path / "gpu.py").write_text(GPU_ONLY)
    printed = listed(capsys, "inr", "gpu-only", "--plugin", str(tmp_path / "gpu.py"))
    assert "The second paragraph." in printed and "not available" in printed
    rows = [line.split() for line in printed.partition("options")[2].splitlines()[1:]]
    assert rows == [
        ["width", "7", "int"],
        ["kind", "b", "a", "|", "b"],
        ["free", "None", "NoneType"],
    ]


def test_json_has_the_same_facts(capsys):
    found = json.loads(listed(capsys, "--json"))
    assert list(found) == [*index.PACKAGES, "preset"]
    siren = found["inr"]["siren"]
    assert (
        siren["available"] is True
        and siren["why"] is None
        and siren["module"] == "benchmark.plugins.inr.siren"
    )
    assert {
        "name": "bias",
        "type": "str",
        "default": "weights",
        "choices": ["weights", "torch"],
    } in siren["options"]
    assert list(json.loads(listed(capsys, "inr", "siren", "--json"))["inr"]) == ["siren"]


def test_a_preset_shows_what_it_sets(capsys):
    printed = listed(capsys, "preset", "adam-10k")
    assert PRESETS["adam-10k"].doc in printed
    assert ["steps", "10000", "int"] in [line.split() for line in printed.splitlines()]

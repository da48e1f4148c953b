"""What a person waits for first: help, lists and usage errors load nothing heavy. (The time:
tests/bench.)
"""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from benchmark.cli import COMMANDS

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "pandas", "scipy", "matplotlib", "skimage", "nilearn", "imagecodecs", "rich")
WRAPPER = f"""
import sys
from benchmark.cli import main
try:
    code = main(sys.argv[1:])
except SystemExit as end:
    code = end.code
print("\\nCODE", code, "LOADED", *[name for name in {HEAVY} if name in sys.modules])
"""


def run(*argv):
    done = subprocess.run(
        [sys.executable, "-c", WRAPPER, *argv], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split(" ")


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_loads_nothing_heavy(command):
    if command and find_spec(f"benchmark.cli.{command}") is None:
        pytest.skip(f"benchmark/cli/{command}.py is not written yet")
    assert run(*([command] if command else []), "--help") == ["CODE", "0", "LOADED"]


@pytest.mark.parametrize(
    "argv", ["list", "list inr siren", "list --json", "completion words run --inr s"]
)
def test_lists_load_nothing_heavy(argv):
    assert run(*argv.split()) == ["CODE", "0", "LOADED"]


@pytest.mark.parametrize(
    "argv",
    [
        "rnu",
        "run --lamda 1",
        "run --lambda x",
        "run --lambda -1",
        "run --inr sirne",
        "run --steps x",
        "run --preset quik",
        "run --dataset mni-lesoin",
        "run --set omega=3",
        "run --codec jpeg200",
        "run --codec none,jpeg2000",
        "run --regularizer dise",
        "run --regularizer kl",
        "profile --codec jpeg200",
        "list inr sirne",
        "decode",
        "report",
        "check inr sirne",
        "train --segmenter unt",
        "plan --inr sirne",
        "data shwo",
        "data show --root x",
        "evaluate --segmenter unt",
        "evaluate --segmenter unet --post largst",
        "read nothing.png",
    ],
)
def test_usage_errors_load_nothing_heavy(argv):
    assert run(*argv.split()) == ["CODE", "2", "LOADED"]


def test_a_worker_uses_one_thread():
    import torch

    assert torch.get_num_threads() == 1

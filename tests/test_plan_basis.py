"""The line that says what this machine decides of a run."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from benchmark.networks.checkpoints import find_checkpoint, places
from benchmark.plan import job as jobs
from benchmark.plan.basis import basis, kernels_said
from benchmark.plan.job import FIRST_LOOK, resolve
from benchmark.plan.selection import Selection

FIRST = Selection(dataset=FIRST_LOOK, limit=1, lam=(1e-5,), codec=("none",))
KERNELS = kernels_said("auto", "auto")


@pytest.mark.parametrize(
    "gpu, change, said",
    [
        (False, {}, "on cpu; preset quick (no GPU here; standard with one); "),
        (True, {}, "on cpu; preset standard (a GPU is here); "),
        (False, {"preset": "standard"}, "on cpu; preset standard (asked for); "),
    ],
)
def test_the_preset_is_said_with_why(monkeypatch, gpu, change, said):
    class Device:
        def __init__(self, path):
            assert path == "/dev/nvidiactl"

        def exists(self):
            return gpu

    monkeypatch.setattr(jobs, "Path", Device)
    assert basis(resolve(replace(FIRST, **change)), "cpu", KERNELS) == said + KERNELS


def test_weights_that_shadow_the_shipped_ones_are_named():
    here, shipped = places("unet", FIRST_LOOK)
    assert "unet" not in basis(resolve(FIRST), "cpu", KERNELS)
    here.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(shipped, here)
    line = basis(resolve(FIRST), "cpu", KERNELS)
    assert line.endswith(f"; unet: {here} (trained here, before the shipped weights)")
    assert "\n" not in line


def test_weights_from_a_file_are_named(tmp_path):
    _, shipped = places("unet", FIRST_LOOK)
    file = tmp_path / "other.safetensors"
    shutil.copy(shipped, file)
    job = resolve(FIRST)
    job.readers = [find_checkpoint(f"unet@{file}", FIRST_LOOK)]
    assert basis(job, "cuda", KERNELS).endswith(f"; unet: {file}")


def test_kernels_are_said_with_why():
    assert "compiled kernels" in kernels_said("auto", "auto")
    assert "little to do" in kernels_said("auto", "torch")
    assert kernels_said("torch", "torch") == "kernel torch (asked for)"

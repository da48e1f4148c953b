"""tests/bench/gpu.py as far as a CPU can run it, and CUDA graphs in a mock: recorded operations,
replayed on the same memory.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmark.errors import InputError
from benchmark.fit import engine, graphs
from benchmark.fit.engine import Member, fit, renderer_for
from benchmark.fit.fused import FusedRenderer
from benchmark.fit.graphs import GraphedRenderer
from benchmark.fit.render import Renderer, build
from benchmark.images.grid import grid
from benchmark.plugins import index
from benchmark.plugins.choice import Choice
from benchmark.types import Recipe
from tests.bench import gpu, gpu_figures

SIREN = Choice.of("inr", "siren", hidden_features=8, hidden_layers=1)
BACKBONES = [SIREN, Choice.of("inr", "fourier"), Choice.of("inr", "hashgrid-torch", n_levels=2)]


class Recording(TorchDispatchMode):
    """Every operation while it is active, with its tensors themselves: what a CUDA graph keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        self.calls.append((function, args, kwargs or {}, out))
        return out

    @torch.no_grad()
    def replay(self) -> None:
        """The same operations on the same memory: new values go where the recorded ones were."""
        for function, args, kwargs, out in self.calls:
            taken = {
                x.untyped_storage().data_ptr()
                for x in tree_leaves((args, kwargs))
                if isinstance(x, torch.Tensor)
            }
            for old, new in zip(
                tree_leaves(out), tree_leaves(function(*args, **kwargs)), strict=True
            ):
                if (
                    isinstance(old, torch.Tensor) and old.untyped_storage().data_ptr() not in taken
                ):  # else a view, or in place
                    old.copy_(new)


def recorded(functions):
    """graphs.record without a GPU."""
    recordings = []
    for function in functions:
        with Recording() as recording:
            function()
        recordings.append(recording.replay)
    return recordings


@pytest.fixture
def no_gpu_needed(monkeypatch):
    monkeypatch.setattr(graphs, "record", recorded)


def pair(inr, k=2, side=8):
    """GraphedRenderer and Renderer of the same fits."""
    coords = torch.from_numpy(grid(side, side, index.get("inr", inr.name).declared["coordinates"]))
    modules = [build(inr, 1, seed) for seed in range(k)]
    return GraphedRenderer(modules, [False, True], coords), Renderer(modules, [False, True], coords)


def assert_same(graphed, plain):
    (mine, my_squares), (theirs, their_squares) = graphed, plain
    assert mine.keys() == theirs.keys()
    for name, g in theirs.items():
        torch.testing.assert_close(mine[name], g, msg=name)
    torch.testing.assert_close(my_squares, their_squares)


@pytest.mark.parametrize("inr", BACKBONES, ids=lambda inr: inr.name)
def test_replays_are_steps(inr, no_gpu_needed):
    """Each step with other parameters, targets, factors and penalties; with a `render` before it
    and without.
    """
    graphed, plain = pair(inr)
    for step in range(5):
        torch.manual_seed(step)
        target = torch.rand(2, 64, 1)
        extra = None if step in (1, 4) else torch.rand(2, 64, 1)
        if step % 2:
            torch.testing.assert_close(graphed.render(), plain.render())
        mine, theirs = (
            renderer.step(target, 0.1 * (step + 1), extra) for renderer in (graphed, plain)
        )
        assert_same(mine, theirs)
        with torch.no_grad():
            for renderer in (graphed, plain):
                for name, p in renderer.parameters.items():
                    p -= 0.01 * theirs[0][name].sign()


def test_a_fit_by_graphs_is_the_fit_without(tiny_samples, no_gpu_needed, monkeypatch):
    """What is returned lies in memory that the next call overwrites: the engine keeps none of it
    for longer.
    """
    members = [
        Member(sample, seed, lam)
        for seed, (sample, lam) in enumerate(zip(tiny_samples, (0.0, 1.0, 1.0), strict=True))
    ]

    def run():
        def penalty(images, which):
            return images.mean((1, 2, 3)), images.cos() / images[0].numel()

        recipe = Recipe("soap", 3e-3, 12, "cosine", 2, penalty_every=3)
        return fit(SIREN, members, recipe, penalty=penalty, kernel="torch", dtype=torch.float64)

    plain = run()
    monkeypatch.setattr(
        engine,
        "Renderer",
        lambda modules, nulls, coords, stackable: GraphedRenderer(modules, nulls, coords),
    )
    graphed = run()
    for mine, theirs in zip(graphed.states, plain.states, strict=True):
        for name, array in theirs.items():
            np.testing.assert_allclose(mine[name], array, rtol=1e-9, atol=1e-12)
    for name in ("fidelity", "penalty", "best"):
        np.testing.assert_allclose(getattr(graphed, name), getattr(plain, name), rtol=1e-9)


def test_vjp(no_gpu_needed):
    graphed, plain = pair(SIREN)
    graphed.step(
        torch.rand(2, 64, 1), 1.0, torch.rand(2, 64, 1)
    )  # what it leaves behind must not matter
    gradient = torch.rand(2, 64, 1)
    for renderer in (graphed, plain):
        renderer.render()
    mine, theirs = graphed.vjp(gradient), plain.vjp(gradient)
    for name, g in theirs.items():
        torch.testing.assert_close(mine[name], g, msg=name)
    with pytest.raises(AssertionError, match="render"):
        graphed.vjp(gradient)


def test_a_target_of_another_shape_is_refused(no_gpu_needed):
    graphed, _ = pair(SIREN)
    with pytest.raises(ValueError, match="1.* values where .*2.* are due"):
        graphed.step(torch.zeros(2, 64, 2), 1.0, None)


def test_graphs_need_cuda(tiny_samples):
    with pytest.raises(InputError, match="(?s)kernel='graphs'.*device is cpu.*kernel='auto'"):
        fit(
            SIREN,
            [Member(tiny_samples[0])],
            Recipe("adam", 1e-3, 1, "constant", 0),
            kernel="graphs",
        )


class OnCuda(torch.Tensor):
    """Coordinates that say they are on a GPU."""

    device = torch.device("cuda")


def test_graphs_need_a_backbone_that_can_be_stacked(tiny_samples, monkeypatch, no_gpu_needed):
    monkeypatch.setattr(torch.nn.Module, "to", lambda module, *_: module)
    coords = torch.zeros(64, 2).as_subclass(OnCuda)
    assert renderer_for(SIREN, [Member(tiny_samples[0])], coords, 1, "graphs")[1] == "graphs"
    monkeypatch.setitem(index.get("inr", "siren").declared, "stackable", False)
    with pytest.raises(InputError, match="(?s)siren cannot be stacked"):
        renderer_for(SIREN, [Member(tiny_samples[0])], coords, 1, "graphs")


# --- the script


def test_without_a_gpu_it_says_so_and_exits_with_2(tmp_path):
    script = Path(gpu.__file__)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {
        "CUDA_VISIBLE_DEVICES": ""
    }
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env=env, cwd=tmp_path
    )
    assert done.returncode == 2, done.stderr
    assert [line.split(":")[0].strip() for line in done.stderr.splitlines()] == [
        "asked",
        "found",
        "try",
    ]
    assert done.stdout == ""


@pytest.fixture
def job(tiny_samples):
    return gpu.Job(tiny_samples[:2], "cpu", base=2, inr=SIREN)


@pytest.fixture
def report(tmp_path):
    return gpu_figures.Report(tmp_path / "gpu.json", {"device": "cpu"})


def test_its_pieces_run(job, report, capsys):
    """All but graphs and tiny-cuda-nn, at 32 x 32 and 3 steps: each figure is a line, and in the
    file.
    """
    gpu.standard(job, report, (1, 3), kernels=("torch",), steps=3)
    gpu.adam_10k(
        job, report, (2,), kernels=("torch", "auto"), precision="float32", steps=3, whole=4
    )
    gpu.parts(job, report, 2, kernels=("torch",), precisions=("float32",), times=1)
    assert gpu.same_hashgrid(
        job.samples, report, "cpu", ("hashgrid-torch", "hashgrid-torch"), steps=3
    )
    lines = capsys.readouterr().out.splitlines()
    figures = json.loads(report.out.read_text())["figures"]
    assert len(lines) == len(figures) == 6 + 3 + 4 + 3
    for line, figure in zip(lines, figures, strict=True):
        assert line.startswith(f"{figure['what']}: {figure['value']:.4g} {figure['unit']}")
    assert all(math.isfinite(figure["value"]) for figure in figures)
    assert (
        lines[0].startswith("standard 32x32 siren K=1 torch float32: ")
        and "target: below 0.5, met" in lines[0]
    )
    assert all(
        figure["psnr_db"] > 0 for figure in figures if figure["what"].startswith("standard 32x32")
    )


def test_a_missed_target_is_said(report, capsys):
    for value in (10.0, None):
        report.say("adam-10k", value, "s", 10.0)
    assert capsys.readouterr().out.count("missed") == 2
    assert [figure["met"] for figure in report.figures] == [False, False]


def test_kernels_that_disagree_are_found(job, report, monkeypatch):
    assert gpu.same_gradients(job, report, ("torch", "fused"), k=2)
    real = FusedRenderer.step
    monkeypatch.setattr(
        FusedRenderer, "step", lambda self, target, factor, extra: real(self, target, factor, None)
    )
    assert not gpu.same_gradients(job, report, ("torch", "fused"), k=2)
    assert [figure["met"] for figure in report.figures] == [True, False]


def test_hash_grids_that_disagree_are_found(job, report, monkeypatch):
    assert gpu.same_hashgrid(
        job.samples, report, "cpu", ("hashgrid-torch", "hashgrid-torch"), steps=1
    )
    monkeypatch.setattr(
        index.get("inr", "hashgrid-torch").load(), "load_flat", lambda self, vector: None
    )
    assert not gpu.same_hashgrid(
        job.samples, report, "cpu", ("hashgrid-torch", "hashgrid-torch"), steps=1
    )


def test_without_tiny_cuda_nn_it_says_so(job, report, monkeypatch):
    monkeypatch.setitem(sys.modules, "tinycudann", None)
    assert gpu.same_hashgrid(job.samples, report, "cpu")
    assert (
        report.figures[-1]["value"] is None
        and "tiny-cuda-nn does not load" in report.figures[-1]["unit"]
    )


def test_utilization_is_read_from_nvidia_smi(tmp_path, monkeypatch):
    tool = tmp_path / "nvidia-smi"
    tool.write_text('#!/bin/sh\ntest "$1" = --id=GPU-7 && echo 73\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert [gpu_figures.utilization(uuid) for uuid in ("GPU-7", "GPU-8")] == [73.0, None]

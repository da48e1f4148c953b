"""The compiled kernels against PyTorch: outputs within 1e-6, gradients within 1e-5 of autograd, for
every activation.
"""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.errors import InputError
from benchmark.fit import kernels
from benchmark.fit.engine import Member, fit, renderer_for
from benchmark.fit.fused import FusedRenderer
from benchmark.fit.render import Renderer, build
from benchmark.images.grid import grid
from benchmark.plugins import FusedMLP
from benchmark.plugins.choice import Choice
from benchmark.types import Recipe
from tests.test_fit_engine import sample

ACTIVATIONS = {
    "sine": lambda z: torch.sin(z),
    "relu": torch.relu,
    "gauss": lambda z: torch.exp(-z * z),
    "gabor": lambda z: torch.cos(z) * torch.exp(-((0.7 * z) ** 2)),
}


class Perceptron(nn.Module):
    """Any widths, any of the kernels' activations."""

    def __init__(self, widths, activation, scales, bias=True):
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Linear(n, m, bias=bias) for n, m in zip(widths, widths[1:], strict=False)
        )
        self.activation, self.scales = activation, scales

    def forward(self, coords):
        x = coords
        for layer, scale in zip(self.layers[:-1], self.scales, strict=True):
            x = ACTIVATIONS[self.activation](scale * layer(x))
        return self.layers[-1](x)

    def fused(self, coords):
        names = [f"layers.{i}" for i in range(len(self.layers))]
        biases = tuple(f"{n}.bias" if self.layers[0].bias is not None else None for n in names)
        return FusedMLP(
            tuple(f"{n}.weight" for n in names),
            biases,
            self.activation,
            self.scales,
            0.7,
            inputs=coords,
        )


def compare(modules, size=(37, 21), channels=1, depth=1):
    """Both renderers' image, gradients and squares at the same parameters: (largest error of an
    output, of a gradient).
    """
    coords = torch.from_numpy(grid(*size, (-1.0, 1.0), depth=depth))
    nulls = [False] * len(modules)
    torch_, fused = (
        Renderer(modules, nulls, coords),
        FusedRenderer(modules, nulls, coords, channels),
    )
    shape = (len(modules), len(coords), channels)
    target = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    extra = torch.rand(shape, generator=torch.Generator().manual_seed(2))
    output = float((torch_.render() - fused.render()).abs().max())
    factor = 2.0 / len(coords)
    due, squares_due = torch_.step(target, factor, extra / len(coords))
    mine, squares = fused.step(target, factor, extra / len(coords))
    torch.testing.assert_close(squares.float(), squares_due, rtol=1e-5, atol=0)
    torch_.render()
    of_step = largest_error(mine, due)
    return output, max(of_step, largest_error(fused.vjp(extra), torch_.vjp(extra)))


def largest_error(mine, due):
    """Of gradients by name, in shares of the largest."""
    assert mine.keys() == due.keys()
    whole, worst = 0.0, 0.0
    for name, gradient in due.items():
        whole = max(whole, float(gradient.abs().max()))
        worst = max(worst, float((mine[name] - gradient).abs().max()))
    return worst / whole


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    ("widths", "k"),
    [((2, 16, 16, 1), 3), ((2, 5, 7, 9, 1), 2), ((2, 28, 1), 1), ((2, 33, 64, 3), 2)],
)
def test_outputs_and_gradients_are_those_of_autograd(activation, widths, k):
    torch.manual_seed(0)
    modules = [Perceptron(widths, activation, (3.0, 1.5, 1.0)[: len(widths) - 2]) for _ in range(k)]
    output, gradient = compare(modules, channels=widths[-1])
    assert output < 1e-6 and gradient < 1e-5


def test_layers_without_bias():
    torch.manual_seed(0)
    assert max(compare([Perceptron((2, 6, 1), "relu", (1.0,), bias=False)])) < 1e-5


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("siren", {"hidden_features": 16}),
        ("siren", {"hidden_features": 28, "hidden_layers": 9}),
        ("fourier", {}),
        ("hashgrid-torch", {}),
        ("hashgrid-torch", {"n_features_per_level": 2, "n_levels": 4, "log2_hashmap_size": 5}),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_our_backbones(name, args, channels):
    inr = Choice.of("inr", name, **args)
    modules = [build(inr, channels, seed) for seed in (0, 1, 2)]
    if name == "hashgrid-torch":  # tables that start at 1e-4 would hide an error
        for module in modules:
            for table in module.tables:
                table.data.uniform_(-1, 1, generator=torch.Generator().manual_seed(5))
    output, gradient = compare(modules, channels=channels)
    assert output < 1e-6 and gradient < 1e-5


@pytest.mark.parametrize("name", ["siren", "fourier", "hashgrid-torch"])
def test_our_backbones_with_three_inputs(name):
    modules = [build(Choice.of("inr", name), 1, seed, 3) for seed in (0, 1)]
    if name == "hashgrid-torch":
        for module in modules:
            for table in module.tables:
                table.data.uniform_(-1, 1, generator=torch.Generator().manual_seed(5))
    output, gradient = compare(modules, size=(19, 13), depth=5)
    assert output < 1e-6 and gradient < 1e-5


def test_angles_far_from_zero():
    """Sines of up to 300 radians: a reduction by one float32 pi would be off by 1e-5 there."""
    from benchmark.fit.kernels import tile

    values = np.linspace(-300, 300, tile.T * 4, dtype=np.float32)
    block = np.concatenate([values, np.zeros_like(values)])
    tile.activate(block, tile.ACTIVATIONS.index("sine"), np.float32(1), 0, len(values), 4)
    np.testing.assert_allclose(block[: len(values)], np.sin(values.astype(np.float64)), atol=2e-7)
    np.testing.assert_allclose(block[len(values) :], np.cos(values.astype(np.float64)), atol=2e-7)


def test_the_result_does_not_depend_on_the_number_of_threads():
    inr, threads, states = Choice.of("inr", "siren"), torch.get_num_threads(), []
    try:
        for n in (1, 3):
            torch.set_num_threads(n)
            states.append(
                fit(
                    inr,
                    [Member(sample(size=48), seed=k) for k in range(2)],
                    Recipe("adam", 2e-3, 5, "constant", 0),
                ).states
            )
    finally:
        torch.set_num_threads(threads)
    for a, b in zip(*states, strict=True):
        for name in a:
            np.testing.assert_array_equal(a[name], b[name])


def test_a_fit_ends_as_in_torch():
    inr, members = Choice.of("inr", "siren"), [Member(sample(size=32), seed=k) for k in range(2)]
    recipe = Recipe("adam", 1e-3, 20, "cosine", 2)
    due = fit(inr, members, recipe, kernel="torch")
    fused = fit(inr, members, recipe, kernel="fused")
    assert (due.kernel, fused.kernel) == ("torch", "fused")
    np.testing.assert_allclose(fused.fidelity, due.fidelity, rtol=1e-4)


def test_a_nan_image_harms_no_other():
    bad = sample(1)
    bad.image[3, 3] = np.nan
    recipe = Recipe("soap", 3e-3, 8, "cosine", 2)
    siren = Choice.of("inr", "siren")
    pair = fit(siren, [Member(sample()), Member(bad)], recipe, kernel="fused")
    alone = fit(siren, [Member(sample())], recipe, kernel="fused")
    assert pair.finite.tolist() == [True, False]
    for name, array in alone.states[0].items():
        np.testing.assert_allclose(pair.states[0][name], array, rtol=1e-4, atol=1e-6)


def test_which_kernel_serves_what():
    coords, members = torch.from_numpy(grid(8, 8, (-1.0, 1.0))), [Member(sample(size=8))]
    siren, tcnn = Choice.of("inr", "siren"), Choice.of("inr", "siren", hidden_features=3)
    assert renderer_for(siren, members, coords, 1, "auto")[1] == "fused"
    assert renderer_for(tcnn, members, coords, 1, "torch")[1] == "torch"
    assert renderer_for(siren, members, coords.double(), 1, "auto")[1] == "torch"
    with pytest.raises(InputError, match="kernel='fused'"):
        renderer_for(siren, members, coords.double(), 1, "fused")


def test_nothing_is_compiled_for_a_run_that_is_over_sooner(tmp_path, monkeypatch):
    monkeypatch.setenv("SINCO_BENCH_CACHE", str(tmp_path))
    short, long = 200 * 16384 * 881, 30 * 200 * 16384 * 881
    assert not kernels.worth_compiling(short) and kernels.worth_compiling(long)
    kernels.remember_compiled()
    assert kernels.worth_compiling(short)


def test_the_engine_does_not_import_numba_before_it_is_used():
    code = (
        "import sys, benchmark.fit.engine, benchmark.fit.optimizers.soap; sys.exit('numba' in"
        " sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

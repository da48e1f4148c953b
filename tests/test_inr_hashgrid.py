"""The hash grid against an independent reading of tiny-cuda-nn: counts, indices, interpolation, the
flat vector.
"""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call, vmap

from benchmark.errors import InputError
from benchmark.plugins import index
from benchmark.plugins.inr._grid import Grid, HashGridParameters
from benchmark.plugins.inr.hashgrid import HashGrid
from benchmark.plugins.inr.hashgrid_torch import HashGridTorch

SMALL = {
    "n_levels": 4,
    "n_features_per_level": 2,
    "log2_hashmap_size": 7,
    "base_resolution": 5,
    "per_level_scale": 1.7,
    "n_neurons": 16,
    "n_hidden_layers": 1,
}


def make(in_dim: int = 2, out_dim: int = 1, **options: float) -> HashGridTorch:
    """Tables far from zero, so that every feature shows in the output."""
    torch.manual_seed(0)
    module = HashGridTorch(in_dim, out_dim, **{**SMALL, **options})
    with torch.no_grad():
        for table in module.tables:
            table.uniform_(-1, 1)
    return module


@pytest.mark.parametrize(
    ("levels", "log2_size", "scale", "table", "network"),
    [
        (16, 15, 1.5, 708_368, 7_168),
        (16, 14, 1.5, 380_688, 7_168),
        (8, 14, 1.5, 118_544, 6_144),
        (16, 19, 2.0, 11_184_640, 7_168),
    ],
)
def test_published_counts(
    levels: int, log2_size: int, scale: float, table: int, network: int
) -> None:
    module = HashGridParameters(1, Grid(2, levels, 2, log2_size, 16, scale), 64, 2)
    assert sum(len(t) for t in module.tables) == table
    assert len(module.flat()) == table + network


@pytest.mark.parametrize("base", [1, 4, 7, 16])
@pytest.mark.parametrize("scale", [1.0, 1.26, 1.5, 2.0, 2.5])
@pytest.mark.parametrize("dims", [2, 3])
def test_counts_of_many_configurations(base: int, scale: float, dims: int) -> None:
    for levels, features, log2_size in ((1, 1, 4), (3, 4, 10), (9, 2, 12)):
        rows = 0
        for level in range(levels):
            exponent = np.float32(level) * np.float32(np.log2(scale))
            resolution = (
                int(np.ceil(np.float32(2.0 ** float(exponent)) * np.float32(base) - np.float32(1)))
                + 1
            )
            rows += min((resolution**dims + 7) // 8 * 8, 2**log2_size)
        width, out = 32, 3
        module = HashGridParameters(
            out, Grid(dims, levels, features, log2_size, base, scale), width, 3
        )
        pad16 = (levels * features + 15) // 16 * 16
        assert (
            len(module.flat()) == rows * features + pad16 * width + 2 * width * width + 16 * width
        )
        live = levels * features * width + 2 * width * width + out * width
        assert sum(p.numel() for p in module.parameters()) == rows * features + live


def slow(
    vector: np.ndarray,
    x: np.ndarray,
    in_dim: int,
    out_dim: int,
    *,
    n_levels: int,
    n_features_per_level: int,
    log2_hashmap_size: int,
    base_resolution: int,
    per_level_scale: float,
    n_neurons: int,
    n_hidden_layers: int,
) -> np.ndarray:
    """One point through the flat vector as tiny-cuda-nn lays it out, with unsigned 32-bit
    arithmetic, corner by corner.
    """
    primes, u32 = [np.uint32(p) for p in (1, 2654435761, 805459861)], np.uint32
    pad = (n_levels * n_features_per_level + 15) // 16 * 16
    shapes = (
        [(n_neurons, pad)] + [(n_neurons, n_neurons)] * (n_hidden_layers - 1) + [(16, n_neurons)]
    )
    matrices, at = [], 0
    for shape in shapes:
        matrices.append(vector[at : at + shape[0] * shape[1]].reshape(shape))
        at += shape[0] * shape[1]
    encoded = np.zeros(pad)
    for level in range(n_levels):
        exponent = np.float32(level) * np.float32(np.log2(per_level_scale))
        scale = np.float32(2.0 ** float(exponent)) * np.float32(base_resolution) - np.float32(1)
        resolution = int(np.ceil(scale)) + 1
        rows = min((resolution**in_dim + 7) // 8 * 8, 2**log2_hashmap_size)
        position = [np.float32(float(scale) * float(v) + 0.5) for v in x]
        for corner in range(2**in_dim):
            weight, dense, hashed, stride = 1.0, u32(0), u32(0), u32(1)
            for i in range(in_dim):
                high = corner >> i & 1
                cell = int(np.floor(position[i]))
                fraction = float(position[i]) - cell
                weight *= fraction if high else 1 - fraction
                with np.errstate(over="ignore"):
                    dense = dense + u32(cell + high) * stride
                    hashed = hashed ^ (u32(cell + high) * primes[i])
                    stride = stride * u32(resolution)
            row = int(dense if resolution**in_dim <= rows else hashed) % rows
            for f in range(n_features_per_level):
                encoded[level * n_features_per_level + f] += (
                    weight * vector[at + row * n_features_per_level + f]
                )
        at += rows * n_features_per_level
    assert at == len(vector)
    for matrix in matrices[:-1]:
        encoded = np.maximum(matrix @ encoded, 0)
    return (matrices[-1] @ encoded)[:out_dim]


@pytest.mark.parametrize("in_dim", [2, 3])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"per_level_scale": 2.0, "n_levels": 2, "log2_hashmap_size": 15},
        {"n_hidden_layers": 2},
        {"n_features_per_level": 8},
        {"n_levels": 9, "n_features_per_level": 1, "log2_hashmap_size": 5},
    ],
)
def test_agrees_with_a_slow_reading_of_the_flat_vector(
    in_dim: int, options: dict[str, float]
) -> None:
    module = make(in_dim, 2, **options)
    points = torch.rand(40, in_dim)
    points[:3] = torch.tensor(
        [[0.0], [1.0], [0.5]]
    )  # the last vertices of dense levels wrap around
    values, vector = (
        module(points).detach().numpy(),
        module.flat().detach().numpy().astype(np.float64),
    )
    for x, value in zip(points.numpy(), values, strict=True):
        np.testing.assert_allclose(
            value, slow(vector, x, in_dim, 2, **{**SMALL, **options}), atol=2e-5
        )


def test_flat_vectors_are_read_back() -> None:
    module, other = make(out_dim=3), make(out_dim=3)
    for p in other.parameters():
        p.data.zero_()
    other.load_flat(module.flat().detach())
    points = torch.rand(50, 2)
    assert torch.equal(module(points), other(points))
    with pytest.raises(ValueError, match="parameters where this configuration has"):
        other.load_flat(module.flat()[1:])


def test_remembered_indices_follow_the_coordinates() -> None:
    module, points = make(), torch.rand(30, 2)
    first = module(points)
    assert torch.equal(module(points), first)
    assert not torch.equal(module(1 - points), first)
    assert torch.equal(module(points), first)
    points.mul_(0.5)  # written in place: the same tensor, other points
    assert torch.equal(module(points), module(points.clone()))
    with torch.inference_mode():
        assert torch.equal(module(points.clone()), module(points))


def test_coordinates_may_differ_between_stacked_fits() -> None:
    module, points = make(), torch.rand(2, 30, 2)
    parameters = {name: torch.stack([p, p]) for name, p in module.named_parameters()}
    both = vmap(lambda p, x: functional_call(module, p, (x,)))(parameters, points)
    torch.testing.assert_close(both, torch.stack([module(points[0]), module(points[1])]))


@pytest.mark.parametrize(
    "bad",
    [
        {"n_neurons": 24},
        {"n_levels": 0},
        {"n_levels": 200},
        {"per_level_scale": float("nan")},
        {"per_level_scale": 1e30},
        {"base_resolution": 0},
        {"n_features_per_level": 3},
        {"n_hidden_layers": 0},
        {"log2_hashmap_size": -1},
    ],
)
def test_options_that_the_library_refuses(bad: dict[str, float]) -> None:
    with pytest.raises(InputError):
        HashGridTorch(2, 1, **{**SMALL, **bad})


class Library(nn.Module):
    """Stands in for tinycudann.NetworkWithInputEncoding: evaluates whatever flat vector is its
    `params`.
    """

    def __init__(self, in_dim: int, out_dim: int, encoding: dict, network: dict) -> None:
        super().__init__()
        assert (encoding["otype"], network["otype"], network["output_activation"]) == (
            "HashGrid",
            "FullyFusedMLP",
            "None",
        )
        self.like = [
            HashGridTorch(
                in_dim,
                out_dim,
                **{name: value for name, value in {**encoding, **network}.items() if name in SMALL},
            )
        ]
        self.params = nn.Parameter(torch.zeros_like(self.like[0].flat()))

    def forward(self, coords: torch.Tensor) -> torch.Tensor:
        like, at, parts = self.like[0], 0, []
        for rows, columns in like.padded:
            parts.append(self.params[at : at + rows * columns].view(rows, columns))
            at += rows * columns
        state = {
            f"network.{i}": p[: m.shape[0], : m.shape[1]]
            for i, (p, m) in enumerate(zip(parts, like.network, strict=True))
        }
        for level, table in enumerate(like.tables):
            state[f"tables.{level}"], at = self.params[at : at + len(table)], at + len(table)
        return functional_call(like, state, (coords,)).half()


def test_the_fused_backend_has_the_same_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        sys.modules, "tinycudann", types.SimpleNamespace(NetworkWithInputEncoding=Library)
    )
    module, fused = make(), HashGrid(2, 1, **SMALL)
    fused.load_state_dict(module.state_dict())
    assert [name for name, _ in fused.named_parameters()] == [
        name for name, _ in module.named_parameters()
    ]
    points = torch.rand(60, 2)
    torch.testing.assert_close(fused(points), module(points), atol=2e-3, rtol=1e-2)
    fused(points).square().sum().backward()
    module(points).square().sum().backward()
    for mine, theirs in zip(fused.parameters(), module.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, atol=5e-2, rtol=5e-2)


def test_the_fused_backend_says_why_it_does_not_load(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name == "tinycudann":
                raise OSError("Unknown compute capability")

    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    monkeypatch.delitem(sys.modules, "tinycudann", raising=False)
    with pytest.raises(InputError, match="Unknown compute capability"):
        HashGrid(2, 1)


def test_both_backends_have_the_same_options_and_sizes() -> None:
    fused, plain = index.get("inr", "hashgrid"), index.get("inr", "hashgrid-torch")
    assert fused.options == plain.options
    assert fused.declared["sizes"] == plain.declared["sizes"]
    assert "pip install" in fused.declared["install"]
    if fused.unavailable():
        with pytest.raises(InputError, match="tinycudann"):
            fused.load()

"""The parameters, indices and interpolation of tiny-cuda-nn's hash grid and its fully fused network
(version 2.0).

Instant Neural Graphics Primitives (Mueller et al., SIGGRAPH 2022, arXiv 2201.05989); where the
paper and the library differ, this is the library.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from benchmark.plugins import InputError

PRIMES = (1, 2654435761, 805459861, 3674653429, 2097192037, 1434869437, 2165219737)
UINT32 = 0xFFFFFFFF
WIDTHS, FEATURES = (16, 32, 64, 128), (1, 2, 4, 8)  # those that its kernels are compiled for


def _round_up(n: int, multiple: int) -> int:
    return -(-n // multiple) * multiple


@dataclass(frozen=True)
class Grid:
    """Levels of feature tables, named as tiny-cuda-nn names its options."""

    dims: int
    n_levels: int
    n_features_per_level: int
    log2_hashmap_size: int
    base_resolution: int
    per_level_scale: float

    def check(self) -> None:
        """Raise InputError where an option is outside what the library takes, or the finest level
        beyond its float32.
        """
        limits = {
            "n_levels": (1, 128),
            "n_features_per_level": (1, 8),
            "log2_hashmap_size": (0, 31),
            "base_resolution": (1, 2**16),
            "per_level_scale": (1, 2**16),
        }
        for name, (low, high) in limits.items():
            if not low <= getattr(self, name) <= high:
                raise InputError(
                    f"{name}={getattr(self, name)}",
                    "the hash grid has no such size",
                    f"{name} from {low} to {high}",
                )
        if self.n_features_per_level not in FEATURES:
            raise InputError(
                f"n_features_per_level={self.n_features_per_level}",
                "the hash grid has no such size",
                f"one of {FEATURES}",
            )
        finest = (self.n_levels - 1) * math.log2(self.per_level_scale) + math.log2(
            self.base_resolution
        )
        if finest > 24:
            raise InputError(
                "a hash grid",
                f"its finest level has 2^{finest:.0f} cells a side",
                "fewer levels or a smaller scale",
            )

    def scale(self, level: int) -> np.float32:
        """Cells per unit of the coordinates. The exponent is a float32, as there: rounding decides
        the resolution.
        """
        exponent = np.float32(level) * np.float32(np.log2(self.per_level_scale))
        # exp2 of float32 differs by a last bit between machines; float64 rounded to float32 does
        # not.
        return np.float32(np.exp2(np.float64(exponent))) * np.float32(
            self.base_resolution
        ) - np.float32(1)

    def resolution(self, level: int) -> int:
        return int(np.ceil(self.scale(level))) + 1

    def rows(self, level: int) -> int:
        """Length of a level's table: dense where it fits, else the size of the hash map."""
        return min(_round_up(self.resolution(level) ** self.dims, 8), 2**self.log2_hashmap_size)

    def corners(self, coords: torch.Tensor, level: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows of the level's table and weights of the 2^d corners around each of coords [N, d]:
        both [2^d, N].
        """
        # A product of two float32 is exact in float64, so this rounds once, as the fused
        # multiply-add there does.
        position = (float(self.scale(level)) * coords.float().double() + 0.5).float()
        cell = position.floor()
        fraction, cell = position - cell, cell.long()
        resolution, rows = self.resolution(level), self.rows(level)
        hashed = resolution**self.dims > rows
        indices, weights = [], []
        for corner in range(2**self.dims):
            index, weight = torch.zeros_like(cell[:, 0]), torch.ones_like(fraction[:, 0])
            for i in range(self.dims):
                upper = corner >> i & 1
                weight = weight * (fraction[:, i] if upper else 1 - fraction[:, i])
                p = (cell[:, i] + upper) & UINT32
                index = index ^ (p * PRIMES[i] & UINT32) if hashed else index + p * resolution**i
            indices.append(
                (index & UINT32) % rows
            )  # the last vertices of a dense level wrap around, as there
            weights.append(weight)
        return torch.stack(indices), torch.stack(weights)


class HashGridParameters(nn.Module):
    """What both backends share: the parameters that can influence the output, in tiny-cuda-nn's
    order.

    There they are one flat vector: network first (W x pad16(in), W x W ..., pad16(out) x W,
    row-major, no biases), then each level's table (rows x features). `flat` makes that vector and
    `load_flat` reads it. Weights of padding are not parameters here, since they would cost bytes
    and never reach the output; they are zero in `flat`.
    """

    def __init__(self, out_dim: int, grid: Grid, n_neurons: int, n_hidden_layers: int) -> None:
        super().__init__()
        grid.check()
        if n_neurons not in WIDTHS or n_hidden_layers < 1:
            raise InputError(
                f"a network of {n_hidden_layers} layers of {n_neurons} neurons",
                "the fully fused network has no such size",
                f"n_hidden_layers of 1 or more, n_neurons one of {WIDTHS}",
            )
        features = grid.n_levels * grid.n_features_per_level
        self.grid, self.in_features, self.out_features = grid, features, out_dim
        widths = [features, *[n_neurons] * n_hidden_layers, out_dim]
        padded = [_round_up(features, 16), *[n_neurons] * n_hidden_layers, _round_up(out_dim, 16)]
        self.padded = list(
            zip(padded[1:], padded, strict=False)
        )  # (rows, columns) of each matrix in the flat vector
        self.network = nn.ParameterList(
            torch.empty(m, n) for n, m in zip(widths, widths[1:], strict=False)
        )
        for matrix, shape in zip(self.network, self.padded, strict=True):
            bound = (6 / sum(shape)) ** 0.5  # Xavier uniform of the padded matrix
            nn.init.uniform_(matrix, -bound, bound)
        self.tables = nn.ParameterList(
            torch.empty(grid.rows(level) * grid.n_features_per_level).uniform_(-1e-4, 1e-4)
            for level in range(grid.n_levels)
        )

    def flat(self) -> torch.Tensor:
        """tiny-cuda-nn's parameter vector; zero where a weight meets padding."""
        matrices = [
            nn.functional.pad(m, (0, columns - m.shape[1], 0, rows - m.shape[0])).flatten()
            for m, (rows, columns) in zip(self.network, self.padded, strict=True)
        ]
        return torch.cat([*matrices, *self.tables])

    @torch.no_grad()
    def load_flat(self, vector: torch.Tensor) -> None:
        """Take over the parameters of tiny-cuda-nn's vector; raises ValueError where its length is
        another.
        """
        sizes = [rows * columns for rows, columns in self.padded] + [
            len(table) for table in self.tables
        ]
        if vector.numel() != sum(sizes):
            raise ValueError(
                f"a vector of {vector.numel()} parameters where this configuration has {sum(sizes)}"
            )
        parts = vector.split(sizes)
        for matrix, shape, part in zip(self.network, self.padded, parts, strict=False):
            matrix.copy_(part.view(shape)[: matrix.shape[0], : matrix.shape[1]])
        for table, part in zip(self.tables, parts[len(self.padded) :], strict=True):
            table.copy_(part)

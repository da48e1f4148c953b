"""The hash grid of tiny-cuda-nn in pure PyTorch: runs anywhere, stacked too."""

from __future__ import annotations

import torch

from benchmark.plugins import FusedMLP, register
from benchmark.plugins.inr._grid import Grid, HashGridParameters


@register.inr(
    "hashgrid-torch",
    size="log2_hashmap_size",
    sizes=(3, 12),
    coordinates=(0.0, 1.0),
    optimizer="soap",
    lr=2e-2,
)
class HashGridTorch(HashGridParameters):
    """Hash grid of features and a small ReLU network (Mueller et al. 2022, arXiv 2201.05989), in
    PyTorch.

    Same options, parameters, indices and interpolation as `hashgrid`; float32 where tiny-cuda-nn
    computes in half. Its image sample is `n_levels=16 n_features_per_level=2 log2_hashmap_size=15
    base_resolution=16 n_neurons=64`: 44 parameters a pixel at 128x128. The defaults have 1,024 in
    all, for 9 bits each at 0.6 bpp there: of 70 configurations tried on LGG slices, many small
    tables of one feature and two layers of 16 neurons kept the most dB. Coordinates are constants:
    no gradient reaches them.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        *,
        n_levels: int = 6,
        n_features_per_level: int = 1,
        log2_hashmap_size: int = 7,
        base_resolution: int = 6,
        per_level_scale: float = 1.5,
        n_neurons: int = 16,
        n_hidden_layers: int = 2,
    ) -> None:
        grid = Grid(
            in_dim,
            n_levels,
            n_features_per_level,
            log2_hashmap_size,
            base_resolution,
            per_level_scale,
        )
        super().__init__(out_dim, grid, n_neurons, n_hidden_layers)
        self._last: tuple | None = (
            None  # coords, their version, index, weight: pixels are the same at every step
        )

    def forward(self, coords: torch.Tensor) -> torch.Tensor:
        index, weight = self._lookup(coords)
        corners = torch.cat(list(self.tables)).index_select(0, index)
        # Corners outermost: summing over whole rows of memory is twice as fast as summing
        # neighbours.
        corners = corners.view(2**self.grid.dims, len(coords), self.in_features)
        x = (corners * weight.to(corners.dtype)).sum(0)
        *hidden, last = (
            self.network
        )  # a slice of a ParameterList would be a copy, out of reach of functional_call
        for matrix in hidden:
            x = torch.relu(x @ matrix.T)
        return x @ last.T

    def fused(self, coords: torch.Tensor) -> FusedMLP:
        index, weight = self._lookup(coords)
        return FusedMLP(
            tuple(f"network.{i}" for i in range(len(self.network))),
            (None,) * len(self.network),
            "relu",
            (1.0,) * (len(self.network) - 1),
            tables=tuple(f"tables.{i}" for i in range(len(self.tables))),
            index=index.view(weight.shape),
            weight=weight,
        )

    def _lookup(self, coords: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Entries of the joined tables [2^d * N * features], their weights [2^d, N, features]."""
        if coords.is_inference():  # it keeps no version, so a change in place would go unseen
            return self._index(coords)
        if self._last is None or self._last[0] is not coords or self._last[1] != coords._version:
            self._last = (coords, coords._version, *self._index(coords.detach()))
        return self._last[2:]

    def _index(self, coords: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features, offset, indices, weights = self.grid.n_features_per_level, 0, [], []
        for level, table in enumerate(self.tables):
            rows, weight = self.grid.corners(coords, level)
            indices.append(
                offset + rows[..., None] * features + torch.arange(features, device=coords.device)
            )
            weights.append(weight[..., None].expand_as(indices[-1]))
            offset += len(table)
        return torch.cat(indices, -1).flatten(), torch.cat(weights, -1)

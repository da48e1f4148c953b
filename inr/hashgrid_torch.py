"""The hash grid of tiny-cuda-nn in pure PyTorch: runs anywhere, stacked too."""

from __future__ import annotations

import torch

from benchmark.plugins import register
from benchmark.plugins.inr._grid import Grid, HashGridParameters


@register.inr("hashgrid-torch", size="base_resolution", sizes=(2, 512), coordinates=(0.0, 1.0), optimizer="adam", lr=1e-2)
class HashGridTorch(HashGridParameters):
    """Hash grid of features and a small ReLU network (Mueller et al. 2022, arXiv 2201.05989), in PyTorch."""

    def __init__(self, in_dim: int, out_dim: int, *, n_levels: int = 4, n_features_per_level: int = 2,
                 log2_hashmap_size: int = 15, base_resolution: int = 4, per_level_scale: float = 1.5,
                 n_neurons: int = 16, n_hidden_layers: int = 1) -> None:
        grid = Grid(in_dim, n_levels, n_features_per_level, log2_hashmap_size, base_resolution, per_level_scale)
        super().__init__(out_dim, grid, n_neurons, n_hidden_layers)
        self._last: tuple | None = None  # (coords, their version, index, weight): pixels are the same at every step

    def forward(self, coords: torch.Tensor) -> torch.Tensor:
        index, weight = self._lookup(coords)
        corners = torch.cat(list(self.tables)).index_select(0, index)
        # Corners outermost: the sum over them then runs over whole rows of memory, 2x faster than innermost.
        corners = corners.view(2**self.grid.dims, len(coords), self.in_features)
        x = (corners * weight.to(corners.dtype)).sum(0)
        for matrix in self.network[:-1]:
            x = torch.relu(x @ matrix.T)
        return x @ self.network[-1].T

    def _lookup(self, coords: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Entries of the joined tables [2^d * N * L * F] and weights [2^d, N, L * F]; constants of the fit."""
        if self._last is None or self._last[0] is not coords or self._last[1] != coords._version:
            self._last = (coords, coords._version, *self._index(coords))
        return self._last[2:]

    def _index(self, coords: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        g, offset, indices, weights = self.grid, 0, [], []
        feature = torch.arange(g.n_features_per_level, device=coords.device)
        for level in range(g.n_levels):
            rows, weight = g.corners(coords.detach(), level)
            indices.append(offset + rows[..., None] * g.n_features_per_level + feature)
            weights.append(weight[..., None].expand_as(indices[-1]))
            offset += len(self.tables[level])
        return torch.cat(indices, -1).flatten(), torch.cat(weights, -1)

"""The hash grid of tiny-cuda-nn itself: fused kernels on an NVIDIA GPU."""

from __future__ import annotations

import torch
from torch.func import functional_call

from benchmark.plugins import InputError, register
from benchmark.plugins.inr._grid import Grid, HashGridParameters


@register.inr(
    "hashgrid",
    size="log2_hashmap_size",
    sizes=(3, 12),
    coordinates=(0.0, 1.0),
    optimizer="soap",
    lr=2e-2,
    stackable=False,
    requires=("tinycudann",),
    device="cuda",
    install=(
        "pip install --no-build-isolation"
        ' "git+https://github.com/NVlabs/tiny-cuda-nn/#subdirectory=bindings/torch"'
    ),
)
class HashGrid(HashGridParameters):
    """Hash grid of features and a small ReLU network (Mueller et al. 2022, arXiv 2201.05989), by
    tiny-cuda-nn.

    The options are tiny-cuda-nn's; `hashgrid-torch` says which were chosen as defaults and why. The
    network is its FullyFusedMLP, in half precision, so gradients of the tables accumulate in an
    order that changes from run to run. Raises InputError where tiny-cuda-nn does not load on this
    machine.
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
        try:
            import tinycudann
        except OSError as error:  # what it raises without a GPU, or built for another one
            raise InputError(
                "inr hashgrid", f"tiny-cuda-nn does not load: {error}", "--inr hashgrid-torch"
            ) from None
        encoding = {
            "otype": "HashGrid",
            "n_levels": n_levels,
            "n_features_per_level": n_features_per_level,
            "log2_hashmap_size": log2_hashmap_size,
            "base_resolution": base_resolution,
            "per_level_scale": per_level_scale,
        }
        network = {
            "otype": "FullyFusedMLP",
            "activation": "ReLU",
            "output_activation": "None",
            "n_neurons": n_neurons,
            "n_hidden_layers": n_hidden_layers,
        }
        library = tinycudann.NetworkWithInputEncoding(in_dim, out_dim, encoding, network)
        if library.params.numel() != self.flat().numel():
            raise InputError(
                "inr hashgrid",
                f"tiny-cuda-nn has {library.params.numel()} parameters for these options where "
                f"version 2.0 has {self.flat().numel()}",
                "version 2.0 of tiny-cuda-nn, or --inr hashgrid-torch",
            )
        self._library = (library,)  # in a tuple, so that its own parameters are not ours too

    def forward(self, coords: torch.Tensor) -> torch.Tensor:
        flat = self.flat()
        return functional_call(self._library[0], {"params": flat.float()}, (coords,)).to(flat.dtype)

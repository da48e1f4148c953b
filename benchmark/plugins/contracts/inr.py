"""The contract of an INR: a small network from coordinates to intensities."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import torch


class INR(Protocol):
    """A torch.nn.Module, constructed as `(in_dim, out_dim, *, hyper-parameters)`.

    in_dim: 2 for a slice (row, column), 3 for a volume (plane, row, column); a backbone for slices
    alone raises InputError for 3. out_dim: channels of the image. Weights are drawn from torch's
    random state, which the engine seeds with the fit's seed. A keyword `seed` is filled with that
    seed too: for random constants that cost no bytes; make them with philox_normal or
    philox_uniform. Only parameters are written into the file.
    """

    def __call__(self, coords: torch.Tensor) -> torch.Tensor:
        """`forward`: pixel centers [N, in_dim] in the declared range -> values [N, out_dim].

        Values are intensities: 0 is black and 1 is white; they need no clipping. Each row depends
        on its own coordinates alone. The coordinates stay as they are.
        """
        ...

    def named_parameters(self) -> Iterator[tuple[str, torch.nn.Parameter]]:
        """The parameters by name, as torch.nn.Module has it: what is fitted and written."""
        ...


@dataclass(frozen=True)
class FusedMLP:
    """A coordinate network as the compiled kernels see it: act(scale (W x + b)) in each hidden
    layer, W x + b in the last.

    An INR that is a multilayer perceptron may have a method `fused(coords [N, in_dim]) ->
    FusedMLP`, which describes it; without one it runs in PyTorch, several times slower.

    weights, biases: names of the parameters, first layer first (a bias may be None). activation:
    sine sin(z), relu max(z, 0), gauss exp(-z^2), gabor cos(z) exp(-(ratio z)^2), of z = scale (W x
    + b); scales: one a hidden layer. x is `inputs [N, in]`, features of the pixels that stay as
    they are, or is learned: the sum over corners of tables[index] * weight, with index and weight
    [corners, N, in] and `tables` the names of parameters, joined in this order.
    """

    weights: tuple[str, ...]
    biases: tuple[str | None, ...]
    activation: Literal["sine", "relu", "gauss", "gabor"]
    scales: tuple[float, ...]
    ratio: float = 1.0
    inputs: torch.Tensor | None = None
    tables: tuple[str, ...] = ()
    index: torch.Tensor | None = None
    weight: torch.Tensor | None = None

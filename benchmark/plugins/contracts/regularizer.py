"""The contract of a regularizer: the penalty that a network puts on a rendering."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeAlias

from benchmark.types import Sample

if TYPE_CHECKING:
    import torch

# f(images [k, H, W, C], numbers of their samples [k]) -> (penalty [k], its gradient [k, H, W, C])
Penalty: TypeAlias = Callable[
    ["torch.Tensor", "torch.Tensor"], tuple["torch.Tensor", "torch.Tensor"]
]


class LossNetwork(Protocol):
    """The frozen network in the loss, as a regularizer sees it."""

    def logits(self, images: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        """images [k, H, W, C] in [0, 1], volume [k, 4] -> logits [k, H, W], differentiable.

        Of a network of labels: [k, classes].
        """
        ...


class Regularizer(Protocol):
    """What the network's reading costs, constructed as `(*, options)`."""

    def make(self, samples: Sequence[Sample], network: LossNetwork) -> Penalty:
        """The penalty of these samples: f(images, which) -> (penalty [k], gradient).

        images: renderings [k, H, W, C], float32, not clipped; they stay as they are. which [k]: the
        number of each image's sample; k may be fewer than the samples. The gradient [k, H, W, C] is
        that of the sum of the penalties with respect to the images. Both come without a graph. A
        fit's penalty depends on its own image alone.
        """
        ...

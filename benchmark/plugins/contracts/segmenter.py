"""The contract of a segmenter: a network that reads images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch


class Segmenter(Protocol):
    """A torch.nn.Module, constructed as `(channels, *, hyper-parameters)`; channels: of its images.

    It owns its normalisation. In a run it is frozen and in eval mode. One that is declared with
    task="label" has a keyword `classes` with a number as its default.
    """

    def __call__(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        """`forward(image, volume) -> logits`, differentiable in the image.

        image: [B, C, H, W], intensities in [0, 1] (a rendering may overshoot by a little); with
        dims=3 volumes [B, C, D, H, W]. H and W (and D) are multiples of the declared `multiple`.
        volume: [B, 4], of each image's whole volume the mean, the standard deviation and the 10th
        and 99th percentile, in the same units.

        Returns logits, not probabilities: [B, 1, H, W], with dims=3 [B, 1, D, H, W], with
        task="label" [B, classes]. Raises ValueError or RuntimeError for another number of channels.
        """
        ...

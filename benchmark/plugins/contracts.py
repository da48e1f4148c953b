"""The contracts of the plug-in kinds: what the engine asks of a data set, a codec, an optimizer, a
regularizer.

INR: a torch.nn.Module `(in_dim, out_dim, *, hyper-parameters)` with `forward(coords [N, in_dim]) ->
[N, out_dim]`. A keyword `seed` is filled with the fit's seed: for random constants that cost no
bytes (make them with philox_*). Segmenter: a torch.nn.Module `(channels, *, hyper-parameters)` with
`forward(image [B, C, H, W] in [0, 1], volume [B, 4]) -> logits [B, 1, H, W]`; `volume` holds
VolumeStatistics.as_row() for each image; it owns its normalisation. One declared with task="label"
has a keyword `classes` and gives logits [B, classes]; one with dims=3 takes volumes [B, C, D, H,
W], gives [B, 1, D, H, W]. An INR that is a multilayer perceptron may have a method `fused(coords
[N, in_dim]) -> FusedMLP`, which describes it to the compiled kernels; without one it runs in
PyTorch.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

import numpy as np

from benchmark.errors import InputError
from benchmark.folders import data_folder
from benchmark.types import Sample

if TYPE_CHECKING:
    import torch

    from benchmark.files.fetch import Source


@dataclass(frozen=True)
class FusedMLP:
    """A coordinate network as the compiled kernels see it: act(scale (W x + b)) in each hidden
    layer, W x + b in the last.

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


class Dataset:
    """Base of data sets: patients in splits, slices with masks.

    Subclasses take `(root: Path | None = None, *, options)` and offer `ids` and `load`. Ids are
    PATIENT-SLICE, stable, sorted and mean the same image whatever else is selected; a patient is in
    one split only.
    """

    licence: ClassVar[str]
    citation: ClassVar[str]
    # How it is had, for `data fetch`: a file that anyone may download, or OWNER/NAME on Kaggle;
    # get: what a person has to do, where no program can (a registration, a signature) or may.
    source: ClassVar[Source | None] = None
    kaggle: ClassVar[str] = ""
    get: ClassVar[str] = ""

    def fetch(self) -> Path | None:
        """Return the folder with the data (None where none is needed); raises InputError with what
        to do if absent.
        """
        raise InputError(
            f"data set {type(self).__name__}",
            "it cannot be fetched by this version",
            "put it in a folder by hand and pass --root FOLDER",
        )

    def ids(self, split: str) -> list[str]:
        """Sorted sample ids of a split: train, val or test."""
        raise NotImplementedError

    def load(self, sample_id: str) -> Sample:
        """Read one sample; raises InputError naming the file where it cannot be used."""
        raise NotImplementedError

    def label(self, sample_id: str) -> str:
        """The class of a sample, where its id alone says so, else ""; `--limit` takes classes in
        turn.
        """
        return ""

    def samples(self, split: str) -> Iterator[Sample]:
        return (self.load(sample_id) for sample_id in self.ids(split))

    def volumes(self, split: str) -> list[str]:
        """Sorted ids of a split's volumes, for `--dims 3`: PATIENT, or PATIENT-TEXT where a patient
        has several.
        """
        raise InputError(
            f"volumes of the data set {type(self).__name__}",
            "it has no volumes",
            "--dims 2, or another data set",
        )

    def load_volume(self, volume_id: str) -> Sample:
        """Read one volume: a Sample of `depth` planes, one below the other; raises InputError as
        `load` does.
        """
        raise InputError(
            f"the volume {volume_id} of {type(self).__name__}",
            "it has no volumes",
            "--dims 2, or another data set",
        )


def data_root(root: Path | str | None, name: str, inside: Sequence[str], marker: str) -> Path:
    """Find a data set's folder: `root` itself or a folder `inside` it that holds a match of the
    glob `marker`.

    Without `root`, $SINCO_BENCH_DATA takes its place, or where `data fetch` puts what it downloads.
    Raises InputError with what to type where nothing matches.
    """
    given = Path(root) if root is not None else None
    base = given or data_folder()
    if given is None and not os.environ.get("SINCO_BENCH_DATA") and not base.is_dir():
        raise InputError(
            f"the data set {name}",
            "neither --root nor SINCO_BENCH_DATA says where it is",
            f"--root FOLDER, the folder that holds {marker}",
        )
    if not base.is_dir():
        raise InputError(
            f"the data set {name} in {base}", "no such folder", f"--root FOLDER that holds {marker}"
        )
    for folder in (base, *(base / part for part in inside)):
        if folder.is_dir() and next(folder.glob(marker), None) is not None:
            return folder
    raise InputError(
        f"the data set {name} in {base}",
        f"nothing there matches {marker}",
        f"--root FOLDER that holds {marker} (looked in it and in {', '.join(inside)})",
    )


@dataclass(frozen=True)
class Decoded:
    """What a decoder returns: image float32 [H, W, C] clipped to [0, 1], and the mask [H, W] where
    the file sends one.
    """

    image: np.ndarray
    mask: np.ndarray | None = None


class Codec(Protocol):
    """A classical codec, whose files stand beside those of the backbones at the same bytes.

    The decorator says how it is called: `label` (its short name in tables, at most 8 characters),
    `suffix` (of its files: ".j2k"), `magic` (how they begin: benchmark/plugins/magic.py), and
    `sends_mask=True` where a file holds the true mask; that mask is then what is scored. Where no
    loss sees the true mask, such a codec is left out unless it is asked for.
    """

    def encode(self, sample: Sample, max_bytes: int) -> bytes:
        """The best file of at most `max_bytes` bytes; raises CellFailed where none is that small."""

    def decode(self, data: bytes) -> Decoded: ...


class Optimizer(Protocol):
    """Over stacked parameters: each tensor is [K, ...] and each of the K fits stands on its own.

    Constructed as `(parameters: dict[str, Tensor [K, ...]], *, hyper-parameters)`. No global norm,
    nothing shared. A member whose gradient or parameters are not finite is frozen before any
    factorisation, and `alive [K]` says so.

    The engine sets an attribute `fused`, at any time: whether the step may use compiled code. An
    optimizer without such code ignores it; one with it must take the same steps either way, but for
    rounding.
    """

    alive: torch.Tensor

    def step(self, gradients: dict[str, torch.Tensor], lr: torch.Tensor) -> None:
        """Update the parameters in place; lr [K]."""


class Regularizer(Protocol):
    """`make(samples, network)` returns f(images [k, H, W, C], numbers of their samples [k]) ->
    (penalty [k], its gradient).

    The gradient [k, H, W, C] is that of the sum of the penalties with respect to the images; k may
    be fewer than the samples. network.logits(images, volume [k, 4]) gives [k, H, W], or [k,
    classes] to a regularizer declared with task="label".
    """

    def make(
        self, samples: Sequence[Sample], network: Any
    ) -> Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor]]: ...


def philox_uniform(seed: int, count: int) -> np.ndarray:
    """`count` float64 in (0, 1) from raw Philox words, the same in every version of numpy (unlike
    its distributions).
    """
    words = np.random.Philox(key=seed).random_raw(count)
    return ((words >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def philox_normal(seed: int, count: int) -> np.ndarray:
    """`count` standard normal float64 by Box-Muller from raw Philox words."""
    u = philox_uniform(seed, 2 * ((count + 1) // 2)).reshape(2, -1)
    radius, angle = np.sqrt(-2.0 * np.log(u[0])), 2.0 * np.pi * u[1]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]

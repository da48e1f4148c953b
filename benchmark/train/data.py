"""A split of a data set as tensors in memory, and the hash that says which images trained and tested a network."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import torch

from benchmark.errors import InputError
from benchmark.plugins.contracts import Dataset
from benchmark.types import SPLITS, Sample


@dataclass(frozen=True)
class Slices:
    """Images float32 [N, C, H, W] in [0, 1], masks float32 [N, 1, H, W] (0 or 1), volumes [N, 4], the N patients and pixel sizes."""

    images: torch.Tensor
    masks: torch.Tensor
    volumes: torch.Tensor
    patients: tuple[str, ...]
    channels: tuple[str, ...]
    spacings_mm: tuple[tuple[float, float], ...]

    def __len__(self) -> int:
        return len(self.patients)

    def to(self, device: str) -> Slices:
        return replace(self, images=self.images.to(device), masks=self.masks.to(device),
                       volumes=self.volumes.to(device))


@dataclass(frozen=True)
class Splits:
    """The three splits, and a hash over the ids and contents of all that is in them."""

    train: Slices
    val: Slices
    test: Slices
    hash: str


def read_splits(dataset: Dataset, multiple: int,
                seen: Callable[[str, int, int], None] = lambda split, i, n: None) -> Splits:
    """Read all splits once; `seen(split, i, n)` is told of each sample.

    Raises InputError for an empty split, images of more than one shape, or sizes that are not a multiple of `multiple`.
    """
    digest = hashlib.sha256()
    parts = {}
    for split in SPLITS:
        ids, samples = dataset.ids(split), []
        for i, sample_id in enumerate(ids):
            samples.append(sample := dataset.load(sample_id))
            digest.update(f"{split} {sample.id} {sample.hash}\n".encode())
            seen(split, i + 1, len(ids))
        parts[split] = _stack(samples, split, multiple)
    return Splits(**parts, hash=digest.hexdigest()[:16])


def _stack(samples: list[Sample], split: str, multiple: int) -> Slices:
    asked = f"training on the split {split!r}"
    if not any(sample.has_lesion for sample in samples):
        raise InputError(asked, f"{len(samples)} slices in it, none with a lesion", "data with some in each split")
    shapes = {sample.image.shape for sample in samples}
    height, width, _ = samples[0].image.shape
    if len(shapes) > 1:
        raise InputError(asked, f"images of several shapes: {', '.join(map(str, sorted(shapes)))}",
                         "the data set's option that brings them to one size, such as --set size=128")
    if height % multiple or width % multiple:
        raise InputError(asked, f"images of {height} x {width} pixels; this segmenter reads multiples of {multiple}",
                         "the data set's option for the size, such as --set size=128")
    return Slices(_tensor(s.image.transpose(2, 0, 1) for s in samples), _tensor(s.mask[None] for s in samples),
                  torch.tensor([s.volume.as_row() for s in samples], dtype=torch.float32),
                  tuple(s.patient for s in samples), samples[0].channels, tuple(s.spacing_mm for s in samples))


def _tensor(arrays: Iterable) -> torch.Tensor:
    return torch.stack([torch.from_numpy(array.copy()).float() for array in arrays])

"""The splits of a data set as tensors in memory, and the hash that says which images trained and
tested a network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from benchmark.errors import InputError
from benchmark.plan.selection import SEGMENTER
from benchmark.plugins.contracts import Dataset
from benchmark.types import SPLITS, Sample, extent, planes

Compress = Callable[[Sequence[Sample]], list[Sample]]


@dataclass(frozen=True)
class Purpose:
    """What a network is trained for: what it declares (multiple, task, dims), and for masks which
    ones: lesion or brain.
    """

    multiple: int
    task: str = "mask"
    dims: int = 2
    target: str = "lesion"


@dataclass(frozen=True)
class Slices:
    """Images float32 [N, C, H, W] in [0, 1], their truth, volumes [N, 4], the N patients and pixel
    sizes.

    truth: masks float32 [N, 1, H, W] (0 or 1), or labels int64 [N], numbers of `classes`. Of
    volumes both are [N, ., D, H, W].
    """

    images: torch.Tensor
    truth: torch.Tensor
    volumes: torch.Tensor
    patients: tuple[str, ...]
    channels: tuple[str, ...]
    spacings_mm: tuple[tuple[float, float], ...]
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.patients)

    @property
    def planes(self) -> int:
        """How many slices there are, each plane of a volume counted."""
        return len(self) * (self.images.shape[2] if self.images.ndim == 5 else 1)

    def to(self, device: str) -> Slices:
        return replace(
            self,
            images=self.images.to(device),
            truth=self.truth.to(device),
            volumes=self.volumes.to(device),
        )


@dataclass(frozen=True)
class Splits:
    """The three splits, the test split as decoded where networks train on decoded images, and a
    hash over ids and contents.
    """

    train: Slices
    val: Slices
    test: Slices
    hash: str
    test_decoded: Slices | None = None


def read_splits(
    dataset: Dataset,
    purpose: Purpose,
    *,
    train_on: str = "original",
    compress: Compress | None = None,
    seen: Callable[[str, int, int], None] = lambda split, i, n: None,
) -> Splits:
    """Read all splits once; `seen(split, i, n)` is told of each sample. The val and test splits
    stay originals.

    compress: turns samples into what a decoder makes of their files, for the train split where
    `train_on` asks for it (compressed, or both). Raises InputError for an empty split, one without
    anything to learn, images of several shapes, or unfit sizes.
    """
    digest = hashlib.sha256()
    found = {}
    list_ids, load = (
        (dataset.volumes, dataset.load_volume) if purpose.dims == 3 else (dataset.ids, dataset.load)
    )
    for split in SPLITS:
        ids, samples = list_ids(split), []
        for i, sample_id in enumerate(ids):
            samples.append(sample := load(sample_id))
            digest.update(
                f"{split} {sample.id} {sample.hash}{' ' * bool(sample.label)}{sample.label}\n".encode()
            )
            seen(split, i + 1, len(ids))
        _check(samples, split, purpose)
        found[split] = samples
    classes = (
        tuple(sorted({sample.label for samples in found.values() for sample in samples}))
        if purpose.task == "label"
        else ()
    )
    if purpose.task == "label" and len(classes) < 2:
        raise InputError(
            "training on labels",
            f"every image is of the class {classes[0]!r}",
            "data of at least two classes",
        )
    decoded: list[Sample] = []
    if compress:
        count = len(found["train"])
        decoded = compress(found["train"] + found["test"])
        found["train"], decoded = (
            decoded[:count] + (found["train"] if train_on == "both" else []),
            decoded[count:],
        )
    parts = {split: stack(samples, purpose, classes) for split, samples in found.items()}
    return Splits(
        **parts,
        hash=digest.hexdigest()[:16],
        test_decoded=stack(decoded, purpose, classes) if decoded else None,
    )


def _check(samples: Sequence[Sample], split: str, purpose: Purpose) -> None:
    asked = f"training on the split {split!r}"
    if not samples:
        raise InputError(
            asked,
            "it is empty",
            "data with some in each split, or --set splits=FILE that says who is in which",
        )
    if purpose.task == "label":
        if unknown := [sample.id for sample in samples if not sample.label]:
            raise InputError(
                f"{asked} by labels",
                f"{len(unknown)} of {len(samples)} images have no label, such as {unknown[0]}",
                "data with labels, such as --dataset brain-tumor-mri, or a network that learns"
                f" masks: --segmenter {SEGMENTER}",
            )
    elif purpose.target == "brain":
        if not any(sample.brain.any() and not sample.brain.all() for sample in samples):
            raise InputError(
                f"{asked} with --target brain",
                f"no brain masks: each of {len(samples)} is empty or the whole picture",
                "data with brain masks, such as --dataset nfbs",
            )
    elif not any(sample.has_lesion for sample in samples):
        raise InputError(
            asked,
            f"{len(samples)} images in it, none with a lesion",
            "data with some in each split",
        )
    shapes = {sample.image.shape: extent(sample.image.shape, sample.depth) for sample in samples}
    if len(shapes) > 1:
        several = ", ".join(text for _, text in sorted(shapes.items())[:4]) + (
            f", and {len(shapes) - 4} more" if len(shapes) > 4 else ""
        )
        todo = "--set size=128" if purpose.dims == 2 else "--set size=64 --set planes=32"
        raise InputError(
            asked,
            f"images of several shapes: {several}",
            f"the data set's options that bring them to one, such as {todo}",
        )
    (rows, width, _), depth = samples[0].image.shape, samples[0].depth
    sides = (rows // depth, width) if purpose.dims == 2 else (depth, rows // depth, width)
    if any(side % purpose.multiple for side in sides):
        todo = "--set size=128" if purpose.dims == 2 else "--set size=64 --set planes=32"
        raise InputError(
            asked,
            f"images of {next(iter(shapes.values()))}; this segmenter reads multiples of"
            f" {purpose.multiple}",
            f"the data set's options for the size, such as {todo}",
        )


def stack(samples: Sequence[Sample], purpose: Purpose, classes: tuple[str, ...]) -> Slices:
    """Samples of one shape as tensors; classes: the names that labels are numbers of."""

    def shaped(array: np.ndarray, depth: int) -> np.ndarray:
        """[D * H, W, C] -> [C, H, W], or [C, D, H, W]."""
        return (
            array.transpose(2, 0, 1)
            if purpose.dims == 2
            else planes(array, depth).transpose(3, 0, 1, 2)
        )

    if purpose.task == "label":
        truth = torch.tensor([classes.index(sample.label) for sample in samples])
    else:
        truth = _tensor(
            shaped((s.brain if purpose.target == "brain" else s.mask)[..., None], s.depth)
            for s in samples
        )
    return Slices(
        _tensor(shaped(s.image, s.depth) for s in samples),
        truth,
        torch.tensor([s.volume.as_row() for s in samples], dtype=torch.float32),
        tuple(s.patient for s in samples),
        samples[0].channels,
        tuple(s.spacing_mm for s in samples),
        classes,
    )


def _tensor(arrays: Iterable[np.ndarray]) -> torch.Tensor:
    return torch.stack([torch.from_numpy(array.copy()).float() for array in arrays])

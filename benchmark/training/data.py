"""The splits of a data set as tensors in memory, and the hash that says which images trained and
tested a network.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from benchmark.errors import InputError, Value, field, option
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
    seen: Callable[[str, int, int], None] | None = None,
) -> Splits:
    """Read all splits once; `seen(split, i, n)` is told of each sample. The val and test splits
    stay originals.

    compress: turns samples into what a decoder makes of their files, for the train split where
    `train_on` asks for it (compressed, or both). Raises InputError for an empty split, one without
    anything to learn, images of several shapes, or unfit sizes.
    """
    found, digest = _read(dataset, purpose, seen)
    classes = _classes(found) if purpose.task == "label" else ()
    decoded_test: list[Sample] = []
    if compress:
        originals = found["train"]
        decoded = compress(originals + found["test"])
        found["train"] = decoded[: len(originals)]
        decoded_test = decoded[len(originals) :]
        if train_on == "both":
            found["train"] = found["train"] + originals
    return Splits(
        train=stack(found["train"], purpose, classes),
        val=stack(found["val"], purpose, classes),
        test=stack(found["test"], purpose, classes),
        hash=digest,
        test_decoded=stack(decoded_test, purpose, classes) if decoded_test else None,
    )


def _read(
    dataset: Dataset, purpose: Purpose, seen: Callable[[str, int, int], None] | None
) -> tuple[dict[str, list[Sample]], str]:
    """The samples of each split, and a hash over who they are and what they hold."""
    list_ids: Callable[[str], list[str]] = dataset.ids
    load: Callable[[str], Sample] = dataset.load
    if purpose.dims == 3:
        list_ids, load = dataset.volumes, dataset.load_volume
    digest = hashlib.sha256()
    found = {}
    for split in SPLITS:
        ids, samples = list_ids(split), []
        for number, sample_id in enumerate(ids, 1):
            sample = load(sample_id)
            samples.append(sample)
            label = f" {sample.label}" if sample.label else ""
            digest.update(f"{split} {sample.id} {sample.hash}{label}\n".encode())
            if seen is not None:
                seen(split, number, len(ids))
        _check(samples, split, purpose)
        found[split] = samples
    return found, digest.hexdigest()[:16]


def _classes(found: dict[str, list[Sample]]) -> tuple[str, ...]:
    """The names of the classes in all splits; raises InputError where there is one only."""
    names = set()
    for samples in found.values():
        names |= {sample.label for sample in samples}
    classes = tuple(sorted(names))
    if len(classes) < 2:
        raise InputError(
            "training on labels",
            f"every image is of the class {classes[0]!r}",
            "data of at least two classes",
        )
    return classes


def _check(samples: Sequence[Sample], split: str, purpose: Purpose) -> None:
    """Raise InputError where there is nothing to learn in a split, or its images do not fit."""
    asked = f"training on the split {split!r}"
    if not samples:
        raise InputError(
            asked,
            "it is empty",
            f"data with some in each split, or {option('splits', 'FILE')} that says who is in"
            " which",
        )
    if purpose.task == "label":
        _check_labels(samples, asked)
    elif purpose.target == "brain":
        if not any(sample.brain.any() and not sample.brain.all() for sample in samples):
            raise InputError(
                f"{asked} with {field('target', 'brain')}",
                f"no brain masks: each of {len(samples)} is empty or the whole picture",
                f"data with brain masks, such as {field('dataset', 'nfbs')}",
            )
    elif not any(sample.has_lesion for sample in samples):
        raise InputError(
            asked,
            f"{len(samples)} images in it, none with a lesion",
            "data with some in each split",
        )
    _check_shapes(samples, asked, purpose)


def _check_labels(samples: Sequence[Sample], asked: str) -> None:
    """Raise InputError where images have no label."""
    unknown = [sample.id for sample in samples if not sample.label]
    if unknown:
        raise InputError(
            f"{asked} by labels",
            f"{len(unknown)} of {len(samples)} images have no label, such as {unknown[0]}",
            f"data with labels, such as {field('dataset', 'brain-tumor-mri')}, or a network that"
            f" learns masks: {field('segmenter', SEGMENTER)}",
        )


def _check_shapes(samples: Sequence[Sample], asked: str, purpose: Purpose) -> None:
    """Raise InputError where images are of several shapes, or of one that a network cannot read."""
    small: dict[str, Value] = {"size": 128} if purpose.dims == 2 else {"size": 64, "planes": 32}
    todo = field("sets", small)
    shapes = {sample.image.shape: extent(sample.image.shape, sample.depth) for sample in samples}
    if len(shapes) > 1:
        several = ", ".join(text for _, text in sorted(shapes.items())[:4])
        if len(shapes) > 4:
            several += f", and {len(shapes) - 4} more"
        raise InputError(
            asked,
            f"images of several shapes: {several}",
            f"the data set's options that bring them to one, such as {todo}",
        )
    (rows, width, _), depth = samples[0].image.shape, samples[0].depth
    sides = (rows // depth, width) if purpose.dims == 2 else (depth, rows // depth, width)
    if any(side % purpose.multiple for side in sides):
        raise InputError(
            asked,
            f"images of {next(iter(shapes.values()))}; this segmenter reads multiples of"
            f" {purpose.multiple}",
            f"the data set's options for the size, such as {todo}",
        )


def stack(samples: Sequence[Sample], purpose: Purpose, classes: tuple[str, ...]) -> Slices:
    """Samples of one shape as tensors; classes: the names that labels are numbers of."""
    images, masks, labels = [], [], []
    for sample in samples:
        images.append(_shaped(sample.image, sample.depth, purpose.dims))
        if purpose.task == "label":
            labels.append(classes.index(sample.label))
        else:
            mask = sample.brain if purpose.target == "brain" else sample.mask
            masks.append(_shaped(mask[..., None], sample.depth, purpose.dims))
    volumes = [sample.volume.as_row() for sample in samples]
    return Slices(
        images=torch.stack(images),
        truth=torch.tensor(labels) if purpose.task == "label" else torch.stack(masks),
        volumes=torch.tensor(volumes, dtype=torch.float32),
        patients=tuple(sample.patient for sample in samples),
        channels=samples[0].channels,
        spacings_mm=tuple(sample.spacing_mm for sample in samples),
        classes=classes,
    )


def _shaped(array: np.ndarray, depth: int, dims: int) -> torch.Tensor:
    """[D * H, W, C] -> float32 [C, H, W], or [C, D, H, W]."""
    if dims == 2:
        turned = array.transpose(2, 0, 1)
    else:
        turned = planes(array, depth).transpose(3, 0, 1, 2)
    return torch.from_numpy(turned.copy()).float()

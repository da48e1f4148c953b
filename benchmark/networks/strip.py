"""The brain of a scan at its own size: without a trained network, or by one that reads it as its
card says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import ndimage

from benchmark.errors import InputError, field
from benchmark.images.prepare import Preparation, box_of, picture, view_of
from benchmark.images.scan import Scan
from benchmark.images.skull import one_piece
from benchmark.networks.chain import PREPARED
from benchmark.networks.evaluate import Stack, classical, each_run, probability
from benchmark.networks.network import Network
from benchmark.types import DICE_THRESHOLD, Sample


def brain_of(scan: Scan, network: Network | None, size: int = 0, planes: int = 0) -> np.ndarray:
    """Brain, bool [Z, H, W]; network None: the classical way, at the scan's own size.

    A network reads pictures of `size` pixels a side in the window of its card (0: the scan's own
    size); one of volumes reads all planes at once, brought to `planes` by area averages (0: as many
    as there are, or the next multiple that it reads). What it says is brought back linearly, and of
    what it marks then the largest piece without holes is taken.
    """
    options = network.card.get("dataset_options") or {} if network else {}
    prepared = {name: options[name] for name in PREPARED if name in options}
    how = Preparation(size=size, **prepared)
    slices = _slices(scan, how)
    if network is None:
        return classical(Stack(scan.case, slices))
    count = planes or -(-len(slices) // network.multiple) * network.multiple
    if network.dims == 3 and count != len(slices):
        slices = _averaged(slices, count)
    stack = Stack(scan.case, slices, volume=network.dims == 3)
    said = _back(probability(network, stack, stack.images), scan.shape, how.fit)
    marked = said >= DICE_THRESHOLD
    return each_run(one_piece, marked, scan.numbers)


def size_of(card: Mapping[str, Any], asked: str, size: int | None) -> int:
    """Pixels a side that a network reads: `size`, or what its card says; raises InputError where
    neither does.
    """
    found = size if size is not None else (card.get("dataset_options") or {}).get("size")
    if found is None:
        raise InputError(
            asked,
            "its card does not say at which size it reads",
            f"{field('size', 64)}: the pixels a side of its training",
        )
    return int(found)


def _slices(scan: Scan, how: Preparation) -> tuple[Sample, ...]:
    """Every plane as a sample, an empty one too: of a volume that is read whole none may be
    missing.
    """
    whole, box = view_of(scan, how, None), box_of(scan, how)
    slices = []
    for k, number in enumerate(scan.numbers):
        view = view_of(scan, how, k) if how.per == "slice" and _has_tissue(scan, k) else whole
        name = f"{scan.case}-{number:03d}"
        slices.append(
            picture(scan, k, how, view, box, sample_id=name, dataset="", patient=scan.case)
        )
    return tuple(slices)


def _has_tissue(scan: Scan, k: int) -> bool:
    """Whether every channel shows tissue in the k-th plane."""
    return all(scan.tissue(name, k).any() for name in scan.channels)


def _averaged(slices: tuple[Sample, ...], planes: int) -> tuple[Sample, ...]:
    from skimage.transform import resize_local_mean

    images = np.stack([sample.image for sample in slices])
    images = resize_local_mean(
        images, (planes, *images.shape[1:3]), channel_axis=-1, preserve_range=True
    ).astype(np.float32)
    averaged = []
    for k, image in enumerate(images):
        averaged.append(replace(slices[0], image=image, slice_index=k))
    return tuple(averaged)


def _back(said: np.ndarray, shape: tuple[int, int, int], fit: str) -> np.ndarray:
    """What a network says [planes, size, size], on the grid [Z, H, W] that its pictures were made
    from: linear between pixels.
    """
    if said.shape == shape:
        return said
    scale, offset = [said.shape[0] / shape[0]], [0.5 * said.shape[0] / shape[0] - 0.5]
    for side, size in zip(shape[1:], said.shape[1:], strict=True):
        if fit == "resize" and said.shape[1:] != shape[1:]:  # was padded to a square, then averaged
            scale.append(size / max(shape[1:]))
            offset.append(((max(shape[1:]) - side) // 2 + 0.5) * scale[-1] - 0.5)
        else:  # was padded or cut around its center
            scale.append(1.0)
            offset.append((size - side) // 2 if size > side else -((side - size) // 2))
    beyond = "nearest" if fit == "resize" else "constant"  # what was cut away is no brain
    back: np.ndarray = ndimage.affine_transform(said, scale, offset, shape, order=1, mode=beyond)
    return back

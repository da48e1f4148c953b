"""Skull stripping by a trained network: the brain that it marks, and samples with nothing outside it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy import ndimage

from benchmark.errors import InputError
from benchmark.networks import Network
from benchmark.types import DICE_THRESHOLD, Sample, VolumeStatistics, planes


def brain_of(network: Network, sample: Sample) -> np.ndarray:
    """The brain in a sample as bool [depth * H, W]: the largest piece of what the network marks, its holes filled.

    Pieces and holes are those of the volume; of a slice those of the slice. A network of images reads a volume plane by plane.
    Raises InputError for a network that marks something else than brain, and for a slice given to one that reads volumes whole.
    """
    if (target := network.card.get("target", "lesion")) != "brain":
        raise InputError(f"skull stripping by {network.name}", f"it was trained to mark {target}s",
                         "a network trained with --target brain")
    found = network.planes(sample.depth).segment(sample.image[None], [sample.volume])[0] >= DICE_THRESHOLD
    return one_piece(planes(found, sample.depth)).reshape(found.shape)


def one_piece(marked: np.ndarray) -> np.ndarray:
    """The largest piece of a mask [D, H, W], without holes: of a volume those enclosed on all sides, of one plane those within it."""
    pieces, count = ndimage.label(marked)
    if count > 1:
        pieces = pieces == 1 + np.bincount(pieces.ravel())[1:].argmax()
    return ndimage.binary_fill_holes(pieces > 0) if len(marked) > 1 else ndimage.binary_fill_holes(pieces[0] > 0)[None]


def stripped(sample: Sample, network: Network) -> Sample:
    """The sample with 0 outside the brain that the network finds; mask and brain, the truth, stay as they are.

    The volume's statistics are taken anew, over what is left of this sample: a data set that comes stripped has those of its brains,
    scalp and fat would shift them. A slice has no more to take them over than itself: strip volumes, and take their planes.
    Raises InputError where the network finds no brain, and as `brain_of` does.
    """
    brain = brain_of(network, sample)
    if not brain.any():
        raise InputError(f"skull stripping of {sample.id} by {network.name}", "it finds no brain there", "another network, or no stripping")
    image = sample.image * brain[..., None]
    return replace(sample, image=image, volume=VolumeStatistics.of(image))

"""The chain on one image, original or decoded: strip the skull, name the class, outline the lesion
where there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from benchmark.errors import InputError
from benchmark.errors import field as mention
from benchmark.files.pictures import luminance
from benchmark.images.prepare import Preparation, box_of, picture, view_of
from benchmark.images.scan import Scan
from benchmark.images.skull import brain_mask, one_piece
from benchmark.images.steps import area_average, area_mask, padded
from benchmark.networks.network import LabelNetwork, Network
from benchmark.types import DICE_THRESHOLD, Sample, VolumeStatistics, planes

HEALTHY = (
    "none",
    "no_tumor",
    "notumor",
    "no tumor",
    "healthy",
    "normal",
)  # classes in which there is nothing to outline
PREPARED = ("window", "per", "fit")  # of a card's options, those that make sense of one image


class Source(Protocol):
    """One image: `sample(options, size)` prepares it as a network's card says, at `size` pixels a
    side (0: as it is).
    """

    @property
    def spacing_known(self) -> bool: ...

    def sample(self, options: Mapping[str, Any], size: int) -> Sample: ...


@dataclass(frozen=True)
class FromScan:
    """Plane k of a file that a person has."""

    scan: Scan
    k: int
    spacing_known: bool

    def sample(self, options: Mapping[str, Any], size: int) -> Sample:
        how = Preparation(
            size=size, **{name: options[name] for name in PREPARED if name in options}
        )
        view = view_of(self.scan, how, self.k if how.per == "slice" else None)
        return picture(
            self.scan,
            self.k,
            how,
            view,
            box_of(self.scan, how),
            sample_id=self.scan.case,
            dataset="",
            patient=self.scan.case,
        )


@dataclass(frozen=True)
class FromFile:
    """Plane k of a decoded image [depth * H, W, C], which is in [0, 1] already: it is only brought
    to a size.
    """

    image: np.ndarray
    depth: int
    k: int
    spacing_known: bool = False

    def sample(self, options: Mapping[str, Any], size: int) -> Sample:
        plane = planes(self.image, self.depth)[self.k]
        resized = plane if plane.shape[:2] == (size, size) else area_average(plane, size)
        empty = np.zeros(resized.shape[:2], bool)
        names: tuple[str, ...] = ("red", "green", "blue")
        if plane.shape[2] != 3:
            names = tuple(f"channel-{c}" for c in range(plane.shape[2]))
        return Sample(
            "decoded", "", "", resized, empty, ~empty, names, VolumeStatistics.of(self.image)
        )


@dataclass
class Found:
    """What the chain found. brain: bool [H, W] of `image`; probabilities by class; lesion: bool [H,
    W] of `read`, what was segmented.
    """

    image: np.ndarray
    brain: np.ndarray | None = None
    probabilities: dict[str, float] = field(default_factory=dict)
    read: np.ndarray | None = None
    lesion: np.ndarray | None = None
    area_mm2: float | None = None
    notes: list[str] = field(default_factory=list)

    @property
    def answered(self) -> str:
        """The class of the highest probability; "" without a classifier."""
        return max(self.probabilities, key=self.probabilities.__getitem__, default="")


def chain(
    source: Source,
    *,
    strip: str | Network | np.ndarray = "classical",
    classify: LabelNetwork | None = None,
    segment: Network | None = None,
    size: int | None = None,
    channel: str | None = None,
) -> Found:
    """Each step reads the image as its network's card has it prepared; where the class is one of
    HEALTHY nothing is segmented.

    strip: "classical", "none", a network that marks brains in images, or a brain [H, W] at the
    source's own size. Raises InputError where channels or sizes do not fit a network.
    """
    notes: list[str] = []
    networks = [network for network in (classify, segment) if network is not None]
    if networks:
        notes.append(
            "what networks normalise by is taken from this file alone; in training it was the whole"
            " volume's"
        )
    shown, brain = _prepared(source, networks[0] if networks else None, strip, size, channel, notes)
    found = Found(shown.image, brain, notes=notes)
    if classify is not None:
        (said,) = classify.answer(_stripped(shown, brain)[None], [shown.volume])
        found.probabilities = {
            name: float(p) for name, p in zip(classify.classes, said, strict=True)
        }
    if segment is not None and found.answered not in HEALTHY:
        sample, inside = (
            (shown, brain)
            if classify is None
            else _prepared(source, segment, strip, size, channel, notes)
        )
        found.read = _stripped(sample, inside)
        found.lesion = segment.segment(found.read[None], [sample.volume])[0] >= DICE_THRESHOLD
        if source.spacing_known:
            found.area_mm2 = float(found.lesion.sum()) * sample.spacing_mm[0] * sample.spacing_mm[1]
    elif segment is not None:
        notes.append(f"nothing is segmented: the class is {found.answered}")
    return found


def _prepared(
    source: Source,
    network: Network | None,
    strip: str | Network | np.ndarray,
    size: int | None,
    channel: str | None,
    notes: list[str],
) -> tuple[Sample, np.ndarray | None]:
    """The image as `network` reads it, and its brain [H, W]."""
    options = (network.card.get("dataset_options") or {}) if network else {}
    sample = source.sample({}, 0)
    side = size if size is not None else int(options.get("size") or 0)
    if side and sample.image.shape[:2] != (side, side):
        note = (
            f"{sample.image.shape[0]} x {sample.image.shape[1]} pixels are brought to {side} x"
            f" {side} by area averages"
        )
        notes += [note] if note not in notes else []
    sample = _with_channels(source.sample(options, side), network, channel)
    if isinstance(strip, np.ndarray):
        return sample, (padded if options.get("fit") == "pad" else area_mask)(strip, side)
    if isinstance(strip, Network):
        # A brain network may know another size: it reads its own, and its mask comes back to this
        # one.
        own, _ = _prepared(source, strip, "none", size, channel, notes)
        mask = one_piece(strip.segment(own.image[None], [own.volume]) >= DICE_THRESHOLD)[0]
        return sample, (
            mask if mask.shape == sample.image.shape[:2] else area_mask(mask, sample.image.shape[0])
        )
    return sample, brain_mask(sample.image.mean(-1)[None])[0] if strip == "classical" else None


def _stripped(sample: Sample, brain: np.ndarray | None) -> np.ndarray:
    """Raises InputError without a brain: a network that reads a black picture finds nothing, and
    that would look like a healthy one.
    """
    if brain is not None and not brain.any():
        raise InputError(
            "skull stripping",
            "no brain is found in the picture",
            f"{mention('strip', 'none')}, or another network that marks brains",
        )
    return sample.image if brain is None else sample.image * brain[..., None]


def _with_channels(sample: Sample, network: Network | None, channel: str | None) -> Sample:
    """The sample with the channels that a network reads; raises InputError with what `channel` may
    be where they do not fit.
    """
    if channel == "gray" and len(sample.channels) == 3:
        gray = luminance(sample.image)[..., None]
        sample = replace(sample, image=gray, channels=("gray",), volume=VolumeStatistics.of(gray))
    elif channel is not None:
        if channel not in sample.channels:
            raise InputError(
                mention("channel", channel),
                f"the image has {', '.join(sample.channels)}",
                (
                    mention("channel", sample.channels[0])
                    if len(sample.channels) > 1
                    else f"leave out {mention('channel')}"
                ),
            )
        one = sample.image[..., [sample.channels.index(channel)]]
        sample = replace(sample, image=one, channels=(channel,), volume=VolumeStatistics.of(one))
    if network is not None and len(network.channels) != len(sample.channels):
        first, *others = sample.channels
        todo = " or ".join([mention("channel", first), *others]) + (
            ", or gray (their luminance)" if len(sample.channels) == 3 else ""
        )
        raise InputError(
            f"the network {network.name} on an image of {len(sample.channels)} channels"
            f" ({', '.join(sample.channels)})",
            f"it reads {len(network.channels)}: {', '.join(network.channels)}",
            (
                todo
                if len(network.channels) == 1
                else "an image of those channels, or another network"
            ),
        )
    return sample

"""How well trained networks read originals: masks by image and patient, each post-processing apart,
calibration; class labels too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from benchmark.errors import InputError, Words, option
from benchmark.images.postprocess import STRIPPED, postprocess, runs
from benchmark.images.skull import brain_mask, one_piece
from benchmark.networks.calibration import Calibration
from benchmark.networks.checkpoints import Checkpoint
from benchmark.networks.masks import mask_scores
from benchmark.networks.network import LabelNetwork, Network
from benchmark.score.metrics import dice
from benchmark.types import DICE_THRESHOLD, Sample, planes

RAW = "raw"
CHOOSING = ("splits", "slices", "every", "planes")  # options that choose samples and change none
Strip = Callable[["Stack"], np.ndarray]  # brain, bool [N, H, W]


@dataclass(frozen=True, eq=False)
class Stack:
    """Slices of one scan in order. volume: whether they were read as a volume, which a network may
    read whole.
    """

    id: str
    slices: tuple[Sample, ...]
    volume: bool = False

    @property
    def patient(self) -> str:
        return self.slices[0].patient

    @cached_property
    def images(self) -> np.ndarray:
        """[N, H, W, C]."""
        return np.stack([sample.image for sample in self.slices])

    @property
    def masks(self) -> np.ndarray:
        """[N, H, W]."""
        return np.stack([sample.mask for sample in self.slices])

    @property
    def numbers(self) -> list[int]:
        return [sample.slice_index for sample in self.slices]

    @property
    def spacing_mm(self) -> tuple[float, float]:
        return self.slices[0].spacing_mm


def stacks_of(samples: Iterable[Sample]) -> list[Stack]:
    """Samples by scan, in the order of their slices.

    Raises InputError where slices of one patient have several sizes.
    """
    found: dict[str, list[Sample]] = {}
    volumes = set()
    for sample in samples:
        if sample.depth > 1:
            volumes.add(sample.id)
            found[sample.id] = _planes_of(sample)
        else:
            found.setdefault(sample.id.rpartition("-")[0] or sample.id, []).append(sample)
    shapes: dict[str, tuple[int, ...]] = {}
    stacks = []
    for name, slices in found.items():
        for sample in slices:
            _check_shape(sample, shapes.setdefault(sample.patient, sample.image.shape))
        ordered = sorted(slices, key=lambda sample: sample.slice_index)
        stacks.append(Stack(name, tuple(ordered), name in volumes))
    return stacks


def _planes_of(volume: Sample) -> list[Sample]:
    """The planes of a volume as slices with names of their own."""
    planes = []
    for z in range(volume.depth):
        name = f"{volume.id}-{volume.slice_index + z:03d}"
        planes.append(replace(volume.plane(z), id=name))
    return planes


def _check_shape(sample: Sample, shape: tuple[int, ...]) -> None:
    """Raise InputError where a slice has another shape than others of its patient."""
    if sample.image.shape != shape:
        raise InputError(
            f"the slices of {sample.patient}",
            f"{sample.id} has the shape {sample.image.shape}, another of them {shape}",
            "an option of the data set that brings them to one size, such as"
            f" {option('size', 128)}",
        )


def classical(scan: Stack) -> np.ndarray:
    """Brain [N, H, W] of a scan without a trained network, of the mean of its channels; each run of
    neighboring slices by itself.
    """
    return each_run(brain_mask, scan.images.mean(-1), scan.numbers)


def by_network(network: Network) -> Strip:
    """Brain as a network marks it that was trained to: its largest piece without holes, of each run
    of neighboring slices.
    """

    def brain(scan: Stack) -> np.ndarray:
        marked = probability(network, scan, scan.images) >= DICE_THRESHOLD
        return each_run(one_piece, marked, scan.numbers)

    return brain


def each_run(
    change: Callable[[np.ndarray], np.ndarray], planes: np.ndarray, numbers: Sequence[int]
) -> np.ndarray:
    """Change each run of neighboring slices [N, H, W] by itself; numbers: of the slices."""
    changed = []
    for run in runs(numbers):
        changed.append(change(planes[run]))
    return np.concatenate(changed)


def probability(network: Network, scan: Stack, images: np.ndarray) -> np.ndarray:
    """What a network says to the images [N, H, W, C] of a scan: [N, H, W]. The numbers that it
    normalises by are those of the scan.
    """
    if scan.volume or network.dims == 3:
        whole = network.planes(len(images)).segment(
            images.reshape(1, -1, *images.shape[2:]), [scan.slices[0].volume]
        )
        return planes(whole[0], len(images))
    return network.segment(images, [sample.volume for sample in scan.slices])


@dataclass
class Reading:
    """What one mask network found. by_patient: post-processing -> patient -> metrics
    (benchmark/networks/masks.py), `raw` first.

    images: one row an image and post-processing; found: raw masks by sample id.
    """

    checkpoint: Checkpoint
    name: str
    by_patient: dict[str, dict[str, dict[str, float]]]
    images: list[dict[str, Any]]
    found: dict[str, np.ndarray]
    calibration: Calibration = field(default_factory=Calibration)


def read_masks(
    network: Network,
    checkpoint: Checkpoint,
    name: str,
    scans: Sequence[Stack],
    chains: Sequence[tuple[str, ...]] = (),
    strip: Strip = classical,
) -> Reading:
    """Read all scans; each chain of post-processing is scored apart. Calibration is over the pixels
    of the brain, of raw probabilities.
    """
    variants: dict[str, tuple[str, ...]] = {RAW: ()}
    for chain in chains:
        variants["+".join(chain)] = chain
    out = Reading(checkpoint, name, {}, [], {})
    # variant -> patient -> masks of the patient's scans
    kept: dict[str, dict[str, list[np.ndarray]]] = {}
    for variant in variants:
        out.by_patient[variant] = {}
        kept[variant] = {}
    strips = any(STRIPPED in chain for chain in chains)
    for scan in scans:
        said = probability(network, scan, scan.images)
        stripped = said
        if strips:
            stripped = probability(network, scan, scan.images * strip(scan)[..., None])
        _calibrate(out, scan, said)
        for variant, chain in variants.items():
            found = (stripped if STRIPPED in chain else said) >= DICE_THRESHOLD
            found = postprocess(found, chain, scan.numbers, scan.spacing_mm)
            kept[variant].setdefault(scan.patient, []).append(found)
            for sample, mask in zip(scan.slices, found, strict=True):
                out.images.append(_image_row(name, variant, sample, mask))
                if variant == RAW:
                    out.found[sample.id] = mask
    for patient in kept[RAW]:
        own = [scan for scan in scans if scan.patient == patient]
        truth = np.concatenate([scan.masks for scan in own])
        for variant, scores in out.by_patient.items():
            masks = np.concatenate(kept[variant][patient])
            scores[patient] = mask_scores(masks, truth, own[0].spacing_mm)
    return out


def _calibrate(reading: Reading, scan: Stack, said: np.ndarray) -> None:
    """Count what a network said to a scan among what it said before."""
    truth = scan.masks
    # A network that marks the brain is asked about all pixels: within the brain there is nothing
    # to tell apart.
    if reading.checkpoint.target != "brain":
        inside = np.stack([sample.brain for sample in scan.slices])
        said, truth = said[inside], truth[inside]
    reading.calibration.add(said, truth)


def _image_row(name: str, variant: str, sample: Sample, found: np.ndarray) -> dict[str, Any]:
    lesion = sample.has_lesion
    return {
        "network": name,
        "post": variant,
        "image": sample.id,
        "patient": sample.patient,
        "slice": sample.slice_index,
        "true_px": int(sample.mask.sum()),
        "found_px": int(found.sum()),
        "dice": dice(found, sample.mask) if lesion else math.nan,
        "fp_area_px": math.nan if lesion else float(found.sum()),
    }


@dataclass
class LabelReading:
    """What one label network answered. confusion [true, answered] counts; images: one row an
    image.
    """

    checkpoint: Checkpoint
    name: str
    classes: tuple[str, ...]
    images: list[dict[str, Any]]
    confusion: np.ndarray
    calibration: Calibration = field(default_factory=Calibration)

    @property
    def recall(self) -> dict[str, float]:
        """Share of each class's images that are answered right; nan of a class without images."""
        recall = {}
        for i, name in enumerate(self.classes):
            row = self.confusion[i]
            recall[name] = float(row[i] / row.sum()) if row.sum() else math.nan
        return recall


def read_labels(
    network: LabelNetwork, checkpoint: Checkpoint, name: str, samples: Sequence[Sample]
) -> LabelReading:
    """Ask a label network about each image; calibration is of the probability of the class that it
    answers.

    Raises InputError where an image has no class, or one that the network does not know.
    """
    classes = network.classes
    out = LabelReading(checkpoint, name, classes, [], np.zeros((len(classes), len(classes)), int))
    for sample in samples:
        if sample.label not in classes:
            found = f"its class is {sample.label}" if sample.label else "it has no class"
            raise InputError(
                f"{name} on the image {sample.id}",
                f"{found}; the network knows {', '.join(classes)}",
                "a data set of those classes, or a mask network",
            )
        said = network.answer(sample.image[None], [sample.volume])[0]
        true, answered = classes.index(sample.label), int(np.argmax(said))
        out.confusion[true, answered] += 1
        out.calibration.add(said[answered : answered + 1], np.array([true == answered]))
        row = {
            "network": name,
            "image": sample.id,
            "patient": sample.patient,
            "true": sample.label,
            "answered": classes[answered],
            "right": int(true == answered),
        }
        for class_, p in zip(classes, said, strict=True):
            row[f"p_{class_}"] = float(p)
        out.images.append(row)
    return out


def remarks(
    samples: Collection[Sample],
    scans: Sequence[Stack],
    chains: Sequence[tuple[str, ...]],
    dataset: str,
) -> list[str]:
    """What a reader of the tables should know of the images."""
    out: list[str] = []
    slices, lone = 0, 0
    with_lesion = 0
    for scan in scans:
        slices += len(scan.slices)
        with_lesion += sum(sample.has_lesion for sample in scan.slices)
        lone += sum(run.stop - run.start == 1 for run in runs(scan.numbers))
    if with_lesion == slices:
        every = option(f"{dataset}.slices", "all")
        out.append(
            Words(
                f"all {len(samples)} images have a lesion: false positives where there is none"
                f" cannot be counted here; data sets of volumes have such slices with {every}"
            )
        )
    if not with_lesion:
        out.append(
            "no image has a lesion in its mask: FP px counts all that is marked, which says nothing"
            " where masks are missing"
        )
    if lone and any({"largest", "consistent"} & set(chain) for chain in chains):
        out.append(
            f"{lone} slices are read without a neighbor: there `largest` looks at the slice alone,"
            " and `consistent` keeps all"
        )
    return out


def prepared_otherwise(
    checkpoint: Checkpoint, dataset: str, options: Mapping[str, Any]
) -> list[str]:
    """A note on each network that was trained on the same data set, prepared in another way."""
    out = []
    for part in checkpoint.parts:
        if part.card["dataset"] != dataset:
            continue
        own = part.card.get("dataset_options") or {}
        other = []
        for name, here in options.items():
            if name in own and own[name] != here and name not in CHOOSING:
                other.append(f"{name}={own[name]}, here {here}")
        if other:
            out.append(f"{part.name} was trained with {'; '.join(other)}")
    return out

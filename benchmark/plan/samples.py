"""The images of a job: those that a selection names, what each must be, and what the networks that
read them need. No torch here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmark.errors import InputError, Words, call, closest, field, marked_of, option
from benchmark.networks.checkpoints import Checkpoint
from benchmark.plan.selection import Selection
from benchmark.types import Sample

LEAST_DICE = 0.2  # of originals of the test split: a network below is no judge of files


def load_samples(dataset: Any, s: Selection) -> tuple[dict[str, Sample], dict[str, str]]:
    """The samples that are selected, by content hash, and why others cannot be used, by id.

    Raises InputError where an image that is asked for is not there, or none can be used.
    """
    list_ids, load = reader_of(dataset, s.dims)
    ids = list_ids(s.split)
    if s.image:
        known, asked = set(ids), set(s.image)
        unknown = [i for i in s.image if i not in known]
        if unknown:
            raise InputError(
                field("image", unknown[0]),
                f"no such image in the split {s.split} of {s.dataset}",
                _known_images(unknown[0], ids, s),
            )
        ids = [i for i in ids if i in asked]
    if s.limit is not None:
        ids = spread(ids, dataset.label)[: s.limit]
    if not ids:
        raise InputError(
            f"images of {s.dataset}, split {s.split}",
            "there are none",
            f"{field('split', 'train')}, or another {field('root')}",
        )
    samples: dict[str, Sample] = {}
    unreadable: dict[str, str] = {}
    for sample_id in ids:
        try:
            sample = load(sample_id)
            check_sample(sample, s.dims)
            if sample.hash in samples:
                raise InputError(
                    f"the image {sample_id}",
                    f"it equals {samples[sample.hash].id} in every pixel: it would count twice",
                    "leave one of them out",
                )
            samples[sample.hash] = sample
        except InputError as error:
            if len(ids) == 1:
                raise
            unreadable[sample_id] = Words(f"{error.asked.marked}: {error.found.marked}")
    if not samples:
        first = next(iter(unreadable.values()))
        raise InputError(
            f"{len(ids)} images of {s.dataset}",
            f"none can be used; the first: {marked_of(first)}",
            "mend or replace the files",
        )
    return samples, unreadable


def _known_images(unknown: str, ids: Sequence[str], s: Selection) -> str:
    where = {"root": s.root} if s.root else {}
    listing = call("data show", s.dataset, **where, split=s.split, limit=len(ids))
    return closest(unknown, ids, listing)


def reader_of(
    dataset: Any, dims: int
) -> tuple[Callable[[str], list[str]], Callable[[str], Sample]]:
    """What lists the ids of a split and what reads one: slices, or volumes where a backbone has
    three inputs.
    """
    return (dataset.volumes, dataset.load_volume) if dims == 3 else (dataset.ids, dataset.load)


def spread(ids: Sequence[str], label: Callable[[str], str] = lambda _: "") -> list[str]:
    """Ids in an order that takes one image of each patient before a second of any, each patient's
    middle slice first.

    So the first N are as many patients as can be, and the first N + 1 hold the first N. Patients of
    different labels take turns.
    """
    patients: dict[str, list[str]] = {}
    for sample_id in ids:
        patients.setdefault(sample_id.rpartition("-")[0] or sample_id, []).append(sample_id)
    ranked = []
    seen: Counter[str] = Counter()
    for own in patients.values():
        inside_out = sorted(range(len(own)), key=lambda i: (abs(i - len(own) // 2), i))
        kind = label(own[0])
        ranked += [(turn, seen[kind], kind, own[i]) for turn, i in enumerate(inside_out)]
        seen[kind] += 1
    return [sample_id for *_, sample_id in sorted(ranked)]


def check_sample(sample: Sample, dims: int = 2) -> None:
    """What every data set's samples must be; raises InputError that names the sample and what is
    wrong with it.

    dims: 2 of a slice, 3 of a volume.
    """

    def refuse(found: str, todo: str) -> InputError:
        return InputError(f"the image {sample.id} of {sample.dataset}", found, todo)

    image = sample.image
    if image.ndim != 3 or min(image.shape) < 1:
        raise refuse(
            f"its shape is {image.shape}, not (rows, columns, channels)",
            "mend the data set's plug-in",
        )
    if (sample.depth > 1) != (dims == 3) or sample.depth < 1 or image.shape[0] % sample.depth:
        raise refuse(
            f"its {image.shape[0]} rows are {sample.depth} planes, where"
            f" {'a volume' if dims == 3 else 'one slice'} is due",
            "mend the data set's plug-in",
        )
    if not np.isfinite(image).all():
        raise refuse(
            f"{int((~np.isfinite(image)).sum())} of its values are NaN or infinite",
            "mend the file or leave it out",
        )
    if not image.any():
        raise refuse("it is zero everywhere", "leave it out, or choose other slices")
    if image.min() < 0 or image.max() > 1:
        raise refuse(
            f"its values run from {image.min():.3g} to {image.max():.3g}, not within [0, 1]",
            "choose another window",
        )
    if image.min() == image.max():
        raise refuse(f"it is {image.min():.3g} everywhere", "leave it out, or choose other slices")
    if (
        sample.mask.dtype != bool
        or sample.brain.dtype != bool
        or sample.brain.shape != image.shape[:2]
    ):
        raise refuse(
            "its mask or brain is not a bool array of the image's rows and columns",
            "mend the data set's plug-in",
        )
    if sample.mask.shape != image.shape[:2]:
        raise refuse(
            f"its mask has the shape {sample.mask.shape}, the image {image.shape[:2]}",
            "put the mask that belongs to it",
        )


def channels_of(samples: dict[str, Sample]) -> tuple[str, ...]:
    """The channels of all samples, which one network is to read; raises InputError where they
    differ.
    """
    kinds = {sample.channels: sample.id for sample in samples.values()}
    if len(kinds) > 1:
        (first, one), (second, other) = list(kinds.items())[:2]
        raise InputError(
            "images that one network reads",
            f"{one} has the channels {', '.join(first)}, {other} {', '.join(second)}",
            f"{field('image')}, or an option of the data set that brings them to one kind, such as"
            f" {option('color', 'gray')}",
        )
    return next(iter(kinds))


def check_sizes(samples: dict[str, Sample], readers: Sequence[Checkpoint]) -> None:
    """Refuse images that a reader cannot read because of their size, before anything is fitted."""
    for reader in readers:
        multiple = reader.multiple
        for sample in samples.values():
            height, width = sample.image.shape[0] // sample.depth, sample.image.shape[1]
            if reader.task == "label" and sample.depth > 1:
                raise InputError(
                    f"the segmenter {reader.name} on the volume {sample.id}",
                    "it reads the label of an image",
                    field("dims", 2),
                )
            if reader.dims == 3 and sample.depth == 1:
                raise InputError(
                    f"the segmenter {reader.name} on the image {sample.id}",
                    "it reads volumes whole",
                    f"{field('dims', 3)}, or another segmenter",
                )
            if reader.dims == 3 and sample.depth % multiple:
                raise InputError(
                    f"the segmenter {reader.name} on the volume {sample.id} of {sample.depth}"
                    " planes",
                    f"it reads depths that are multiples of {multiple}",
                    f"{option('planes', max(1, sample.depth // multiple) * multiple)}, where the"
                    " data set has it",
                )
            if height % multiple or width % multiple:
                size = round(max(height, width) / multiple) * multiple or multiple
                raise InputError(
                    f"the segmenter {reader.name} on the image {sample.id} of {height} x {width}"
                    " pixels",
                    f"it reads heights and widths that are multiples of {multiple}",
                    f"{option('size', size)}, where the data set has it",
                )


def marked(samples: dict[str, Sample], readers: Sequence[Checkpoint]) -> dict[str, Sample]:
    """The samples with what the networks are to mark as their masks: brains, where that is what
    they were trained on.

    Raises InputError where one network marks lesions and another brains: no one Dice would say how
    well they read.
    """
    targets = {reader.target: reader.name for reader in readers if reader.task == "mask"}
    if len(targets) > 1:
        raise InputError(
            "networks that are scored by one Dice",
            " and ".join(f"{name} marks {what}s" for what, name in targets.items()),
            f"{field('segmenter')} and {field('reader')} that mark the same",
        )
    brains = (
        (replace(sample, mask=sample.brain) for sample in samples.values())
        if "brain" in targets
        else samples.values()
    )
    return {sample.hash: sample for sample in brains}


def trained_on(samples: Collection[Sample], readers: Sequence[Checkpoint]) -> list[str]:
    """A note on each network that has seen patients of these images, on each of which nobody
    knows, and on each that reads badly.
    """
    seen = [
        (
            reader,
            sum(
                sample.dataset == reader.card["dataset"]
                and sample.patient in (reader.card.get("train_patients") or ())
                for sample in samples
            ),
        )
        for reader in readers
    ]
    notes = [
        f"{count} of {len(samples)} images are of patients that {reader.name} was trained on: what"
        " it reads there proves little"
        for reader, count in seen
        if count
    ]
    for reader in readers:
        for part in reader.parts:
            if "imported" in part.card and part.card.get("note"):
                notes.append(f"{part.name}: {part.card['note']}")
            notes += reads_badly(part)
    return list(dict.fromkeys(notes))


def reads_badly(network: Checkpoint) -> list[str]:
    """A note on a network whose card says that it marks hardly anything right on originals."""
    dice = network.card.get("test_dice")
    if not isinstance(dice, int | float) or dice >= LEAST_DICE:
        return []
    return [
        f"{network.name} reads originals at Dice {dice:.2f} (its card): what it reads, and a loss"
        " with it, say little; train it longer"
    ]

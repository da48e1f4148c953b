"""How well trained networks read originals: the bound for all that is read on compressed images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.errors import InputError, call, field
from benchmark.images.postprocess import NAMES, parse_chain
from benchmark.listener import Quiet, Says
from benchmark.networks.brains import CLASSICAL, check_strip, strip_of
from benchmark.networks.checkpoints import find_checkpoint, split_ensemble
from benchmark.plan.samples import channels_of, check_sizes, load_samples, marked, trained_on
from benchmark.plan.selection import Selection
from benchmark.plugins import index
from benchmark.plugins.sets import Sets, options_by_plugin

if TYPE_CHECKING:
    from benchmark.networks.checkpoints import Checkpoint
    from benchmark.networks.evaluate import LabelReading, Reading
    from benchmark.types import Sample

Chains = Sequence[tuple[str, ...]]  # steps of post-processing, each chain scored apart


@dataclass(frozen=True)
class EvaluateRequest:
    """Which networks read which images.

    segmenter: NAME, NAME@FILE, or NAME+NAME (an ensemble) each. dims: 2 for slices, 3 for volumes.
    limit: images at most; image: only these ids. sets: options of the data set. post: what is
    scored apart beside the raw masks, "largest" or "small+largest" each; strip: what finds the
    brain for "stripped", "classical" or a network. force: read with weights for another data set.
    """

    segmenter: tuple[str, ...]
    dataset: str = "mni-lesion"
    root: Path | None = None
    split: str = "test"
    dims: int = 2
    limit: int | None = None
    image: tuple[str, ...] = ()
    sets: Sets = ()
    post: tuple[str, ...] = ()
    strip: str = CLASSICAL
    force: bool = False
    device: str = "auto"


@dataclass(frozen=True)
class Evaluation:
    """What the networks found. readings: one a network; slices: the images by id, [H, W, C] each.

    notes: what a reader of the numbers should know; unreadable: why an image is missing, by id.
    """

    request: EvaluateRequest
    readings: list[Reading] | list[LabelReading]
    slices: dict[str, Sample]
    notes: list[str]
    unreadable: dict[str, str]

    @property
    def labels(self) -> bool:
        """Whether the networks answered with a class instead of a mask."""
        return self.readings[0].checkpoint.task == "label"


def evaluate_networks(request: EvaluateRequest, listener: Says | None = None) -> Evaluation:
    """Let each network read each image of a split, and score it by the truth.

    Raises InputError where names, options, channels or sizes do not fit, or no image can be read.
    """
    said = listener or Quiet()
    chains = check_evaluation(request)
    plugin = ("dataset", request.dataset)
    options = options_by_plugin(request.sets, [plugin])[plugin]
    entry = index.get(*plugin)
    by_hash, unreadable = load_samples(
        entry.load()(request.root, **options), _selection_of(request)
    )
    checkpoints = _find(request, channels_of(by_hash))
    _check_task(request, checkpoints, entry.declared["truth"])
    check_sizes(by_hash, checkpoints)
    samples = list(marked(by_hash, checkpoints).values())
    from benchmark.device import resolve_device
    from benchmark.networks.evaluate import prepared_otherwise

    notes = trained_on(samples, checkpoints)
    for one in checkpoints:
        notes += prepared_otherwise(one, request.dataset, {**entry.defaults, **options})
    device = resolve_device(request.device)
    if checkpoints[0].task == "label":
        answered = _read_labels(checkpoints, samples, device, said)
        slices = {sample.id: sample for sample in samples}
        return Evaluation(request, answered, slices, notes, unreadable)
    readings, slices, more = _read_masks(request, checkpoints, samples, chains, device, said)
    return Evaluation(request, readings, slices, [*notes, *more], unreadable)


def check_evaluation(request: EvaluateRequest) -> list[tuple[str, ...]]:
    """The chains of post-processing; raises InputError for what is wrong before data are read."""
    for spec in request.segmenter:
        for part in split_ensemble(spec):
            index.get("segmenter", part.partition("@")[0])
    index.get("dataset", request.dataset)
    check_strip(request.strip, CLASSICAL)
    if request.limit is not None and request.limit < 1:
        raise InputError(field("limit", request.limit), "it must be at least 1", field("limit", 6))
    if "" in request.post:
        raise InputError(
            field("post", ""),
            "no step is named",
            f"{field('post', NAMES[0])} or {', '.join(NAMES[1:])}, or leave it out",
        )
    return [parse_chain(text) for text in request.post]


def _selection_of(request: EvaluateRequest) -> Selection:
    return Selection(
        dataset=request.dataset,
        root=request.root,
        split=request.split,
        limit=request.limit,
        image=tuple(request.image),
        dims=request.dims,
        force=request.force,
    )


def _find(request: EvaluateRequest, channels: tuple[str, ...] | None) -> list[Checkpoint]:
    found = []
    for spec in request.segmenter:
        checkpoint = find_checkpoint(spec, request.dataset, channels=channels, force=request.force)
        found.append(checkpoint)
    return found


def _check_task(request: EvaluateRequest, checkpoints: Sequence[Checkpoint], truth: str) -> None:
    """Raises InputError where masks and labels meet, or there is no truth to score by."""
    names = {checkpoint.task: checkpoint.name for checkpoint in checkpoints}
    if len(names) > 1:
        raise InputError(
            "masks and labels in one table",
            f"{names['mask']} marks masks, {names['label']} answers with a class",
            f"two calls of `evaluate`, one with {field('segmenter', names['mask'])}",
        )
    if "label" in names and request.post:
        raise InputError(
            field("post", request.post[0]),
            "the networks answer with a class: there is no mask to work on",
            f"leave out {field('post')}",
        )
    if "mask" in names and truth == "label":
        raise InputError(
            f"masks on {request.dataset}",
            "its images come with labels: there is no mask to score them by",
            f"a network of labels: {call('list', 'segmenter')}",
        )


def _read_masks(
    request: EvaluateRequest,
    checkpoints: Sequence[Checkpoint],
    samples: Sequence[Sample],
    chains: Chains,
    device: str,
    listener: Says,
) -> tuple[list[Reading], dict[str, Sample], list[str]]:
    """What each network marks, the slices by id, and notes."""
    from benchmark.networks.evaluate import read_masks, remarks, stacks_of
    from benchmark.networks.network import load_network

    scans = stacks_of(samples)
    strip = strip_of(request.strip, request.dataset, checkpoints[0].channels, device)
    strip = cache(strip)  # the same brains for all networks
    slices = {sample.id: sample for scan in scans for sample in scan.slices}
    patients = {scan.patient for scan in scans}
    listener.say(f"{len(slices)} images of {len(patients)} patients")
    readings = []
    for name, checkpoint in zip(names_of(checkpoints), checkpoints, strict=True):
        network = load_network(checkpoint, device=device)
        readings.append(read_masks(network, checkpoint, name, scans, chains, strip))
        listener.say(f"{name} has read them")
    return readings, slices, remarks(samples, scans, chains, request.dataset)


def _read_labels(
    checkpoints: Sequence[Checkpoint], samples: Sequence[Sample], device: str, listener: Says
) -> list[LabelReading]:
    from benchmark.networks.evaluate import read_labels
    from benchmark.networks.network import LabelNetwork, load_network

    readings = []
    for name, checkpoint in zip(names_of(checkpoints), checkpoints, strict=True):
        network = load_network(checkpoint, device=device)
        assert isinstance(network, LabelNetwork)
        readings.append(read_labels(network, checkpoint, name, samples))
        listener.say(f"{name} has read {len(samples)} images")
    return readings


def names_of(checkpoints: Sequence[Checkpoint]) -> list[str]:
    """Names for tables; where two are the same, with the start of their hashes."""
    names = [checkpoint.name for checkpoint in checkpoints]
    unique = []
    for name, checkpoint in zip(names, checkpoints, strict=True):
        unique.append(name if names.count(name) == 1 else f"{name}@{checkpoint.hash[:6]}")
    return unique

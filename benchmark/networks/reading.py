"""Read one file that a person has: strip the skull, name the class, outline the lesion."""

from __future__ import annotations

import glob
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark import errors
from benchmark.errors import InputError, Words, call
from benchmark.files.pairs import VOLUMES, is_series, suffix_of
from benchmark.networks.brains import CLASSICAL, TRAINED, check_strip
from benchmark.networks.cards import read_card
from benchmark.networks.checkpoints import Checkpoint, find_checkpoint, split_ensemble
from benchmark.plugins import index

if TYPE_CHECKING:
    import numpy as np

    from benchmark.networks.chain import Found, Source
    from benchmark.networks.network import LabelNetwork, Network

NONE = "none"
SIZES = (16, 4096)  # pixels a side
STEPS = ("strip", "classify", "segment")


@dataclass(frozen=True)
class ReadRequest:
    """One image, and the networks that read it: NAME, NAME@FILE, or NAME+NAME (an ensemble).

    strip: "classical", "none", or a network that marks brains. dataset: whose weights a bare NAME
    takes. slice: plane of a volume, from 0, default the middle one. channel: of an image in color
    red, green, blue or gray. size: pixels a side that networks read, default what their cards say.
    """

    file: Path
    strip: str = CLASSICAL
    classify: str | None = None
    segment: str | None = None
    dataset: str | None = None
    slice: int | None = None
    channel: str | None = None
    size: int | None = None
    device: str = "auto"


@dataclass(frozen=True)
class ImageReading:
    """What was found in one image (see `Found`), and by which networks."""

    request: ReadRequest
    found: Found
    classifier: str | None
    segmenter: str | None
    notes: list[str] = field(default_factory=list)

    def facts(self) -> dict[str, Any]:
        """The answers as plain values: sizes and areas in pixels, area_mm2 where it is known."""
        found = self.found
        facts: dict[str, Any] = {
            "file": str(self.request.file),
            "strip": self.request.strip,
            "size": list(found.image.shape[:2]),
        }
        if found.brain is not None:
            facts["brain_px"] = int(found.brain.sum())
        if self.classifier is not None:
            facts["classifier"] = self.classifier
            facts["class"] = found.answered
            facts["probabilities"] = found.probabilities
        if self.segmenter is not None:
            facts["segmenter"] = self.segmenter
            facts["area_px"] = None if found.lesion is None else int(found.lesion.sum())
            facts["area_mm2"] = found.area_mm2
        return facts | {"notes": list(self.notes)}


def read_image(request: ReadRequest) -> ImageReading:
    """Take the steps that are asked for, each network at the size and window that its card says.

    Raises InputError where the file is no image, or a network does not fit its step or the image.
    """
    check_reading(request)
    checkpoints = {}
    for step in STEPS:
        spec = getattr(request, step)
        if spec is not None and spec not in (CLASSICAL, NONE):
            checkpoints[step] = _find(spec, request.dataset, step)
    source = _open(request)

    from benchmark.device import resolve_device
    from benchmark.networks.chain import chain
    from benchmark.networks.network import load_network

    device = resolve_device(request.device)
    networks: dict[str, Any] = {}
    for step, checkpoint in checkpoints.items():
        networks[step] = load_network(checkpoint, device=device)
    classifier: LabelNetwork | None = networks.get("classify")
    segmenter: Network | None = networks.get("segment")
    found = chain(
        source,
        strip=_strip(request, source, networks.get("strip")),
        classify=classifier,
        segment=segmenter,
        size=request.size,
        channel=request.channel,
    )
    return ImageReading(
        request,
        found,
        classifier.name if classifier else None,
        segmenter.name if segmenter else None,
        [*found.notes, *_unstripped(request, checkpoints)],
    )


def check_reading(request: ReadRequest) -> None:
    """Raises InputError for what is wrong before anything is read."""
    if not request.file.exists():
        raise InputError(
            f"read {request.file}",
            "no such file",
            f"a picture, a volume, or a file that `{call('run')}` wrote",
        )
    check_strip(request.strip, CLASSICAL, NONE)
    low, high = SIZES
    if request.size is not None and not low <= request.size <= high:
        raise InputError(
            errors.field("size", request.size),
            f"it must be {low} to {high} pixels",
            errors.field("size", 128),
        )
    if not (request.classify or request.segment) and request.strip == NONE:
        raise InputError(
            f"read {request.file} {errors.field('strip', NONE)}",
            "no step is left",
            f"{errors.field('segment', 'NAME@FILE')}, {errors.field('classify', 'NAME@FILE')}, or"
            f" {errors.field('strip', CLASSICAL)}",
        )


def _find(spec: str, dataset: str | None, step: str) -> Checkpoint:
    """The checkpoint for a step; a file's own card says which data set it is for."""
    parts = split_ensemble(spec)
    for part in parts:
        _check_kind(part.partition("@")[0], spec, step)
    own = dataset
    for file in [part.partition("@")[2] for part in reversed(parts)]:
        own = read_card(Path(file))["dataset"] if file else own
    if own is None:
        raise InputError(
            errors.field(step, spec),
            "neither a file nor a data set says which weights",
            f"{errors.field('dataset', 'NAME')}, or {errors.field(step, f'{spec}@FILE')}",
        )
    try:
        checkpoint = find_checkpoint(spec, own)
    except InputError as error:  # here nothing borrows weights of another data set
        forced = f", or {errors.field('force', True)}"
        todo = error.todo.marked.partition("; or borrow")[0].partition(forced)[0]
        other = f"{todo}, or {errors.field(step, 'NAME@FILE')}"
        raise InputError(error.asked, error.found, other) from None
    _check_members(checkpoint, spec, step)
    marks = "brain" if step == "strip" else "lesion"
    if step != "classify" and checkpoint.target != marks:
        brains = f"{errors.field('strip', CLASSICAL)}, or {TRAINED}"
        raise InputError(
            errors.field(step, spec),
            f"its weights were trained to mark {checkpoint.target}s",
            brains if step == "strip" else errors.field("strip", spec),
        )
    return checkpoint


def _check_kind(name: str, spec: str, step: str) -> None:
    """Raises InputError for a network that cannot take the step, whatever its weights."""
    declared = index.get("segmenter", name).declared
    whole = declared["dims"] != 2
    fits = declared["task"] == ("label" if step == "classify" else "mask")
    if fits and (step == "strip" or not whole):
        return
    does = "answers with a class" if declared["task"] == "label" else "marks lesions"
    raise InputError(
        errors.field(step, spec),
        f"{name} {'reads volumes' if whole else does}",
        call("list", "segmenter"),
    )


def _check_members(checkpoint: Checkpoint, spec: str, step: str) -> None:
    """Raises InputError where the members of an ensemble read images prepared in several ways."""
    from benchmark.networks.chain import PREPARED

    other = []
    for name in ("size", *PREPARED):
        options = [part.card.get("dataset_options") or {} for part in checkpoint.parts]
        values = [each.get(name) for each in options]
        if any(value != values[0] for value in values):
            other.append(f"{name}={' and '.join(map(str, values))}")
    if other:
        raise InputError(
            errors.field(step, spec),
            f"its members read images prepared otherwise: {', '.join(other)}",
            "members that read alike, or one",
        )


def _open(request: ReadRequest) -> Source:
    """The image of a file: a compressed one, a picture, or one plane of a volume."""
    from benchmark.networks.chain import FromFile, FromScan

    if request.file.suffix.lower() in compressed_suffixes():
        image, depth = _decoded(request.file.read_bytes())
        return FromFile(image, depth, _plane(request, depth))
    path = request.file.absolute()
    _check_image(request.file, path)
    folder = index.get("dataset", "folder").load()(
        path.parent, images=glob.escape(path.name), masks=""
    )
    scan = folder.scan(next(iter(folder.files)))
    k = _plane(request, scan.shape[0])
    if not scan.shows(k):
        raise InputError(
            f"slice {k} of {request.file}",
            "it is empty: one value everywhere",
            f"another {errors.field('slice')}",
        )
    return FromScan(scan, k, spacing_known=suffix_of(path) in VOLUMES or path.is_dir())


def _decoded(data: bytes) -> tuple[np.ndarray, int]:
    """The image [depth * H, W, C] of a compressed file, and its depth."""
    from benchmark.bitstream import read_header
    from benchmark.bitstream.anyfile import decode_as, written_by

    codec = written_by(data)
    depth = 1 if codec is not None else read_header(data).depth
    return decode_as(data, codec).image, depth


def compressed_suffixes() -> list[str]:
    """The suffixes of files of a run: those of backbones, and what codecs declare."""
    declared = [entry.declared["suffix"] for entry in index.entries("codec").values()]
    return list(dict.fromkeys([".inr", *declared]))


def _check_image(file: Path, path: Path) -> None:
    """Raises InputError where a name is not that of a picture or a volume."""
    from benchmark.files.pictures import SUFFIXES

    known = [*SUFFIXES, *VOLUMES, *compressed_suffixes()]
    if not (is_series(path) if path.is_dir() else suffix_of(path)):
        suffix = path.suffix or "a name without suffix"
        raise InputError(
            f"read {file}",
            (
                "a folder without a series of DICOM slices"
                if path.is_dir()
                else f"no picture and no volume: {suffix} is not read here"
            ),
            f"the image as PNG, or as another of {', '.join(known)}",
        )
    if path.name.startswith("."):
        found = "a hidden file: its name begins with a dot"
        raise InputError(f"read {file}", found, "a copy under another name")


def _plane(request: ReadRequest, depth: int) -> int:
    k = depth // 2 if request.slice is None else request.slice
    if not 0 <= k < depth:
        raise InputError(
            f"{errors.field('slice', k)} of {request.file}",
            f"it has slices 0 to {depth - 1}",
            errors.field("slice", depth // 2),
        )
    return k


def _strip(
    request: ReadRequest, source: Source, network: Network | None
) -> str | Network | np.ndarray:
    """How the chain strips: the name, a network of images, or the brain [H, W] of the slice."""
    if network is None:
        return request.strip
    if network.dims != 3:
        return network
    from benchmark.networks.chain import FromScan
    from benchmark.networks.strip import brain_of, size_of

    asked = errors.field("strip", request.strip)
    if not isinstance(source, FromScan) or source.scan.shape[0] == 1:
        raise InputError(
            asked,
            f"{network.name} reads volumes whole, and {request.file} is none",
            f"a volume of several planes, or {errors.field('strip', CLASSICAL)}",
        )
    scan = source.scan
    if request.channel is not None and request.channel in scan.channels:
        scan = replace(scan, channels={request.channel: scan.channels[request.channel]})
    brain: np.ndarray = brain_of(scan, network, size_of(network.card, asked, request.size))
    plane: np.ndarray = brain[source.k]
    return plane


def _unstripped(request: ReadRequest, checkpoints: Mapping[str, Checkpoint]) -> list[str]:
    """A note on each network that learned from images with skulls, where these have none."""
    notes: list[str] = []
    for step, checkpoint in checkpoints.items():
        strip = (checkpoint.card.get("dataset_options") or {}).get("strip")
        if step != "strip" and request.strip != NONE and strip is False:
            notes.append(
                Words(
                    f"{checkpoint.name} was trained on {checkpoint.card['dataset']} as it is,"
                    f" without stripping: compare with {errors.field('strip', NONE)}"
                )
            )
    return notes

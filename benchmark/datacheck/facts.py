"""What one scan holds: counts, intensities and labels, and what is odd about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from benchmark.datacheck.cases import Case, Oddities
from benchmark.images.scan import Scan

SHOWN = 12  # plane numbers in a sentence


@dataclass(frozen=True)
class Observation:
    """Something found: its name (in KINDS), the cases that it concerns, and what is there."""

    name: str
    where: tuple[str, ...]
    what: str


@dataclass(frozen=True)
class Intensities:
    """Of one channel; percentiles over the voxels that are not background. background_share: of all
    voxels, 0 to 1.
    """

    dtype: str
    low: float
    p0_5: float
    p99_5: float
    high: float
    background: float | None
    background_share: float


@dataclass(frozen=True)
class CaseFacts:
    """shape: (planes, rows, columns). labels: voxels of each label value, None without labels.
    lesion_planes: how many show lesion.
    """

    case: Case
    shape: tuple[int, int, int]
    spacing_mm: tuple[float, float, float]
    orientation: str
    label: str
    channels: dict[str, Intensities]
    labels: dict[int, int] | None
    lesion_planes: int


def facts_of(case: Case, scan: Scan) -> tuple[CaseFacts, Oddities]:
    """The facts of a scan and what is odd about it."""
    areas = scan.areas()
    labels = None if scan.labels is None else _counts(scan.labels)
    channels = {name: _intensities(scan, name) for name in scan.channels}
    facts = CaseFacts(
        case=case,
        shape=scan.shape,
        spacing_mm=scan.spacing_mm,
        orientation=scan.orientation,
        label=scan.label,
        channels=channels,
        labels=labels,
        lesion_planes=int(np.count_nonzero(areas)),
    )
    odd = [
        *_odd_channels(scan),
        *_odd_background(channels),
        *_odd_labels(scan, labels, areas),
    ]
    return facts, odd


def listed(numbers: list[int]) -> str:
    """1, 2, 3 and 40 more."""
    more = f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else ""
    return ", ".join(map(str, numbers[:SHOWN])) + more


def _s(numbers: Sequence[int]) -> str:
    return "" if len(numbers) == 1 else "s"


def _counts(labels: np.ndarray) -> dict[int, int]:
    """label value -> voxels"""
    values, counts = np.unique(labels, return_counts=True)
    return {int(value): int(count) for value, count in zip(values, counts, strict=True)}


def _intensities(scan: Scan, name: str) -> Intensities:
    voxels = scan.channels[name]
    background = scan.background.get(name)
    counted = np.isfinite(voxels)
    share = 0.0
    if background is not None:
        counted &= scan.tissue(name)
        share = float((voxels == background).mean())
    inside = voxels[counted]
    p0_5, p99_5 = np.percentile(inside, [0.5, 99.5]) if inside.size else (np.nan, np.nan)
    # Of a picture's part only finite values count: the others are an observation of their own.
    finite = voxels if np.isfinite(voxels.min()) and np.isfinite(voxels.max()) else inside
    low, high = (finite.min(), finite.max()) if finite.size else (np.nan, np.nan)
    return Intensities(
        dtype=str(voxels.dtype),
        low=float(low),
        p0_5=float(p0_5),
        p99_5=float(p99_5),
        high=float(high),
        background=None if background is None else float(background),
        background_share=share,
    )


def _odd_channels(scan: Scan) -> Oddities:
    """Voxels that are no numbers, channels and planes that are empty, and channels that repeat
    another.
    """
    out: Oddities = []
    held: dict[str, set[int]] = {}  # channel -> planes that show something
    for name, voxels in scan.channels.items():
        bad = int((~np.isfinite(voxels)).sum()) if voxels.dtype.kind == "f" else 0
        if bad:
            out.append(("not-finite", f"{bad:,} voxels of {name}"))
        held[name] = set(np.flatnonzero(voxels.min((1, 2)) != voxels.max((1, 2))).tolist())
    return [*out, *_empty_planes(scan, held), *_copied_channels(scan, held)]


def _empty_planes(scan: Scan, held: dict[str, set[int]]) -> Oddities:
    """Channels that show nothing, and planes that show nothing between others that do."""
    out: Oddities = []
    anywhere = sorted(set().union(*held.values()))
    for name, shows in held.items():
        if not shows:
            out.append(("empty-channel", f"{name} is {scan.channels[name].flat[0]:g} everywhere"))
            continue
        gaps = sorted(set(range(anywhere[0], anywhere[-1] + 1)) - shows)
        if gaps:
            out.append(("empty-plane", f"{name}: {_slices(scan, gaps)}"))
    return out


def _copied_channels(scan: Scan, held: dict[str, set[int]]) -> Oddities:
    """Pairs of channels that are equal in all planes or in some."""
    out: Oddities = []
    copies: set[str] = set()
    for one, other in combinations(scan.channels, 2):
        if one in copies:  # what equals it equals its original, and is told of there
            continue
        planes = sorted(held[one] | held[other])
        equal = []
        for k in planes:
            if np.array_equal(scan.channels[one][k], scan.channels[other][k]):
                equal.append(k)
        if equal and equal == planes:
            copies.add(other)
            out.append(("copied-channel", f"{one} = {other}"))
        elif equal:
            out.append(("copied-slice", f"{one} = {other} in {_slices(scan, equal)}"))
    return out


def _slices(scan: Scan, planes: list[int]) -> str:
    """slices 1, 2 and 3: planes of a scan by their numbers."""
    return f"slice{_s(planes)} {listed([scan.numbers[k] for k in planes])}"


def _odd_background(channels: dict[str, Intensities]) -> Oddities:
    out: Oddities = []
    for name, found in channels.items():
        background = found.background
        if background is not None and (background != 0 or found.low < background):
            said = f"background {background:g}, intensities {found.low:g} to {found.high:g}"
            out.append(("background", f"{name}: {said}"))
    return out


def _odd_labels(scan: Scan, counts: dict[int, int] | None, areas: list[int]) -> Oddities:
    if scan.labels is None or counts is None:
        return []
    out: Oddities = []
    unknown = sorted(set(counts) - set(scan.known)) if scan.known else []
    if unknown:
        said = ", ".join(f"{value} ({counts[value]:,} voxels)" for value in unknown)
        known = ", ".join(map(str, scan.known))
        out.append(("unknown-label", f"{said}; the release knows {known}"))
    if not any(areas):
        return [*out, ("empty-mask", f"none of its {len(areas):,} slice{_s(areas)} shows a lesion")]
    middle = len(areas) // 2
    if len(areas) > 1 and not areas[middle]:
        shown = [scan.numbers[k] for k, area in enumerate(areas) if area]
        said = f"slice {scan.numbers[middle]} shows none; slices {shown[0]} to {shown[-1]} do"
        out.append(("empty-middle", said))
    outside = _outside(scan, areas)
    if outside:
        out.append(("label-outside-brain", outside))
    return out


def _outside(scan: Scan, areas: list[int]) -> str:
    """Labeled voxels outside the brain, and where a channel is background."""
    parts: Counter[str] = Counter()  # in the order in which they are first counted
    for k in np.flatnonzero(areas).tolist():
        mask = scan.mask(k)
        parts["outside the brain"] += int((mask & ~scan.brain_plane(k)).sum())
        for name in scan.background:
            parts[f"where {name} is background"] += int((mask & ~scan.tissue(name, k)).sum())
    said = "; ".join(f"{count:,} {where}" for where, count in parts.items() if count)
    return f"of {sum(areas):,} labeled voxels {said}" if said else ""

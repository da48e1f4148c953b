"""What one scan holds: counts, intensities and labels, and what is odd about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from benchmark.datacheck.cases import Case, Oddities
from benchmark.images.scan import Scan

SHOWN = 12  # plane numbers in a sentence


@dataclass(frozen=True)
class Observation:
    """Something found: its name (in KINDS), the cases that it concerns, and what was found there."""

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
        case,
        scan.shape,
        scan.spacing_mm,
        scan.orientation,
        scan.label,
        channels,
        labels,
        sum(a > 0 for a in areas),
    )
    return facts, [
        *_odd_channels(scan),
        *_odd_background(channels),
        *_odd_labels(scan, labels, areas),
    ]


def listed(numbers: list[int]) -> str:
    """1, 2, 3 and 40 more."""
    more = f" and {len(numbers) - SHOWN} more" if len(numbers) > SHOWN else ""
    return ", ".join(map(str, numbers[:SHOWN])) + more


def _s(numbers: Sequence[int]) -> str:
    return "" if len(numbers) == 1 else "s"


def _counts(labels: np.ndarray) -> dict[int, int]:
    values, counts = np.unique(labels, return_counts=True)
    return {int(value): int(count) for value, count in zip(values, counts, strict=True)}


def _intensities(scan: Scan, name: str) -> Intensities:
    voxels, background = scan.channels[name], scan.background.get(name)
    inside = (
        voxels[np.isfinite(voxels)]
        if background is None
        else voxels[scan.tissue(name) & np.isfinite(voxels)]
    )
    p0_5, p99_5 = np.percentile(inside, [0.5, 99.5]) if inside.size else (np.nan, np.nan)
    share = 0.0 if background is None else float((voxels == background).mean())
    # Of a picture's part only finite values count: the others are an observation of their own.
    finite = voxels if np.isfinite(voxels.min()) and np.isfinite(voxels.max()) else inside
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (np.nan, np.nan)
    return Intensities(
        str(voxels.dtype),
        low,
        float(p0_5),
        float(p99_5),
        high,
        None if background is None else float(background),
        share,
    )


def _odd_channels(scan: Scan) -> Oddities:
    """Voxels that are no numbers, channels and planes that are empty, and channels that repeat
    another.
    """
    out: Oddities = []
    held: dict[str, set[int]] = {}
    for name, voxels in scan.channels.items():
        if bad := int((~np.isfinite(voxels)).sum()) if voxels.dtype.kind == "f" else 0:
            out.append(("not-finite", f"{bad:,} voxels of {name}"))
        held[name] = {k for k, plane in enumerate(voxels) if plane.min() != plane.max()}
    anywhere = sorted(set().union(*held.values()))
    for name, shows in held.items():
        if not shows:
            out.append(("empty-channel", f"{name} is {scan.channels[name].flat[0]:g} everywhere"))
        elif gaps := sorted(set(range(anywhere[0], anywhere[-1] + 1)) - shows):
            out.append(
                (
                    "empty-plane",
                    f"{name}: slice{_s(gaps)} {listed([scan.numbers[k] for k in gaps])}",
                )
            )
    copies: set[str] = set()
    for one, other in combinations(scan.channels, 2):
        if one in copies:  # what equals it equals its original, and is told of there
            continue
        planes = sorted(held[one] | held[other])
        equal = [
            k for k in planes if np.array_equal(scan.channels[one][k], scan.channels[other][k])
        ]
        if equal:
            numbers = listed([scan.numbers[k] for k in equal])
            copies |= {other} if equal == planes else set()
            out.append(
                ("copied-channel", f"{one} = {other}")
                if equal == planes
                else ("copied-slice", f"{one} = {other} in slice{_s(equal)} {numbers}")
            )
    return out


def _odd_background(channels: dict[str, Intensities]) -> Oddities:
    return [
        (
            "background",
            f"{name}: background {found.background:g}, intensities {found.low:g} to {found.high:g}",
        )
        for name, found in channels.items()
        if found.background is not None and (found.background != 0 or found.low < found.background)
    ]


def _odd_labels(scan: Scan, counts: dict[int, int] | None, areas: list[int]) -> Oddities:
    if scan.labels is None or counts is None:
        return []
    out = []
    if scan.known and (unknown := sorted(set(counts) - set(scan.known))):
        said = ", ".join(f"{value} ({counts[value]:,} voxels)" for value in unknown)
        out.append(
            ("unknown-label", f"{said}; the release knows {', '.join(map(str, scan.known))}")
        )
    if not any(areas):
        return [*out, ("empty-mask", f"none of its {len(areas):,} slice{_s(areas)} shows a lesion")]
    if len(areas) > 1 and not areas[len(areas) // 2]:
        shown = [scan.numbers[k] for k, area in enumerate(areas) if area]
        out.append(
            (
                "empty-middle",
                (
                    f"slice {scan.numbers[len(areas) // 2]} shows none; slices {shown[0]} to"
                    f" {shown[-1]} do"
                ),
            )
        )
    if said := _outside(scan, areas):
        out.append(("label-outside-brain", said))
    return out


def _outside(scan: Scan, areas: list[int]) -> str:
    """Labeled voxels outside the brain, and where a channel is background."""
    planes = [k for k, area in enumerate(areas) if area]
    masks = {k: scan.mask(k) for k in planes}
    parts = {"outside the brain": sum(int((masks[k] & ~scan.brain_plane(k)).sum()) for k in planes)}
    for name in scan.background:
        parts[f"where {name} is background"] = sum(
            int((masks[k] & ~scan.tissue(name, k)).sum()) for k in planes
        )
    said = "; ".join(f"{count:,} {where}" for where, count in parts.items() if count)
    return f"of {sum(areas):,} labeled voxels {said}" if said else ""

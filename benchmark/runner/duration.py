"""How long a job takes on this machine: one batch of each kind is measured, the rest is counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from benchmark.errors import InputError, field
from benchmark.listener import Listener, Quiet
from benchmark.plan.job import Job
from benchmark.runner.environment import environment
from benchmark.runner.profile import (
    IMAGES,
    LAMBDAS,
    SEEDS,
    Profile,
    files_of,
    files_of_reference,
    measure,
)

MEASURING = (
    "measuring one batch of each kind in a temporary folder; kernels that were never compiled are"
    " compiled first"
)


@dataclass(frozen=True)
class Files:
    """Files of one kind of a backbone: how many, and the seconds of each (None: not measured)."""

    inr: str
    kind: str
    files: int
    seconds_each: float | None


@dataclass(frozen=True)
class Duration:
    """What so many images take; seconds are without what is done once, None where unknown."""

    what: str
    images: int
    seconds: float | None
    original_seconds: float
    files: tuple[Files, ...]


@dataclass(frozen=True)
class Profiled:
    """A job as it was measured on this machine, and how long it and the reference run take.

    machine: see runner/environment.py.
    """

    job: Job
    profile: Profile
    machine: dict[str, Any]
    durations: list[Duration]


def profile_job(
    job: Job,
    listener: Listener | None = None,
    reading: float = 0.0,
    *,
    device: str = "auto",
    batch: int | None = None,
    kernel: str = "auto",
) -> Profiled:
    """Measure one batch of each kind of a job's files; what is measured is thrown away.

    reading: seconds that its images took to be read. Raises InputError where the job cannot be
    fitted, or a fit of it fails.
    """
    if batch is not None and batch < 1:
        raise InputError(field("batch", batch), "it must be at least 1", field("batch", 8))
    from benchmark.device import resolve_device

    device, listener = resolve_device(device), listener or Quiet()
    listener.say(MEASURING)
    profile = measure(job, listener, device=device, batch=batch, kernel=kernel)
    profile.once[f"read {len(job.samples)} images"] = reading
    return Profiled(job, profile, environment(device), durations(profile, job))


def durations(profile: Profile, job: Job) -> list[Duration]:
    """The job in full and, of each backbone, the reference run of many images and lambdas."""
    codecs = len({cell.codec.name for cell in job.cells if cell.codec})
    found = [_duration(profile, "this selection", len(job.samples), files_of(job.cells))]
    for backbone in profile.backbones:
        what = f"{IMAGES} images x {LAMBDAS} lambdas x {SEEDS} seeds of {backbone.name}"
        files = files_of_reference(backbone.name, codecs)
        found.append(_duration(profile, what, IMAGES, files))
    return found


def _duration(
    profile: Profile, what: str, images: int, files: Mapping[tuple[str, str], int]
) -> Duration:
    columns = {backbone.name: backbone.columns for backbone in profile.backbones}
    parts = []
    for (name, kind), count in files.items():
        column = columns[name].get(kind)
        parts.append(Files(name, kind, count, column.seconds_each if column else None))
    seconds = profile.seconds_of(files, images)
    return Duration(what, images, seconds, profile.original_seconds, tuple(parts))

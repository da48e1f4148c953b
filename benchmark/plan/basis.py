"""What this machine decides of a job, in one line: elsewhere the same command is another
experiment.
"""

from __future__ import annotations

from pathlib import Path

from benchmark.networks.checkpoints import Checkpoint, places
from benchmark.plan.job import FIRST_LOOK, Job


def basis(job: Job, device: str, kernel: str) -> str:
    """Device, preset and why, kernels, and where weights come from that are not shipped."""
    said = [f"on {device}", f"preset {job.preset} ({_why(job)})", kernel]
    for part in _parts(job):
        source = _source(part, job.dataset_name)
        if source:
            said.append(source)
    return "; ".join(said)


def kernels_said(asked: str, used: str) -> str:
    """Which kernels fit, and why. asked, used: auto, torch, fused or graphs."""
    if asked == used == "auto":
        return "compiled kernels where a backbone has them"
    if asked == "auto":
        return "PyTorch's kernels (little to do; where others are compiled already, those)"
    return f"kernel {used} (asked for)"


def _why(job: Job) -> str:
    if job.selection.preset:
        return "asked for"
    if job.dataset_name != FIRST_LOOK:
        return "the default"
    return "no GPU here; standard with one" if job.preset == "quick" else "a GPU is here"


def _parts(job: Job) -> list[Checkpoint]:
    """The networks of a job, members of ensembles by themselves, each once."""
    found: dict[str, Checkpoint] = {}
    for reader in job.readers:
        for part in reader.parts:
            found.setdefault(part.hash, part)
    return list(found.values())


def _source(part: Checkpoint, dataset: str) -> str:
    """Where weights come from; "" for those that are shipped."""
    here, shipped = places(part.name, dataset)
    if part.path == shipped:
        return ""
    if part.path != here:
        return f"{part.name}: {part.path}"
    made = "imported here" if "imported" in part.card else "trained here"
    shadows = ", before the shipped weights" if shipped.is_file() else ""
    return f"{part.name}: {_short(part.path)} ({made}{shadows})"


def _short(path: Path) -> str:
    """A path with ~ for the user's folder."""
    home = Path.home()
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)

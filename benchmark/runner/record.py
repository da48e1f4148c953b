"""What a store remembers of an experiment: enough to make its tables again and to repeat it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmark.networks.checkpoints import Checkpoint
from benchmark.plan.inits import Init
from benchmark.plan.job import Job, unreadable_key
from benchmark.runner.provenance import provenance_of


def record_of(job: Job, environment: dict[str, Any], command: Sequence[str]) -> dict[str, Any]:
    """The record of a job as plain values.

    selection: what was asked for, which tells one experiment from another. command: what was typed,
    empty where it was called from Python.
    """
    return {
        "command": list(command),
        "selection": _plain(asdict(job.selection)),
        "preset": job.preset,
        "dataset": {
            "name": job.dataset_name,
            "licence": job.dataset.licence,
            "citation": job.dataset.citation,
        },
        "readers": [_reader(job, reader) for reader in job.readers],
        "inits": [_init(init) for init in job.inits.values()],
        "plugins": provenance_of(job),
        "environment": environment,
    }


def keys_of(job: Job) -> list[str]:
    """The keys of all cells of a job, those of images that cannot be read included."""
    unreadable = [unreadable_key(job.dataset_name, name) for name in job.unreadable]
    return [cell.key for cell in job.cells] + unreadable


def ensembles_of(job: Job) -> dict[str, list[str]]:
    """Hash of each ensemble among the readers -> hashes of its networks."""
    found = {}
    for reader in job.readers:
        if reader.members:
            found[reader.hash] = [member.hash for member in reader.members]
    return found


def _init(init: Init) -> dict[str, Any]:
    return {"hash": init.hash, "bytes": init.bytes, "path": str(init.path), "card": init.card}


def _reader(job: Job, reader: Checkpoint) -> dict[str, Any]:
    out: dict[str, Any] = {
        "name": reader.name,
        "hash": reader.hash,
        "role": "loss" if reader in job.segmenters else "eval",
        "path": str(reader.path),
        "card": reader.card,
    }
    if reader.members:
        out["members"] = []
        for part in reader.members:
            out["members"].append({"name": part.name, "path": str(part.path)})
    return out


def _plain(value: Any) -> Any:
    """The value as JSON gives it back: lists for tuples, texts for paths."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, Path) else value

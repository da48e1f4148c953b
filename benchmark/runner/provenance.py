"""Where the plug-ins of a run come from: path, hash, what git says, and the text where git cannot
bring it back.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmark.plan.job import Job
from benchmark.plugins import checkout_root, index

CLEAN, CHANGED, UNTRACKED, OUTSIDE = "tracked", "changed", "untracked", "not in the checkout"


def provenance_of(job: Job) -> list[dict[str, Any]]:
    """`provenance` of every plug-in that a job uses, by kind and name, each once."""
    used = {("dataset", job.dataset_name)}
    for cell in job.cells:
        used.add(("inr", cell.inr.name))
        used.add(("optimizer", cell.recipe.optimizer))
        for choice in (cell.regularizer, cell.codec):
            if choice is not None:
                used.add((choice.kind, choice.name))
    for reader in job.readers:
        used.update(("segmenter", part.name) for part in reader.parts)
    return [provenance(index.get(kind, name)) for kind, name in sorted(used)]


def provenance(entry: index.Entry) -> dict[str, Any]:
    """Of one plug-in: kind, name, path (in a checkout relative to it), source hash, git state.

    git is "tracked" (and as committed), "changed", "untracked" or "not in the checkout". Where it
    is not "tracked", sources has the text of the file and of the helpers that it imports, by name.
    An installed package is "not in the checkout" too: a wheel of ours has no git.
    """
    root = checkout_root()
    files = index.source_files(entry.path)
    state = _worst(git_state(file, root) for file in files)
    path = entry.path.resolve()
    inside = root is not None and path.is_relative_to(root)
    found: dict[str, Any] = {
        "kind": entry.kind,
        "name": entry.name,
        "path": path.relative_to(root).as_posix() if inside and root else str(path),
        "source_hash": entry.source_hash(),
        "git": state,
    }
    if state != CLEAN:
        found["sources"] = {file.name: _text(file) for file in files}
    return found


def git_state(path: Path, root: Path | None) -> str:
    """What git says of a file: see `provenance`. A checkout without git has nothing tracked."""
    path = path.resolve()
    if root is None or not path.is_relative_to(root):
        return OUTSIDE
    try:
        if not git(root, "ls-files", "--", str(path)):
            return UNTRACKED
        return CHANGED if git(root, "status", "--porcelain", "--", str(path)) else CLEAN
    except (OSError, subprocess.SubprocessError):
        return UNTRACKED


def git(root: Path, *words: str) -> str:
    """What a git command prints; raises OSError or SubprocessError where it fails."""
    done = subprocess.run(
        ["git", "-C", str(root), *words], capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()


def _worst(states: Iterable[str]) -> str:
    """The state of a plug-in with its helpers: that of the file that is furthest from a commit."""
    return max(states, key=(CLEAN, CHANGED, UNTRACKED, OUTSIDE).index)


def _text(file: Path) -> str:
    return file.read_text(encoding="utf-8", errors="replace")

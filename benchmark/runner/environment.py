"""What a run was made with: versions, device, git state. Kept with every run."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmark import __version__
from benchmark.plugins import FOLDERS, checkout_root
from benchmark.runner.provenance import git

# Where a file that git does not know is code that a run may use.
PLUGIN_FOLDERS = (
    *FOLDERS,
    "benchmark/codecs",
    "benchmark/fit/optimizers",
    "benchmark/fit/regularizers",
)
PACKAGES = (
    "torch",
    "numpy",
    "scikit-image",
    "imagecodecs",
    "nibabel",
    "nilearn",
    "safetensors",
    "msgpack",
    "tinycudann",
)


def environment(device: str) -> dict[str, Any]:
    """Versions, device in words, threads, and the commit of the checkout (with whether it had
    changes).
    """
    import torch

    name = torch.cuda.get_device_name() if device == "cuda" else _cpu_name()
    return {
        "sinco-bench": __version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "packages": {package: found for package in PACKAGES if (found := _version(package))},
        "device": device,
        "device_name": name,
        "threads": torch.get_num_threads(),
        "cores": os.cpu_count(),
        "git": _git(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_name() -> str:
    try:
        with open("/proc/cpuinfo") as file:
            return next(
                (line.split(":", 1)[1].strip() for line in file if line.startswith("model name")),
                platform.processor(),
            )
    except OSError:
        return platform.processor()


def _git() -> dict[str, Any] | None:
    """The commit of the checkout, and whether it is all that ran: no tracked file was changed, and
    no plug-in folder holds a file that git does not know.
    """
    root = checkout_root()
    if root is None:
        return None
    try:
        commit = git(root, "rev-parse", "HEAD")
        edited = git(root, "status", "--porcelain", "--untracked-files=no")
        added = git(root, "ls-files", "--others", "--exclude-standard", "--", *PLUGIN_FOLDERS)
    except (OSError, subprocess.SubprocessError):
        return None  # no git here, or not a git checkout: a fact like any other
    untracked = [line for line in added.splitlines() if line.endswith(".py")]
    found: dict[str, Any] = {"commit": commit, "changed": bool(edited or untracked)}
    if untracked:
        found["untracked"] = untracked
    return found

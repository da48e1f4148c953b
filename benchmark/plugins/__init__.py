"""What a plug-in author imports, and the folders that plug-ins live in.

    from benchmark.plugins import register

Plug-ins are known under one name only, `benchmark.plugins.<folder>.<file>`. A wheel maps the folders below this one. In a
checkout (pyproject.toml beside inr/), and only there, the three folders at the repository root are exposed here.
Contracts load numpy, so they are imported on first use: `--help` and usage errors stay fast.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any

from benchmark.errors import CellFailed, InputError
from benchmark.plugins import files as _files  # noqa: F401  makes --plugin files importable
from benchmark.plugins.register import register

FOLDERS = ("inr", "segmenters", "datasets")
_CONTRACTS = ("Codec", "Dataset", "Decoded", "FusedMLP", "Optimizer", "Regularizer", "data_root", "philox_normal", "philox_uniform")
_TYPES = ("Sample", "VolumeStatistics")
_SCANS = {"Scan": "scan", "VolumeDataset": "volumes", "Preparation": "prepare", "file_hashes": "cache"}
_FETCH = ("Source",)
_STEPS = ("apply_window", "area_average", "area_mask", "choose_slices", "corner_value", "percentile_window", "radiological", "split_of")

__all__ = ["CellFailed", "InputError", "data_folder", "register", *_CONTRACTS, *_FETCH, *_SCANS, *_STEPS, *_TYPES]


def checkout_root() -> Path | None:
    """The repository root when this package runs from a checkout, else None."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "pyproject.toml").is_file() and (root / "inr").is_dir() else None


def _expose(root: Path) -> None:
    for folder in FOLDERS:
        name = f"{__name__}.{folder}"
        if name not in sys.modules:
            spec = ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = [str(root / folder)]
            sys.modules[name] = module = module_from_spec(spec)
            setattr(sys.modules[__name__], folder, module)


if (_root := checkout_root()) is not None:
    _expose(_root)


def __getattr__(name: str) -> Any:
    if name in _CONTRACTS:
        return getattr(importlib.import_module("benchmark.plugins.contracts"), name)
    if name in _TYPES:
        return getattr(importlib.import_module("benchmark.types"), name)
    if name == "data_folder":
        return getattr(importlib.import_module("benchmark.folders"), name)
    if name in _FETCH:
        return getattr(importlib.import_module("benchmark.fetch"), name)
    if name in _SCANS:
        return getattr(importlib.import_module(f"benchmark.images.{_SCANS[name]}"), name)
    if name in _STEPS:
        return getattr(importlib.import_module("benchmark.images.steps"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

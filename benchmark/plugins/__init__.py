"""What a plug-in author imports, and the folders that plug-ins live in.

    from benchmark.plugins import register

Plug-ins are known under one name only, `benchmark.plugins.<folder>.<file>`. A wheel maps the
folders below this one. In a checkout (pyproject.toml beside inr/), and only there, the three
folders at the repository root are exposed here. Contracts load numpy, so they are imported on first
use: `--help` and usage errors stay fast.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import CellFailed, InputError, Words, call, field, option
from benchmark.plugins import files as _files  # noqa: F401  makes --plugin files importable
from benchmark.plugins.register import register

if TYPE_CHECKING:  # the same names as HANDED_ON, for who checks types
    from benchmark.files.fetch import Source
    from benchmark.folders import data_folder
    from benchmark.images.cache import file_hashes
    from benchmark.images.prepare import Preparation
    from benchmark.images.scan import Scan
    from benchmark.images.steps import (
        apply_window,
        area_average,
        area_mask,
        choose_slices,
        corner_value,
        percentile_window,
        radiological,
        split_of,
    )
    from benchmark.images.volumes import VolumeDataset
    from benchmark.networks.trust import is_trusted
    from benchmark.plugins.contracts import (
        INR,
        Codec,
        Dataset,
        Decoded,
        FusedMLP,
        LossNetwork,
        Optimizer,
        Penalty,
        Regularizer,
        Segmenter,
        data_root,
        philox_normal,
        philox_uniform,
    )
    from benchmark.types import Sample, VolumeStatistics

FOLDERS = ("inr", "segmenters", "datasets")
# What plug-in authors import from here, and the module that has it: loaded on first use.
HANDED_ON = {
    **dict.fromkeys(
        (
            "Codec",
            "Dataset",
            "Decoded",
            "FusedMLP",
            "INR",
            "Optimizer",
            "Penalty",
            "LossNetwork",
            "Regularizer",
            "Segmenter",
            "data_root",
            "philox_normal",
            "philox_uniform",
        ),
        "benchmark.plugins.contracts",
    ),
    **dict.fromkeys(("Sample", "VolumeStatistics"), "benchmark.types"),
    **dict.fromkeys(
        (
            "apply_window",
            "area_average",
            "area_mask",
            "choose_slices",
            "corner_value",
            "percentile_window",
            "radiological",
            "split_of",
        ),
        "benchmark.images.steps",
    ),
    "Preparation": "benchmark.images.prepare",
    "Scan": "benchmark.images.scan",
    "Source": "benchmark.files.fetch",
    "VolumeDataset": "benchmark.images.volumes",
    "data_folder": "benchmark.folders",
    "file_hashes": "benchmark.images.cache",
    "is_trusted": "benchmark.networks.trust",
}

__all__ = [
    "CellFailed",
    "InputError",
    "Words",
    "call",
    "field",
    "option",
    "register",
    "Codec",
    "Dataset",
    "Decoded",
    "FusedMLP",
    "INR",
    "LossNetwork",
    "Optimizer",
    "Penalty",
    "Preparation",
    "Regularizer",
    "Sample",
    "Scan",
    "Segmenter",
    "Source",
    "VolumeDataset",
    "VolumeStatistics",
    "apply_window",
    "area_average",
    "area_mask",
    "choose_slices",
    "corner_value",
    "data_folder",
    "data_root",
    "file_hashes",
    "is_trusted",
    "percentile_window",
    "philox_normal",
    "philox_uniform",
    "radiological",
    "split_of",
]


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
    if name in HANDED_ON:
        return getattr(importlib.import_module(HANDED_ON[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""What this machine has for a run, what is missing, and what to type for each missing thing.

examples:
  python -m benchmark doctor
  python -m benchmark doctor --json               a list of {part, ok, found, todo}
"""

from __future__ import annotations

import argparse
import importlib
import importlib.util
import json
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmark.errors import InputError
from benchmark.folders import cache_folder
from benchmark.networks.checkpoints import making, read_card
from benchmark.plugins import index

# tiny-cuda-nn is not on PyPI and builds against the torch that is installed: no isolation, its
# build tools first.
TINYCUDANN = (
    "pip install setuptools wheel packaging ninja",
    (
        "pip install --no-build-isolation"
        ' "git+https://github.com/NVlabs/tiny-cuda-nn/#subdirectory=bindings/torch"'
    ),
)
TINYCUDANN_NOTE = (
    "(the second needs nvcc; where no GPU is, put TCNN_CUDA_ARCHITECTURES=90 before it: 90 for an"
    " H100)"
)


@dataclass(frozen=True)
class Finding:
    """One line of the doctor: a part, whether it is there, what was found, and what to type where
    it is not.
    """

    part: str
    ok: bool
    found: str
    todo: tuple[str, ...] = ()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--json", action="store_true", help="print JSON: a list of {part, ok, found, todo}"
    )


def run(args: argparse.Namespace) -> int:
    found = findings()
    if args.json:
        print(json.dumps([asdict(finding) for finding in found], indent=2))
        return 0
    width = max(len(finding.part) for finding in found) + 2
    for finding in found:
        print(f"{'ok' if finding.ok else '--'}  {finding.part:<{width}}{finding.found}")
        for line in finding.todo:
            print(" " * (width + 4) + line)
    return 0


def findings() -> list[Finding]:
    """Everything that the doctor looks at, in the order in which it is printed."""
    python = Finding("python", True, f"{platform.python_version()} at {sys.executable}")
    return [
        python,
        torch_found(),
        tinycudann_found(),
        cache_found(),
        data_folder_found(),
        *datasets_found(),
        *checkpoints_found(),
    ]


def torch_found() -> Finding:
    try:
        import torch
    except (ImportError, OSError) as error:
        return Finding(
            "torch", False, f"it cannot be imported: {error}", ("pip install 'torch>=2.8,<2.14'",)
        )
    cores = f"{torch.get_num_threads()} threads of {os.cpu_count()} cores"
    if torch.cuda.is_available():
        device, why = "cuda", f"CUDA {torch.version.cuda}, {torch.cuda.get_device_name()}"
    elif torch.version.cuda is None:
        device, why = "cpu", "built without CUDA"
    else:
        device, why = "cpu", f"built for CUDA {torch.version.cuda}, but no GPU can be used"
    return Finding(
        "torch", True, f"{torch.__version__}, {why}; {cores}; --device auto takes {device}"
    )


def tinycudann_found() -> Finding:
    """Only the backbone `hashgrid` needs it. On a machine without a GPU its import raises OSError,
    not ImportError.
    """
    if importlib.util.find_spec("tinycudann") is None:
        return Finding(
            "tiny-cuda-nn",
            False,
            "not installed: the backbone hashgrid cannot run (hashgrid-torch can)",
            (*TINYCUDANN, TINYCUDANN_NOTE),
        )
    try:
        importlib.import_module("tinycudann")
    except (ImportError, OSError) as error:
        why = str(error).partition("\n")[0] or type(error).__name__
        return Finding(
            "tiny-cuda-nn",
            False,
            f"installed, but it cannot be imported: {why}",
            ("it needs an NVIDIA GPU that torch can use; --inr hashgrid-torch runs without",),
        )
    return Finding("tiny-cuda-nn", True, "the backbone hashgrid can run")


def cache_found() -> Finding:
    folder = cache_folder()
    nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        return Finding(
            "cache folder",
            False,
            f"{folder} cannot be written",
            ("export SINCO_BENCH_CACHE=FOLDER",),
        )
    return Finding(
        "cache folder",
        True,
        str(folder) if folder.exists() else f"{folder} (made when it is needed)",
    )


def data_folder_found() -> Finding:
    given, todo = os.environ.get("SINCO_BENCH_DATA"), ("export SINCO_BENCH_DATA=FOLDER",)
    if not given:
        return Finding(
            "data folder", False, "SINCO_BENCH_DATA is not set; mni-lesion needs no data", todo
        )
    if not Path(given).is_dir():
        return Finding("data folder", False, f"SINCO_BENCH_DATA is {given}: no such folder", todo)
    return Finding("data folder", True, given)


def datasets_found() -> Iterator[Finding]:
    for name, entry in index.entries("dataset").items():
        part = f"data set {name}"
        try:
            folder = entry.load()().fetch()
        except InputError as error:
            yield Finding(part, False, error.found, (error.todo,))
        else:
            yield Finding(part, True, str(folder) if folder else "needs no download")


def checkpoints_found() -> Iterator[Finding]:
    """Trained weights in the cache and those that ship with the segmenters."""
    segmenters = index.entries("segmenter")
    folders = [
        cache_folder() / "checkpoints",
        *(entry.path.parent / "weights" for entry in segmenters.values()),
    ]
    without = set(segmenters)
    for file in (
        file for folder in dict.fromkeys(folders) for file in sorted(folder.glob("*.safetensors"))
    ):
        if file.name.endswith(".resume"):  # a training that goes on: no weights to read with yet
            continue
        try:
            card = read_card(file)
        except InputError as error:
            yield Finding("weights", False, f"{file}: {error.found}", (error.todo,))
        else:
            name, channels = card["segmenter"], ", ".join(card["channels"])
            without.discard(name)
            yield Finding(f"weights of {name}", True, f"for {card['dataset']} ({channels}): {file}")
    for name in sorted(without):
        why, entry = segmenters[name].unavailable(), segmenters[name]
        todo = making(name, _lesson(entry))
        yield Finding(
            f"weights of {name}",
            False,
            f"none; {why}" if why else "none",
            (*([entry.declared["install"]] if why and entry.declared["install"] else []), todo),
        )


def _lesson(entry: index.Entry) -> str:
    """A data set that a segmenter may learn from."""
    if not entry.declared["trains"]:
        return "DATASET"
    return (
        "brain-tumor-mri"
        if entry.declared["task"] == "label"
        else "nfbs"
        if entry.declared["dims"] == 3
        else "mni-lesion"
    )

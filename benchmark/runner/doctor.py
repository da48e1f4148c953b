"""What this machine has for a run, what is missing, and what to do about each missing thing."""

from __future__ import annotations

import importlib
import importlib.util
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmark.errors import InputError, Words, field
from benchmark.folders import cache_folder
from benchmark.networks.cards import read_card
from benchmark.networks.checkpoints import making
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
    """A part, whether it is there, what was found, and what to do where it is not."""

    part: str
    ok: bool
    found: str
    todo: tuple[str, ...] = ()


def look_at_machine() -> list[Finding]:
    """Everything that the doctor looks at: Python and torch first, then folders, data and weights.

    Never raises: what cannot be used is a finding.
    """
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
    taken = f"{field('device', 'auto')} takes {device}"
    return Finding("torch", True, Words(f"{torch.__version__}, {why}; {cores}; {taken}"))


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
        without = field("inr", "hashgrid-torch")
        return Finding(
            "tiny-cuda-nn",
            False,
            f"installed, but it cannot be imported: {why}",
            (Words(f"it needs an NVIDIA GPU that torch can use; {without} runs without"),),
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
    without = set(segmenters)
    for file in _checkpoint_files():
        try:
            card = read_card(file)
        except InputError as error:
            yield Finding("weights", False, Words(f"{file}: {error.found.marked}"), (error.todo,))
            continue
        name, channels = card["segmenter"], ", ".join(card["channels"])
        without.discard(name)
        yield Finding(f"weights of {name}", True, f"for {card['dataset']} ({channels}): {file}")
    for name in sorted(without):
        yield _without_weights(segmenters[name])


def _checkpoint_files() -> Iterator[Path]:
    """Checkpoints by folder and name, without those of trainings that go on."""
    shipped = [entry.path.parent / "weights" for entry in index.entries("segmenter").values()]
    for folder in dict.fromkeys([cache_folder() / "checkpoints", *shipped]):
        for file in sorted(folder.glob("*.safetensors")):
            if not file.name.endswith(".resume"):
                yield file


def _without_weights(entry: index.Entry) -> Finding:
    """A segmenter that nobody trained here: what to do, its package first where that is missing."""
    why, todo = entry.unavailable(), []
    if why and entry.declared["install"]:
        todo.append(entry.declared["install"])
    todo.append(Words(making(entry.name, _lesson(entry))))
    found = f"none; {why}" if why else "none"
    return Finding(f"weights of {entry.name}", False, found, tuple(todo))


def _lesson(entry: index.Entry) -> str:
    """A data set that a segmenter may learn from."""
    if not entry.declared["trains"]:
        return "DATASET"
    if entry.declared["task"] == "label":
        return "brain-tumor-mri"
    return "nfbs" if entry.declared["dims"] == 3 else "mni-lesion"

"""Compiled kernels (numba): where their code is cached, and whether compiling pays for a run. No
numba is imported here.
"""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.metadata import version
from pathlib import Path

from benchmark.folders import cache_folder

# Measured on a busy 2-core AMD EPYC: 9 s to compile the coordinate network, SOAP and what they
# call; 0.6 s to load them again.
COMPILE_SECONDS = 9.0
TORCH_SECONDS = 6e-10  # of the PyTorch path, a step, a pixel and a parameter


def folder() -> Path:
    """Where compiled code is kept: a folder for each version of the kernels, of numba and of
    Python, and each processor.

    numba itself notices an edit of a function's own file, but not of the files that it calls into.
    """
    return cache_folder() / f"kernels-{_digest()}"


@cache
def _digest() -> str:
    digest = hashlib.sha256(
        f"{version('numba')} {sys.version} {platform.processor()} {_processor()}".encode()
    )
    here = Path(__file__).parent
    for path in [*sorted(here.glob("*.py")), here.parent / "optimizers" / "_soap_step.py"]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _processor() -> str:
    """What this processor can do, as Linux says it; "" elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    for line in lines:
        if line.startswith(("flags", "Features")):
            return line
    return ""


def prepare() -> None:
    """Let numba keep its code in `folder()`, unless NUMBA_CACHE_DIR says where. Call before a
    kernel's module is imported.
    """
    os.environ.setdefault("NUMBA_CACHE_DIR", str(folder()))
    import numba

    # Where numba came before, it has read the environment already.
    numba.config.CACHE_DIR = os.environ["NUMBA_CACHE_DIR"]  # type: ignore[attr-defined]


def compiled() -> bool:
    """Whether these kernels have been compiled on this machine before."""
    return (folder() / "compiled").is_file()


def remember_compiled() -> None:
    """To be called after a kernel has run; a cache that cannot be written only costs the next run
    its time.
    """
    if not compiled():
        try:
            folder().mkdir(parents=True, exist_ok=True)
            (folder() / "compiled").touch()
        except OSError:
            pass


def worth_compiling(work: float) -> bool:
    """Whether compiled kernels pay for a run of `work` = steps x pixels x parameters, summed over
    its fits.

    Where they are compiled already they always do; else the PyTorch path must take twice as long as
    compiling.
    """
    return compiled() or TORCH_SECONDS * work > 2 * COMPILE_SECONDS


@cache
def pool(threads: int) -> ThreadPoolExecutor:
    """Threads beside the calling one; kernels hold no lock of Python's while they work."""
    return ThreadPoolExecutor(threads, thread_name_prefix="kernel")

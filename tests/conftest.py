"""What all tests share: one thread a worker, no trace of the user's own cache and plug-ins, a tiny
data set.
"""

from __future__ import annotations

import os

# Before anything imports torch or numba: pytest -n 2 on two cores would else run four threads,
# which is slower.
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = os.environ["NUMBA_NUM_THREADS"] = (
    "1"
)

import sys  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from pathlib import Path  # noqa: E402

import pytest  # noqa: E402

from benchmark.fit import kernels  # noqa: E402
from benchmark.plugins import index  # noqa: E402
from benchmark.plugins.contracts import Dataset  # noqa: E402
from benchmark.plugins.files import PLUGINS_VARIABLE  # noqa: E402
from benchmark.types import Sample  # noqa: E402

# Compiled kernels are those of the user's cache: compiling them anew in each test would take
# minutes.
os.environ.setdefault("NUMBA_CACHE_DIR", str(kernels.folder()))

TINY = Path(__file__).parent / "tiny.py"


@pytest.fixture(autouse=True)
def isolated(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """A cache folder and plug-in files of each test's own, in its child processes too."""
    monkeypatch.setenv("SINCO_BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
    monkeypatch.setenv(
        PLUGINS_VARIABLE, ""
    )  # set rather than deleted: so what add_plugin_file writes is undone too
    index.entries.cache_clear()
    yield
    index.entries.cache_clear()
    for name in [name for name in sys.modules if name.startswith("benchmark.plugins.file_")]:
        del sys.modules[name]


@pytest.fixture
def store_folder(tmp_path: Path) -> Path:
    """Where a run may keep its results: not there yet, as for a user."""
    return tmp_path / "results"


@pytest.fixture
def tiny_dataset() -> Dataset:
    """The data set `tiny` of tests/tiny.py, known by that name here and in child processes."""
    index.add_plugin_file(TINY)
    return index.get("dataset", "tiny").load()()


@pytest.fixture
def tiny_samples(tiny_dataset: Dataset) -> list[Sample]:
    """The three test images of `tiny`, 32 x 32 x 1: two with a lesion, the last without."""
    return list(tiny_dataset.samples("test"))

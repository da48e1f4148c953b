"""Preparing images: `python -m pytest tests/bench/bench_data.py`.

LGG of SINCO_BENCH_DATA, all slices, or 28 patients written in the release's layout. Printed:
seconds for 1,000 slices the first time (read, window, head mask, resize, store), what a second run
takes until its images are there, and memory by patients read.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import tifffile

from benchmark.plugins import index
from benchmark.types import SPLITS

REAL = Path(os.environ.get("SINCO_BENCH_DATA", "none")) / "lgg"
PATIENTS, SLICES = 28, 25


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if REAL.is_dir():
        return REAL
    folder, rng = tmp_path_factory.mktemp("lgg") / "kaggle_3m", np.random.default_rng(0)
    for patient in range(PATIENTS):
        name = f"TCGA_XX_{patient:04d}_20000101"
        (folder / name).mkdir(parents=True)
        for n in range(1, SLICES + 1):
            tifffile.imwrite(
                folder / name / f"{name}_{n}.tif", rng.integers(0, 256, (256, 256, 3), np.uint8)
            )
            tifffile.imwrite(
                folder / name / f"{name}_{n}_mask.tif",
                np.uint8(255) * (rng.random((256, 256)) < 0.1),
            )
    return folder


def prepare(root: Path, patients: int | None = None) -> int:
    """Load every slice of the first patients; returns how many there are."""
    dataset = index.get("dataset", "lgg").load()(root, slices="all")
    dataset.files = dict(list(dataset.files.items())[:patients])
    return sum(
        dataset.load(sample_id).mask.ndim == 2
        for split in SPLITS
        for sample_id in dataset.ids(split)
    )


def test_first_and_second_run(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start, cpu = time.perf_counter(), time.process_time()
    count = prepare(root)
    first, cpu = time.perf_counter() - start, time.process_time() - cpu
    start = time.perf_counter()
    assert prepare(root) == count
    second = time.perf_counter() - start
    with capsys.disabled():
        print(
            f"\n1,000 slices of lgg prepared at 128 pixels: {1000 * first / count:.1f} s,"
            f" {1000 * cpu / count:.1f} of a processor ({count} measured); from the cache"
            f" {1000 * second / count:.2f} s, all {count} in {second:.2f} s"
        )


def test_memory(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    words = []
    for patients in (4, 28):
        monkeypatch.setenv("SINCO_BENCH_CACHE", str(tmp_path / str(patients)))
        code = (
            "from pathlib import Path; from tests.bench.bench_data import prepare, peak\n"
            f"prepare(Path({str(root)!r}), {patients}); print(peak())"
        )
        found = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        words.append(f"{found.strip()} MiB after {patients} patients")
    with capsys.disabled():
        print(f"\nmemory at its highest: {', '.join(words)}")


def peak() -> int:
    """MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

"""How long a volume takes beside nibabel: `python -m pytest tests/bench/bench_volume.py` prints it.

A BraTS case where SINCO_BENCH_DATA has `brats18`, else noise in a ball of its size (the MNI case
has another). First reads: nothing is kept between rounds but the system's file cache. Compressed
files alone: one that is not is mapped by both. Rounds in turn, medians of processor time: a busy
machine interrupts a millisecond for ten.
"""

import os
import statistics
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest

from benchmark.files.task01 import write_task01
from benchmark.files.volumes import read_volume

SHAPE = (240, 240, 155)
ROUNDS = 9
CHANNEL = 2  # of 0 to 3


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """A 3-D and a 4-D image of int16 and a segmentation."""
    folder = tmp_path_factory.mktemp("case")
    cases = sorted(Path(os.environ.get("SINCO_BENCH_DATA", "none")).glob("brats18/*"))
    if cases:
        write_task01(cases[:1], folder)
        image, labels = (
            nibabel.load(folder / part / "BRATS_001.nii.gz") for part in ("imagesTr", "labelsTr")
        )
        four, marks = np.asarray(image.dataobj), np.asarray(labels.dataobj)
    else:
        radius = np.linalg.norm(
            np.indices(SHAPE) - np.array(SHAPE)[:, None, None, None] / 2, axis=0
        )
        noise = np.random.default_rng(0).integers(100, 900, (*SHAPE, 4)).astype(np.int16)
        four, marks = noise * (radius < 60)[..., None], (radius < 15).astype(np.uint8)
    made = {}
    for name, voxels in (("3-D", four[..., CHANNEL]), ("4-D", four), ("labels", marks)):
        made[name] = folder / f"{name}.nii.gz"
        nibabel.save(nibabel.Nifti1Image(voxels, np.diag([-1, -1, 1, 1])), made[name])
    return made


@pytest.mark.parametrize("name", ["3-D", "4-D", "labels"])
def test_a_compressed_volume(name, files, capsys) -> None:
    path, channel = files[name], CHANNEL if name == "4-D" else None

    def ours() -> np.ndarray:
        return read_volume(path, channel).voxels[::-1, ::-1]

    def nibabels() -> np.ndarray:
        voxels = nibabel.load(path).dataobj
        return np.asarray(voxels if channel is None else voxels[..., channel])

    np.testing.assert_array_equal(ours(), nibabels())
    seconds: dict[str, list[float]] = {"nibabel": [], "ours": []}
    for _ in range(ROUNDS):
        for side, read in (("nibabel", nibabels), ("ours", ours)):
            start = time.process_time()
            read()
            seconds[side].append(time.process_time() - start)
    theirs, mine = statistics.median(seconds["nibabel"]), statistics.median(seconds["ours"])
    with capsys.disabled():
        print(
            f"\na .nii.gz, {name}, against nibabel: {theirs / mine:.1f}x"
            f" ({1000 * theirs:.0f} ms, {1000 * mine:.0f} ms)",
            end="",
        )
    assert theirs > mine

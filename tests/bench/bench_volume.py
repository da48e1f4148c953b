"""How long a slice and a volume take beside nibabel: `python -m pytest tests/bench/bench_volume.py`
prints it.

A BraTS case where SINCO_BENCH_DATA has `brats18`, else noise in a ball of its size (the MNI case
has another). First reads: nothing is kept between rounds but the system's file cache. nibabel
slices through `dataobj`, its fastest way to one slice. Rounds in turn, medians of processor time: a
busy machine interrupts a millisecond for ten.
"""

import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import nibabel
import numpy as np
import pytest

from benchmark.files.task01 import write_task01
from benchmark.files.volumes import read_plane, read_volume

SHAPE = (240, 240, 155)
ROUNDS = 9
CHANNEL = 2  # of 0 to 3


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """A 3-D and a 4-D image of int16 and a segmentation, each compressed and not."""
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
        for end in (".nii", ".nii.gz"):
            made[f"{name} {end}"] = folder / f"{name}{end}"
            nibabel.save(
                nibabel.Nifti1Image(voxels, np.diag([-1, -1, 1, 1])), made[f"{name} {end}"]
            )
    return made


def in_turn(sides: dict[str, Callable[[], np.ndarray]]) -> dict[str, float]:
    """Median processor seconds of each side."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(ROUNDS):
        for name, side in sides.items():
            start = time.process_time()
            side()
            seconds[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def ratio(
    capsys, what: str, ours: Callable[[], np.ndarray], nibabels: Callable[[], np.ndarray]
) -> float:
    np.testing.assert_array_equal(ours(), nibabels())
    seconds = in_turn({"nibabel": nibabels, "ours": ours})
    with capsys.disabled():
        print(
            f"\n{what} against nibabel: {seconds['nibabel'] / seconds['ours']:.1f}x"
            f" ({1000 * seconds['nibabel']:.2f} ms, {1000 * seconds['ours']:.2f} ms)",
            end="",
        )
    return seconds["nibabel"] / seconds["ours"]


@pytest.mark.parametrize("end", [".nii", ".nii.gz"])
@pytest.mark.parametrize("name", ["3-D", "4-D", "labels"])
def test_volumes(name, end, files, capsys) -> None:
    path, channel = files[f"{name} {end}"], CHANNEL if name == "4-D" else None

    def ours(z: int | None) -> np.ndarray:
        return (read_volume(path, channel).voxels if z is None else read_plane(path, z, channel))[
            ::-1, ::-1
        ]

    def nibabels(z: int | None) -> np.ndarray:
        at = (slice(None), slice(None), slice(None) if z is None else z)
        return np.asarray(nibabel.load(path).dataobj[at if channel is None else (*at, channel)])

    places = {"first slice": 0, "middle slice": 77, "last slice": 154, "all": None}
    for where, z in places.items():
        if z is not None or end == ".nii.gz":  # a whole .nii is mapped by both: nothing to compare
            assert (
                ratio(capsys, f"{where} of a {end}, {name}", partial(ours, z), partial(nibabels, z))
                > 1
            )

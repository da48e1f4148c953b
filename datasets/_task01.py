"""What Task01's folder says: dataset.json, and the facts of a channel's volume."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.plugins import InputError, VolumeStatistics, apply_window, percentile_window
from benchmark.plugins.datasets._nifti import volume

# Which of dataset.json's labels each merge takes, by name, so that other numbers are noticed.
MERGES = {
    "whole": ("edema", "non-enhancing tumor", "enhancing tumor"),
    "core": ("non-enhancing tumor", "enhancing tumor"),
    "enhancing": ("enhancing tumor",),
}


@dataclass(frozen=True)
class Task:
    """dataset.json: cases {name: (image, label)}, channel names in order, and label numbers by name."""

    path: Path
    cases: dict[str, tuple[str, str]]
    channels: list[str]
    labels: dict[str, float]

    @classmethod
    def read(cls, path: Path) -> Task:
        try:
            task: dict[str, Any] = json.loads(path.read_text())
            cases = {re.sub(r"\.nii(\.gz)?$", "", Path(case["image"]).name): (case["image"], case["label"])
                     for case in task["training"]}
            channels = [name for _, name in sorted(task["modality"].items(), key=lambda item: int(item[0]))]
            # Task01's own file writes "tumor" and "tumour" side by side.
            labels = {name.lower().replace("tumour", "tumor"): float(number) for number, name in task["labels"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InputError(f"the data set description {path}", f"{type(error).__name__}: {error}",
                             "restore dataset.json from the release: it has training, modality and labels") from None
        return cls(path, cases, channels, labels)

    def channel(self, name: str) -> int:
        names = [channel.lower() for channel in self.channels]
        if name.lower() not in names:
            raise InputError(f"the channel {name} of {self.path}", f"it has {', '.join(self.channels)}", "one of these")
        return names.index(name.lower())

    def numbers(self, merge: str) -> list[float]:
        missing = [name for name in MERGES[merge] if name not in self.labels]
        if missing:
            raise InputError(f"labels={merge} of {self.path}", f"it does not name {', '.join(missing)}",
                             "dataset.json with Task01's label names")
        return [self.labels[name] for name in MERGES[merge]]


@dataclass(frozen=True)
class Facts:
    """What is known of a channel's volume: its background, its windows by name with the statistics under each, and
    the canonical axial slices that hold brain.
    """

    background: float
    windows: dict[str, tuple[float, float]]
    statistics: dict[str, VolumeStatistics]
    slices: tuple[int, ...]


@lru_cache(maxsize=1024)
def facts(path: Path, channel: int) -> Facts:
    planes = volume(path, channel)
    voxels = planes.voxels()
    background = float(voxels.flat[0])
    brain = voxels[voxels != background]
    if brain.size == 0:
        raise InputError(f"channel {channel} of {path}", f"every voxel is {background:g}",
                         "restore the file, or take the case out of dataset.json")
    windows = {"percentile": percentile_window(brain), "minmax": percentile_window(voxels, 0, 100)}
    statistics = {name: VolumeStatistics.of(apply_window(brain, window)) for name, window in windows.items()}
    axial = planes.axial_axis
    held = (voxels != background).any(axis=tuple(a for a in range(3) if a != axial))
    held = held[::-1] if planes.upside_down else held
    return Facts(background, windows, statistics, tuple(map(int, np.flatnonzero(held))))

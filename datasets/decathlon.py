"""Medical Segmentation Decathlon, Task01_BrainTumour, in the layout of the release."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmark.files.volumes import Volume, as_labels, planes, read_geometry, read_volume, same_grid
from benchmark.plugins import (
    InputError,
    Scan,
    Source,
    VolumeDataset,
    call,
    corner_value,
    data_root,
    register,
)
from benchmark.plugins.datasets._task01 import MERGES, Task

MARKER = "dataset.json"
CHANNELS = ("FLAIR", "T1w", "T1gd", "T2w")


@register.dataset("decathlon", requires=("nibabel", "zlib_ng"))
class Decathlon(VolumeDataset):
    """Task01_BrainTumour (Medical Segmentation Decathlon): 484 gliomas, FLAIR, T1w, T1gd, T2w
    volumes with labels.

    Reads `dataset.json`, `imagesTr` and `labelsTr` (4-D NIfTI, .nii.gz or .nii). A sample is called
    BRATS_001-077: case and axial slice, counted from 0 at the bottom in canonical orientation (as
    nibabel.as_closest_canonical). Splits go by a hash of the case, about 60 / 12 / 28 %; a folder
    that `data task01` wrote says who its cases are, and they have the split of that person.
    `labels`: whole tumour, core (without edema) or enhancing. Tissue: voxels that differ from the
    volume's corners.
    """

    name = "decathlon"
    salt = (  # the first of task01-0, task01-1, ... by which the first case, BRATS_001, is in test
        "task01-2"
    )
    preparation = {"slices": "middle", "window": "percentile"}
    licence = "CC BY-SA 4.0 (Medical Segmentation Decathlon)"
    citation = (
        "Antonelli et al., The Medical Segmentation Decathlon, Nature Communications 13 (2022)"
        " 4128; Menze et al., BRATS, IEEE TMI 34 (2015) 1993-2024"
    )
    source = Source(
        "https://msd-for-monai.s3-us-west-2.amazonaws.com/Task01_BrainTumour.tar",
        "Task01_BrainTumour.tar",
        "md5:240a19d752f0d9e9101544901065d872",
        7_608_266_240,
        "tar",
        "Task01_BrainTumour",
    )  # as MONAI lists it

    def __init__(
        self,
        root: Path | None = None,
        *,
        channel: Literal["FLAIR", "T1w", "T1gd", "T2w", "all"] = "FLAIR",
        labels: Literal["whole", "core", "enhancing"] = "whole",
        **preparation: Any,
    ) -> None:
        for name, given, known in (
            ("channel", channel, (*CHANNELS, "all")),
            ("labels", labels, MERGES),
        ):
            if given not in known:
                raise InputError(
                    f"decathlon with {name}={given}", "no such choice", f"{name}={', '.join(known)}"
                )
        super().__init__(root, preparation, channel=channel, labels=labels)

    @cached_property
    def folder(self) -> Path:
        try:
            return data_root(
                self.root,
                "decathlon",
                ["Task01_BrainTumour", "decathlon/Task01_BrainTumour"],
                MARKER,
            )
        except InputError as error:
            fetch = call("data fetch", "decathlon")
            write = call("data task01", folders="CASE", out="Task01_BrainTumour")
            raise InputError(
                error.asked,
                error.found,
                f"{fetch} (7 GB), or write such a folder from BraTS cases: {write}; then"
                f" {error.todo.marked}",
            ) from None

    def fetch(self) -> Path:
        return self.folder

    @cached_property
    def _task(self) -> Task:
        return Task.read(self.folder / MARKER)

    def cases(self) -> dict[str, Sequence[Path]]:
        """Image, labels, and what says which channel and which number is what."""
        return {
            case: [self.folder / path for path in (*files, MARKER)]
            for case, files in self._task.cases.items()
        }

    def person(self, case: str) -> str:
        return super().person(self._task.persons.get(case, case))

    def numbers(self, case: str) -> range:
        return range(read_geometry(self.files[case][0]).shape[2])

    def areas(self, case: str) -> list[int]:
        image, label, _ = self.files[case]
        lesion = np.isin(
            _labels(read_volume(label, like=image)), self._task.numbers(self.own["labels"])
        )
        return [int(area) for area in lesion.sum((1, 2))]

    def read(self, case: str) -> Scan:
        image, label, _ = self.files[case]
        names = self._task.channels if self.own["channel"] == "all" else [self.own["channel"]]
        channels = {name: read_volume(image, self._task.channel(name)) for name in names}
        stacks = {name: planes(volume) for name, volume in channels.items()}
        first, drawn = next(iter(channels.values())), read_volume(label, like=image)
        same_grid(first, [drawn])
        labels = _labels(drawn)
        if unknown := sorted(set(np.unique(labels).tolist()) - set(self._task.labels.values())):
            raise InputError(
                f"the labels {label}",
                f"values that dataset.json does not name: {unknown}",
                "restore the file from the release",
            )
        return Scan(
            case,
            stacks,
            tuple(range(len(labels))),
            labels,
            self._task.numbers(self.own["labels"]),
            tuple(self._task.labels.values()),
            first.spacing_mm[::-1],
            {name: corner_value(stack) for name, stack in stacks.items()},
            orientation=first.orientation,
        )


def _labels(volume: Volume) -> np.ndarray:
    """Label numbers [Z, H, W]."""
    return as_labels(planes(volume), f"the labels {volume.path}")

"""Medical Segmentation Decathlon, Task01_BrainTumour, in the layout of the release."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from benchmark.plugins import (
    Dataset,
    InputError,
    Sample,
    apply_window,
    area_average,
    area_mask,
    choose_slices,
    data_root,
    radiological,
    register,
    split_of,
)
from benchmark.plugins.datasets._nifti import volume
from benchmark.plugins.datasets._task01 import MERGES, Task, facts

SALT = "task01-2"  # the first of task01-0, task01-1, ... by which a folder of the one case BRATS_001 has a test split
MARKER = "dataset.json"


@register.dataset("decathlon", requires=("nibabel",))
class Decathlon(Dataset):
    """Task01_BrainTumour (Medical Segmentation Decathlon): 484 gliomas, FLAIR, T1w, T1gd, T2w volumes with labels.

    Reads `dataset.json`, `imagesTr` and `labelsTr` (4-D NIfTI, .nii.gz or .nii). A sample is called BRATS_001-077: case
    and axial slice, counted from 0 at the bottom in canonical orientation (as nibabel.as_closest_canonical). Row 0 is
    anterior, column 0 the patient's right. Splits go by a hash of the case, about 60 / 12 / 28 %. `slices`: middle
    (depth // 2), largest tumour (one a case) or all that hold brain. `labels`: whole tumour, core (without edema) or
    enhancing. `window`: percentile maps the 0.5 and 99.5 percentiles of the volume's brain voxels to 0 and 1, minmax
    the volume's extremes; the sample keeps them. Brain: voxels that differ from the volume's corner. `size`: pixels a
    side by area average, 0 is native (240). Volume statistics are over the channel's brain voxels, so the first slice
    of a case reads the whole channel.
    """

    licence = "CC BY-SA 4.0 (Medical Segmentation Decathlon)"
    citation = ("Antonelli et al., The Medical Segmentation Decathlon, Nature Communications 13 (2022) 4128; "
                "Menze et al., BRATS, IEEE TMI 34 (2015) 1993-2024")

    def __init__(self, root: Path | None = None, *, channel: Literal["FLAIR", "T1w", "T1gd", "T2w"] = "FLAIR",
                 slices: Literal["middle", "largest", "all"] = "middle",
                 labels: Literal["whole", "core", "enhancing"] = "whole",
                 window: Literal["percentile", "minmax"] = "percentile", size: int = 128) -> None:
        for name, given, known in (("channel", channel, ("FLAIR", "T1w", "T1gd", "T2w")), ("labels", labels, MERGES),
                                   ("slices", slices, ("middle", "largest", "all")),
                                   ("window", window, ("percentile", "minmax"))):
            if given not in known:
                raise InputError(f"decathlon with {name}={given}", "no such choice", f"{name}={', '.join(known)}")
        if size != 0 and size < 16:
            raise InputError(f"decathlon with size={size}", "a size below 16 pixels", "size=128, or size=0: native")
        self.root, self.channel, self.slices, self.labels = root, channel, slices, labels
        self.window, self.size = window, size

    @cached_property
    def folder(self) -> Path:
        try:
            return data_root(self.root, "decathlon", ["Task01_BrainTumour", "decathlon/Task01_BrainTumour"], MARKER)
        except InputError as error:
            raise InputError(error.asked, error.found, "get Task01_BrainTumour.tar (medicaldecathlon.com, 7 GB), or "
                             "write such a folder from BraTS cases: python -m benchmark data task01 --from-brats CASE "
                             f"--out Task01_BrainTumour; then {error.todo}") from None

    def fetch(self) -> Path:
        return self.folder

    @cached_property
    def _task(self) -> Task:
        return Task.read(self.folder / MARKER)

    def ids(self, split: str) -> list[str]:
        if split not in ("train", "val", "test"):
            raise InputError(f"the split {split!r}", "no such split", "train, val or test")
        return [f"{case}-{z:03d}" for case in sorted(self._task.cases) if split_of(case, SALT) == split
                for z in self._choice(case)]

    def _choice(self, case: str) -> list[int]:
        try:
            return self._chosen(case)
        except InputError:  # one damaged case must not hide the others: `load` says what is wrong with it
            return [0]

    def _chosen(self, case: str) -> list[int]:
        channel = self._task.channel(self.channel)
        image, label = (self.folder / path for path in self._task.cases[case])
        if self.slices == "all":
            return list(facts(image, channel).slices)
        if self.slices == "largest":
            numbers = self._task.numbers(self.labels)
            planes = volume(label)
            areas = [int(np.isin(planes.plane(z), numbers).sum()) for z in range(planes.shape[2])]
            return choose_slices(areas, "largest")
        return choose_slices([0] * volume(image, channel).shape[2], "middle")

    def load(self, sample_id: str) -> Sample:
        case, _, number = sample_id.rpartition("-")
        if case not in self._task.cases or not re.fullmatch(r"\d{3,}", number):
            raise InputError(f"decathlon {sample_id}", f"no such case in {self.folder / MARKER}",
                             "ids look like BRATS_001-077")
        channel, z = self._task.channel(self.channel), int(number)
        image_path, label_path = (self.folder / path for path in self._task.cases[case])
        image, label = volume(image_path, channel), volume(label_path)
        if image.shape != label.shape:
            raise InputError(f"the labels {label_path}", f"their shape is {label.shape}, the image's {image.shape}",
                             "restore both files from the release")
        known = facts(image_path, channel)
        plane, marks = radiological(image.plane(z)), radiological(label.plane(z))
        if not plane.any() or not (plane != known.background).any():
            raise InputError(f"slice {z} of {image_path}, {self.channel}", "it is empty: one value everywhere",
                             "another slice, such as slices=largest")
        if unknown := set(np.unique(marks).tolist()) - set(self._task.labels.values()):
            raise InputError(f"the labels {label_path}", f"values that dataset.json does not name: {sorted(unknown)}",
                             "restore the file from the release")
        window = known.windows[self.window]
        height, width = plane.shape
        scale = max(height, width) / self.size if self.size else 1.0
        spacing = (image.zooms_mm[1] * scale, image.zooms_mm[0] * scale)
        return Sample(id=sample_id, dataset="decathlon", patient=case,
                      image=area_average(apply_window(plane, window), self.size)[..., None],
                      mask=area_mask(np.isin(marks, self._task.numbers(self.labels)), self.size),
                      brain=area_mask(plane != known.background, self.size), channels=(self.channel,),
                      volume=known.statistics[self.window], slice_index=z, spacing_mm=spacing, window=window)

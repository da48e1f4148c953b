"""Releases of volumes with labels: their files are found, read and held against each other in one
place.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import numpy as np

from benchmark.files.pairs import in_utf8, is_utf8
from benchmark.files.volumes import Volume, as_labels, planes, read_geometry, read_volume, same_grid
from benchmark.plugins import InputError, Scan, VolumeDataset, corner_value, data_folder, field

NIFTI = r"\.nii(?:\.gz)?"


@dataclass(frozen=True)
class Parts:
    """The files of one case. channels: all that are there, by name. labels: none, one, or several
    whose lesions are joined.

    known: every label number of the release, by the words of `release`; empty: all above 0 is
    lesion. lesion: those that count. twice: files that are the same thing, in one folder or in two;
    such a case cannot be read.
    """

    channels: Mapping[str, Path]
    labels: Sequence[Path]
    brain: Path | None = None
    known: tuple[int, ...] = (0, 1)
    lesion: tuple[int, ...] = (1,)
    release: str = "this release"
    twice: Sequence[Path] = ()

    def files(self, wanted: Sequence[str]) -> list[Path]:
        """Those of the channels that are wanted and there, of labels and brain, and those that are
        there twice.
        """
        files = [self.channels[name] for name in wanted if name in self.channels]
        files += self.labels
        if self.brain:
            files.append(self.brain)
        return [*files, *self.twice]


class Release(VolumeDataset):
    """Data sets whose cases are one file a channel and files of labels. A subclass says how files
    are called and what they are.

    where: what the name of its folder among all data sets holds, pattern: how its files are called
    (regular expressions); wanted: names of the channels in a sample. `find()` sorts `found` into
    cases.
    """

    where: ClassVar[str]
    pattern: ClassVar[str]
    wanted: tuple[str, ...]

    def find(self) -> Mapping[str, Parts]:
        """The files of each case, with and without labels."""
        raise NotImplementedError

    @cached_property
    def folder(self) -> Path:
        """--root, $SINCO_BENCH_DATA, or the cache's data folder."""
        folder = Path(self.root or data_folder())
        if not folder.is_dir():
            unsaid = f", and neither {field('root')} nor SINCO_BENCH_DATA names another"
            if self.root or os.environ.get("SINCO_BENCH_DATA"):
                unsaid = ""
            raise InputError(
                f"the data set {self.name} in {folder}",
                f"no such folder{unsaid}",
                f"{self.get}; then {field('root', 'FOLDER')}",
            )
        return folder

    @cached_property
    def found(self) -> list[Path]:
        """All files that are called as the release calls them, sorted: below --root, or in its
        folders in that of all data sets.
        """
        named = re.compile(self.where, re.IGNORECASE)
        if self.root or named.search(self.folder.name):
            tops = [self.folder]
        else:
            tops = [path for path in self.folder.iterdir() if named.search(path.name)]
        found = []
        for top in tops:
            found += _files_below(top, re.compile(self.pattern, re.IGNORECASE))
        if not found:
            raise InputError(
                f"the data set {self.name} in {self.folder}",
                "no file there is called as in its release",
                f"{self.get}; then {field('root', 'FOLDER')}",
            )
        return sorted(found)

    def fetch(self) -> Path:
        _ = self.found
        return self.folder

    @cached_property
    def parts(self) -> dict[str, Parts]:
        return dict(self.find())

    def cases(self) -> dict[str, Sequence[Path]]:
        files: dict[str, Sequence[Path]] = {}
        bare = []
        for case, parts in self.parts.items():
            if parts.labels or parts.twice:
                paths = parts.files(self.wanted)
                files[case] = paths if is_utf8(*paths) else []
            else:
                bare.append(case)
        if not files:
            raise InputError(
                f"the data set {self.name} in {self.folder}",
                f"none of its {len(bare)} cases has labels",
                self.get,
            )
        if bare:
            warnings.warn(
                f"{self.name}: {len(bare)} of {len(self.parts)} cases have no labels and are left"
                f" out, such as {min(bare)}",
                stacklevel=2,
            )
        return files

    def numbers(self, case: str) -> Sequence[int]:
        return range(read_geometry(self._parts(case).channels[self.wanted[0]]).shape[2])

    def areas(self, case: str) -> list[int]:
        parts = self._parts(case)
        image = parts.channels[self.wanted[0]]
        labels = _labels(parts, [read_volume(path, like=image) for path in parts.labels])
        areas: list[int] = np.isin(labels, parts.lesion).sum((1, 2)).tolist()
        return areas

    def read(self, case: str) -> Scan:
        """Background is what most corners of a channel have: releases differ in it, and some have a
        negative constant there.
        """
        parts = self._parts(case)
        volumes = [read_volume(parts.channels[name]) for name in self.wanted]
        first = volumes[0]
        labels = [read_volume(path, like=first.path) for path in parts.labels]
        brain = read_volume(parts.brain, like=first.path) if parts.brain else None
        same_grid(first, [*volumes[1:], *labels, *([brain] if brain else [])])
        channels = {}
        background = {}
        for name, volume in zip(self.wanted, volumes, strict=True):
            channels[name] = planes(volume)
            background[name] = corner_value(channels[name])
        inside = None
        if brain is not None:
            inside = as_labels(planes(brain), f"the brain mask {parts.brain}") > 0
        return Scan(
            case,
            channels,
            tuple(range(first.voxels.shape[2])),
            labels=_labels(parts, labels),
            lesion=parts.lesion,
            known=parts.known,
            spacing_mm=first.spacing_mm[::-1],
            background=background,
            brain=inside,
            orientation=first.orientation,
        )

    def _parts(self, case: str) -> Parts:
        """The files of a case; raises InputError where one is missing, or is there twice."""
        parts = self.parts[case]
        in_utf8(*parts.files(tuple(parts.channels)))
        if parts.twice:
            names = ", ".join(dict.fromkeys(map(str, parts.twice)))
            raise InputError(
                f"the {self.name} case {case}",
                f"files of which one is too many: {names}",
                f"remove all but one, or {field('root')} one copy of one release",
            )
        for name in self.wanted:
            if name not in parts.channels:
                there = [f"{other} ({path.name})" for other, path in parts.channels.items()]
                raise InputError(
                    f"the channel {name} of {self.name} {case}",
                    f"no such file; there are {', '.join(there) or 'none'}",
                    "another channel, or restore the file from the release",
                )
        return parts


def _files_below(folder: Path, called: re.Pattern[str]) -> list[Path]:
    """All files below a folder whose names match."""
    found = []
    for top, _, names in os.walk(folder, followlinks=False):
        for name in names:
            if not called.fullmatch(name) or name.startswith("._"):  # what macOS leaves in archives
                continue
            path = Path(top, name)
            if path.is_file() or not path.exists():  # no pipe; of a broken link, reading says so
                found.append(path)
    return found


def _labels(parts: Parts, volumes: Sequence[Volume]) -> np.ndarray:
    """Label numbers [Z, H, W]; raises InputError where the release does not know one."""
    numbers = [as_labels(planes(volume), f"the labels {volume.path}") for volume in volumes]
    if not parts.known:
        lesion: np.ndarray = np.logical_or.reduce([part > 0 for part in numbers])
        return lesion.astype(np.uint8)
    strange = ~np.isin(numbers[0], parts.known)
    if strange.any():
        values = ", ".join(map(str, np.unique(numbers[0][strange])))
        raise InputError(
            f"the labels {parts.labels[0]}",
            f"{strange.sum()} voxels with the numbers {values}; {parts.release} has "
            f"{', '.join(map(str, parts.known))}",
            "restore the file from the release",
        )
    return numbers[0]

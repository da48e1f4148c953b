"""A patient's volume as its files have it: axial planes, seen from below, not yet prepared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(eq=False)
class Scan:
    """One patient's volume: planes [Z, H, W] whose row 0 is anterior and column 0 the patient's
    right.

    channels: name -> source intensities [Z, H, W], in the files' own type. numbers: of the planes,
    ascending. labels: whole numbers [Z, H, W], and lesion: those of them that count as lesion.
    known: every label number that the release names; empty: not stated. spacing_mm: (plane, row,
    column). background: channel -> the intensity of what is no tissue; a channel that is not in it
    has none, and all its voxels count for windows and statistics. brain: where PSNR over the brain
    is taken, bool [Z, H, W], or a function of the position in the stack -> bool [H, W] where it is
    costly; None: wherever a channel differs from its background. full: the intensities that the
    window `full` maps to 0 and 1. orientation: of the files, such as LPS. label: the class of a
    picture that has no mask. notes: what whoever uses this scan should be warned of.
    """

    case: str
    channels: Mapping[str, np.ndarray]
    numbers: tuple[int, ...]
    labels: np.ndarray | None = None
    lesion: tuple[int, ...] = (1,)
    known: tuple[int, ...] = ()
    spacing_mm: tuple[float, float, float] = (1.0, 1.0, 1.0)
    background: Mapping[str, float] = field(default_factory=dict)
    brain: np.ndarray | Callable[[int], np.ndarray] | None = None
    full: tuple[float, float] | None = None
    orientation: str = ""
    label: str = ""
    notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, int, int]:
        """(Z, H, W)."""
        z, height, width = next(iter(self.channels.values())).shape
        return z, height, width

    def mask(self, k: int) -> np.ndarray:
        """Lesion [H, W] of the k-th plane."""
        if self.labels is None:
            return np.zeros(self.shape[1:], bool)
        return np.isin(self.labels[k], self.lesion)

    def areas(self) -> list[int]:
        """Pixels of lesion in each plane."""
        return [int(self.mask(k).sum()) for k in range(self.shape[0])]

    def tissue(self, name: str, k: int | None = None) -> np.ndarray:
        """Where a channel differs from its background: bool, of the k-th plane or of all; True
        everywhere if it has none.
        """
        voxels = self.channels[name] if k is None else self.channels[name][k]
        return (
            voxels != self.background[name]
            if name in self.background
            else np.ones(voxels.shape, bool)
        )

    def brain_plane(self, k: int) -> np.ndarray:
        """Brain [H, W] of the k-th plane."""
        if self.brain is None:
            tissues = [self.tissue(name, k) for name in self.channels]
            anywhere: np.ndarray = np.logical_or.reduce(tissues)
            return anywhere
        return self.brain(k) if callable(self.brain) else self.brain[k]

    def shows(self, k: int) -> bool:
        """Whether any channel shows anything in the k-th plane: more than one value."""
        planes = [voxels[k] for voxels in self.channels.values()]
        return any(plane.min() != plane.max() for plane in planes)

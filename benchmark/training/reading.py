"""How well a network reads a split while and after it is trained: masks by patient, labels by
class.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from benchmark.networks.masks import mask_scores
from benchmark.training.data import Slices


@dataclass(frozen=True)
class MaskScore:
    """Dice of masks by patient over slices with a lesion, and falsely marked pixels on those
    without.
    """

    dice_by_patient: dict[str, float]
    fp_area_px: float | None

    name = "dice"

    @property
    def score(self) -> float:
        return sum(self.dice_by_patient.values()) / len(self.dice_by_patient)


@dataclass(frozen=True)
class LabelScore:
    """What a label network answers: confusion[i][j] counts images of class i that it calls j."""

    classes: tuple[str, ...]
    confusion: list[list[int]]

    name = "accuracy"

    @property
    def score(self) -> float:
        right = sum(row[i] for i, row in enumerate(self.confusion))
        return right / sum(map(sum, self.confusion))

    @property
    def recall(self) -> dict[str, float]:
        """By class, of those that the split has."""
        recall = {}
        for i, row in enumerate(self.confusion):
            if sum(row):
                recall[self.classes[i]] = row[i] / sum(row)
        return recall


def read(module: nn.Module, slices: Slices, batch: int = 32) -> MaskScore | LabelScore:
    """Read every slice with the module as it stands (evaluation mode, float32; of masks the
    threshold is 0.5).
    """
    if slices.classes:
        return read_labels(module, slices, batch)
    return mask_score(read_masks(module, slices, batch), slices)


def read_labels(module: nn.Module, slices: Slices, batch: int = 32) -> LabelScore:
    """What a label network answers."""
    counts = torch.zeros(len(slices.classes), len(slices.classes), dtype=torch.int64)
    for part, logits in _logits(module, slices, batch):
        for true, answer in zip(
            slices.truth[part].tolist(), logits.argmax(1).tolist(), strict=True
        ):
            counts[true, answer] += 1
    return LabelScore(slices.classes, counts.tolist())


def read_masks(module: nn.Module, slices: Slices, batch: int = 32) -> np.ndarray:
    """What a mask network marks in each slice or plane: bool [N, H, W]."""
    return np.concatenate([_planes(logits > 0) for _, logits in _logits(module, slices, batch)])


def mask_score(found: np.ndarray, slices: Slices) -> MaskScore:
    """The score of `read_masks`."""
    true = _planes(slices.truth[:, :1] > 0.5)
    hits = (found & true).sum((1, 2)).tolist()
    marks = found.sum((1, 2)).tolist()
    areas = true.sum((1, 2)).tolist()
    patients = _each_plane(slices.patients, len(found))
    by_patient: dict[str, list[float]] = {}
    empty = []
    for patient, hit, marked, area in zip(patients, hits, marks, areas, strict=True):
        if area:
            by_patient.setdefault(patient, []).append(2 * hit / (marked + area))
        else:
            empty.append(marked)
    means = {}
    for patient, values in sorted(by_patient.items()):
        means[patient] = sum(values) / len(values)
    return MaskScore(means, sum(empty) / len(empty) if empty else None)


def scores_by_patient(found: np.ndarray, slices: Slices) -> dict[str, dict[str, float]]:
    """Every metric of benchmark/networks/masks.py of `read_masks`, for each patient over all slices
    or planes of the patient.
    """
    true = _planes(slices.truth[:, :1] > 0.5)
    members: dict[str, list[int]] = {}
    for i, patient in enumerate(_each_plane(slices.patients, len(found))):
        members.setdefault(patient, []).append(i)
    spacings = dict(zip(slices.patients, slices.spacings_mm, strict=True))
    out = {}
    for patient, own in sorted(members.items()):
        out[patient] = mask_scores(found[own], true[own], spacings[patient])
    return out


def finite(scores: dict[str, float]) -> dict[str, float]:
    """Scores to four digits; nan, where a metric means nothing, is left out."""
    return {metric: round(value, 4) for metric, value in scores.items() if math.isfinite(value)}


@torch.no_grad()
def _logits(module: nn.Module, slices: Slices, batch: int) -> Iterator[tuple[slice, torch.Tensor]]:
    module.eval()
    at_once = batch if slices.images.ndim == 4 else 1
    for start in range(0, len(slices), at_once):
        part = slice(start, start + at_once)
        yield part, module(slices.images[part], slices.volumes[part])


def _planes(masks: torch.Tensor) -> np.ndarray:
    """[N, 1, H, W] or [N, 1, D, H, W] -> [N, H, W] or [N * D, H, W]."""
    return masks.flatten(0, -3).cpu().numpy()


def _each_plane(patients: tuple[str, ...], count: int) -> list[str]:
    return [patient for patient in patients for _ in range(count // len(patients))]

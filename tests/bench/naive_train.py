"""The opponent of bench_train.py: a training loop as it is written first, in plain PyTorch. Nothing
of ours but the data.

A torch Dataset reads one slice an item (of ours from its cache of prepared slices: no decoding of
files), changes it at random with numpy and scipy, and a DataLoader stacks them; then float32, NCHW,
AdamW, OneCycleLR, and the loss printed at each step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy import ndimage
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Slices(Dataset):
    """(image [C, H, W], mask [1, H, W], volume [4]) of one slice, changed at random in the ways
    that ours are.
    """

    def __init__(self, dataset: Any, ids: list[str]) -> None:
        self.dataset, self.ids, self.random = dataset, ids, np.random.default_rng(0)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, i: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        sample = self.dataset.load(self.ids[i])
        image, mask = self.augmented(sample.image, sample.mask)
        return (
            torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32)),
            torch.from_numpy(mask[None].astype(np.float32)),
            torch.tensor(sample.volume.as_row()),
        )

    def augmented(self, image: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        random, (height, width, _) = self.random, image.shape
        angle, scale = np.deg2rad(random.uniform(-20, 20)), random.uniform(0.8, 1.25)
        flips, shift = random.choice([-1, 1], 2), random.uniform(-0.06, 0.06, 2) * (height, width)
        matrix = (
            scale
            * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            * flips
        )
        center = np.array([height - 1, width - 1]) / 2
        grid = np.moveaxis(np.mgrid[:height, :width], 0, -1) - center
        bend = np.stack(
            [
                ndimage.zoom(
                    0.025 * side * random.standard_normal((5, 5)), (height / 5, width / 5), order=3
                )
                for side in (height, width)
            ],
            -1,
        )
        at = np.moveaxis(grid @ matrix.T + center + shift + bend, -1, 0)
        image = np.stack(
            [ndimage.map_coordinates(image[..., c], at, order=1) for c in range(image.shape[2])], -1
        )
        mask = ndimage.map_coordinates(mask.astype(float), at, order=1) > 0.5
        image = np.clip(image, 0, 1) ** random.uniform(0.7, 1.4) * random.uniform(
            0.8, 1.2
        ) + random.uniform(-0.03, 0.03)
        if random.random() < 0.4:
            image = ndimage.gaussian_filter(image, (sigma := random.uniform(0.5, 1.5), sigma, 0))
        return image + random.uniform(0, 0.03) * random.standard_normal(image.shape), mask


def train(
    dataset: Any,
    ids: list[str],
    network: nn.Module,
    *,
    batch: int,
    lr: float = 2e-3,
    on_step: Callable[[float], Any] = lambda loss: None,
) -> None:
    """One epoch."""
    loader = DataLoader(Slices(dataset, ids), batch_size=batch, shuffle=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=lr)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, total_steps=len(loader))
    network.train()
    for image, mask, volume in loader:
        optimizer.zero_grad()
        logits = network(image, volume)
        p = torch.sigmoid(logits)
        dice = 1 - (2 * (p * mask).sum() + 1) / (p.sum() + mask.sum() + 1)
        loss = nn.functional.binary_cross_entropy_with_logits(logits, mask) + dice
        loss.backward()
        optimizer.step()
        scheduler.step()
        on_step(loss.item())

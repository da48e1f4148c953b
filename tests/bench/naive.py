"""The two opponents of bench_speed.py: SINCO fits as they are written first, in plain PyTorch.
Nothing of ours but the data.

Both fit one image at a time. Every step renders the image with a torch module, reads it with the
segmenter (float32, NCHW, BatchNorm in eval mode but not folded), and backpropagates the loss, mean
squared error + lambda x (1 - soft Dice), through both as one graph. Neither does anything in vain:
the image's coordinates and target are made once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

OnStep = Callable[[int, float], Any]  # number of the step, from 0, and the loss before it


def naive(
    sample: Any,
    coords: torch.Tensor,
    backbone: nn.Module,
    network: nn.Module,
    lam: float,
    *,
    steps: int = 10_000,
    on_step: OnStep | None = None,
) -> None:
    """What a user writes first: Adam 2e-4, constant, 10,000 steps, the rate and the length that
    papers on INRs print.

    Only the backbone's parameters are handed to Adam, which looks like freezing the network: its
    parameters still require a gradient, so each step computes it, and nobody uses it.
    """
    optimizer = torch.optim.Adam(backbone.parameters(), lr=2e-4)
    loop(
        sample, coords, backbone, network.requires_grad_(True), lam, optimizer, None, steps, on_step
    )


def expert(
    sample: Any,
    coords: torch.Tensor,
    backbone: nn.Module,
    network: nn.Module,
    lam: float,
    *,
    steps: int = 1_000,
    on_step: OnStep | None = None,
) -> None:
    """What somebody who has done it before writes first: a frozen network, Adam 2e-3 with cosine
    annealing, 1,000 steps.

    A tenth of the steps at ten times the rate, annealed, ends within about 1 dB of the naive loop
    (bench_fit.py prints such figures), and a network whose parameters require no gradient saves the
    third of its work that belongs to them.
    """
    optimizer = torch.optim.Adam(backbone.parameters(), lr=2e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=steps)
    loop(
        sample,
        coords,
        backbone,
        network.requires_grad_(False),
        lam,
        optimizer,
        scheduler,
        steps,
        on_step,
    )


def loop(
    sample: Any,
    coords: torch.Tensor,
    backbone: nn.Module,
    network: nn.Module,
    lam: float,
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LRScheduler | None,
    steps: int,
    on_step: OnStep | None,
) -> None:
    """The loop of both, on an image [H, W, C] and its pixels' coordinates [H * W, 2]."""
    target = (
        torch.from_numpy(sample.image).permute(2, 0, 1).unsqueeze(0).contiguous()
    )  # [1, C, H, W]
    mask = torch.from_numpy(sample.mask).float()
    volume = torch.tensor([sample.volume.as_row()])
    network.eval()
    for step in range(steps):
        optimizer.zero_grad()
        image = backbone(coords).T.reshape(target.shape)
        loss = nn.functional.mse_loss(image, target) + lam * dice_loss(
            torch.sigmoid(network(image, volume)[0, 0]), mask
        )
        loss.backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
        if on_step is not None:
            on_step(step, loss.item())


def dice_loss(probability: torch.Tensor, mask: torch.Tensor, epsilon: float = 1e-6) -> torch.Tensor:
    """1 - soft Dice of two [H, W]."""
    return 1 - (2 * (probability * mask).sum() + epsilon) / (
        probability.sum() + mask.sum() + epsilon
    )


def inr_step(target: torch.Tensor, coords: torch.Tensor, backbone: nn.Module) -> None:
    """The backbone's part of a step alone: forward, squared error to target [N, C], backward."""
    backbone.zero_grad()
    nn.functional.mse_loss(backbone(coords), target).backward()


class Siren(nn.Module):
    """A SIREN on given nn.Linear layers, with the forward pass of siren-pytorch: sin(omega *
    linear(x)), a linear layer last.
    """

    def __init__(self, layers: nn.ModuleList, omega: list[float]) -> None:
        super().__init__()
        self.layers, self.omega = layers, omega

    def forward(self, coords: torch.Tensor) -> torch.Tensor:
        x = coords
        for omega, layer in zip(self.omega, self.layers[:-1], strict=True):
            x = torch.sin(omega * layer(x))
        return self.layers[-1](x)

"""What is asked for, as plain values: which backbones, networks and images, and how they are
fitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class Selection:
    """What the command line asks for, as plain values."""

    inr: tuple[str, ...] = ("siren",)
    lam: tuple[float, ...] = (1e-5,)
    dataset: str = "mni-lesion"
    root: Path | None = None
    split: str = "test"
    limit: int | None = None
    image: tuple[str, ...] = ()
    segmenter: tuple[str, ...] = (
        "unet",
    )  # each in the loss of fits of its own; NAME+NAME is an ensemble
    reader: tuple[str, ...] = ()
    fidelity: str = "mean"
    optimizer: str | None = None
    lr: float | None = None
    steps: int | None = None
    seed: tuple[int, ...] = (0,)
    bits: int | None = None
    bpp: float | None = None
    sets: tuple[str, ...] = ()
    precision: str = "auto"
    preset: str | None = None
    penalty_every: int | Literal["auto"] | None = None  # None: what the preset says
    stop_at_db: float | None = None
    patience: int | None = None
    score_as: tuple[str, ...] = ("decoded",)
    init: str | None = None  # learned, or a file that `learn` wrote
    force: bool = False
    dims: int = 2  # 3: volumes, each as one fit

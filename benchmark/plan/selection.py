"""What is asked for, as plain values: which backbones, networks and images, and how they are
fitted.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

# The plug-ins that are taken where nothing is said; no other module names one.
INR = "siren"
SEGMENTER = "unet"
CODECS = ("jpeg2000", "jpeg2000+mask")
REGULARIZERS = {"mask": "dice", "label": "kl"}  # by what the network in the loss reads


@dataclass(frozen=True)
class Selection:
    """What the command line asks for, as plain values."""

    inr: tuple[str, ...] = (INR,)
    lam: tuple[float, ...] = (1e-5,)
    dataset: str = "mni-lesion"
    root: Path | None = None
    split: str = "test"
    limit: int | None = None
    image: tuple[str, ...] = ()
    # Each in the loss of fits of its own; NAME+NAME is an ensemble.
    segmenter: tuple[str, ...] = (SEGMENTER,)
    reader: tuple[str, ...] = ()
    codec: tuple[str, ...] | None = None  # beside the fits, at their bytes; None: CODECS that fit
    regularizer: str | None = None  # None: the one of REGULARIZERS that fits the network
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
    init: str | None = None  # learned, or a file that `learn` wrote
    force: bool = False
    dims: int = 2  # 3: volumes, each as one fit

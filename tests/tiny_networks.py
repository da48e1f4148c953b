"""Checkpoints for tests: untrained segmenters of a few weights for the data set `tiny`, in the
isolated cache.
"""

from __future__ import annotations

from typing import Any

import torch

from benchmark.networks.checkpoints import default_path
from benchmark.networks.network import save_checkpoint
from benchmark.plugins import index

OPTIONS = {"unet": {"base": 2}, "dilated": {"width": 4}}


def write(dataset: str = "tiny", seed: int = 0, **card: Any) -> None:
    """Write one checkpoint a segmenter where a bare name finds it; `card`: what else it says."""
    for name, options in OPTIONS.items():
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            module = index.get("segmenter", name).load()(1, **options).eval()
            with (
                torch.no_grad()
            ):  # half of the pixels of some image count as lesion: else every file would read alike
                logits = module(torch.rand(1, 1, 32, 32), torch.tensor([[0.5, 0.3, 0.1, 0.9]]))
                module.head.bias -= logits.median()
        save_checkpoint(
            default_path(name, dataset),
            module,
            {
                "segmenter": name,
                "options": options,
                "channels": ["gray"],
                "dataset": dataset,
                **card,
            },
        )

"""Checkpoints for tests: classifiers of random weights whose answers differ from image to image of
`tiny-labels`.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from benchmark.networks.checkpoints import default_path
from benchmark.networks.network import save_checkpoint
from benchmark.plugins import index
from tests.tiny_labels import CLASSES

OPTIONS = {
    "mobilenet-v2": {"classes": 3, "width": 0.25},
    "vgg16": {"classes": 3, "base": 2, "hidden": 8},
    "tiny-label": {"classes": 3},
}


def write(name: str, dataset: str = "tiny-labels", seed: int = 0, **card: object) -> None:
    """Write a checkpoint where a bare name finds it; the plug-ins of tests/tiny_labels.py must be
    known.
    """
    data = index.get("dataset", "tiny-labels").load()()
    samples = [sample for split in ("train", "val", "test") for sample in data.samples(split)]
    images = torch.from_numpy(np.stack([sample.image for sample in samples])).permute(0, 3, 1, 2)
    volume = torch.tensor([sample.volume.as_row() for sample in samples])
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        module = index.get("segmenter", name).load()(1, **OPTIONS[name])
        for part in module.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.momentum = None
        for _ in range(3):
            module.train()(images, volume)
        logits = module.eval()(images, volume)
        last = [part for part in module.modules() if isinstance(part, nn.Linear)][-1]
        scale = (1.5 if name == "tiny-label" else 0.3) / logits.std(0)  # the deeper ones are steep
        last.weight *= scale[:, None]
        last.bias.copy_((last.bias - logits.mean(0)) * scale)
    save_checkpoint(
        default_path(name, dataset),
        module,
        {
            "segmenter": name,
            "options": OPTIONS[name],
            "channels": ["gray"],
            "dataset": dataset,
            "classes": list(CLASSES),
            **card,
        },
    )

"""What each lever on the network in the loss gives, and where it fails: `python -m pytest
tests/bench/bench_levers.py`.

Tumour slices of LGG where SINCO_BENCH_DATA has it (read by the networks of results/lgg), else
mni-lesion. BENCH_IMAGES sets how many.
"""

import os
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmark.bitstream import decode, encode
from benchmark.fit.engine import Member, fit
from benchmark.networks.checkpoints import find_checkpoint
from benchmark.networks.network import load_network
from benchmark.plan.recipes import PRESETS, recipe_for
from benchmark.plugins import index
from benchmark.plugins.choice import Choice
from benchmark.runner.rate import header_for
from benchmark.score.metrics import dice

READERS = Path(__file__).parents[2] / "results" / "lgg" / "readers"
HAS_LGG = (
    bool(os.environ.get("SINCO_BENCH_DATA"))
    and (Path(os.environ["SINCO_BENCH_DATA"]) / "lgg").is_dir()
)
DATASET = "lgg" if HAS_LGG else "mni-lesion"
IMAGES = int(os.environ.get("BENCH_IMAGES", 4))
MAKE = index.get("regularizer", "dice").load()().make


def images(**options):
    options |= {"slices": "largest"} if HAS_LGG else {}
    samples = index.get("dataset", DATASET).load()(None, **options).samples("test")
    return list(islice((sample for sample in samples if sample.has_lesion), IMAGES))


def network(name, precision="float32"):
    spec = f"{name}@{READERS / name}-lgg.safetensors" if HAS_LGG else name
    return load_network(
        find_checkpoint(spec, DATASET, channels=images()[0].channels, force=True),
        precision=precision,
    )


def noisy(sample):
    """As a rendering is: not quite the image."""
    noise = 0.02 * torch.randn(sample.image.shape, generator=torch.Generator().manual_seed(0))
    return (torch.from_numpy(sample.image) + noise)[None]


def gradient(sample, reader):
    return MAKE([sample], reader)(noisy(sample), torch.tensor([0]))[1][0, ..., 0].numpy()


def agreement(got, due):
    """(relative error, cosine) of a gradient."""
    return np.linalg.norm(got - due) / np.linalg.norm(due), float(
        (got * due).sum() / np.linalg.norm(got) / np.linalg.norm(due)
    )


@pytest.mark.parametrize("name", ["unet", "dilated"])
def test_bf16(name, capsys):
    found = [
        agreement(gradient(sample, network(name, "bf16")), gradient(sample, network(name)))
        for sample in images()
    ]
    with capsys.disabled():
        print(
            f"\nbf16 {name}: least cosine of the penalty's gradient with float32"
            f" {min(c for _, c in found):.3f}"
        )


def test_window(capsys):
    """The network on a window around the lesion, aligned to 16, outside of which the gradient is
    taken as 0.
    """
    reader = network("unet")
    options = {"size": 240} if HAS_LGG else {}
    with capsys.disabled():
        for sample in images(**options):
            height, width = sample.mask.shape
            due, (ys, xs) = gradient(sample, reader), np.nonzero(sample.mask)
            words = []
            for side in (n for n in (96, 128, 160, 192) if n < min(height, width)):
                y, x = (
                    int(np.clip((at.min() + at.max()) // 2 - side // 2, 0, n - side)) // 16 * 16
                    for at, n in ((ys, height), (xs, width))
                )
                part = np.s_[y : y + side, x : x + side]
                cut = replace(
                    sample,
                    image=sample.image[part],
                    mask=sample.mask[part],
                    brain=sample.brain[part],
                )
                got = np.zeros_like(due)
                got[part] = MAKE([cut], reader)(noisy(sample)[0][part][None], torch.tensor([0]))[1][
                    0, ..., 0
                ].numpy()
                words.append("{}: {:.2f} ({:+.2f})".format(side, *agreement(got, due)))
            print(
                f"\nwindow of {height} x {width}, {sample.id}: side: relative error (cosine)"
                f" {', '.join(words)}",
                end="",
            )


@pytest.mark.parametrize("lam", [1e-5, 1e-4, 1e-3])
def test_hold(lam, capsys):
    """SIREN 4x16 at 10 bits, `standard`, the penalty's gradient held for 1, 2, 4, 8 steps and by
    the rule; two seeds an image.
    """
    readers, inr = (
        [network("unet", "bf16"), network("dilated")],
        Choice.of("inr", "siren", hidden_features=16, hidden_layers=3),
    )
    members = [Member(sample, seed, lam) for sample in images() for seed in (0, 1)]
    penalty = MAKE([m.sample for m in members], readers[0])
    with capsys.disabled():
        for every in (1, 2, 4, 8, "auto"):
            recipe = replace(
                recipe_for(index.get("inr", "siren"), PRESETS["standard"]), penalty_every=every
            )
            fitted = fit(inr, members, recipe, penalty=penalty)
            decoded = [
                decode(encode(header_for(inr, 10, m.sample, m.seed, "centers"), state)).image
                for m, state in zip(members, fitted.states, strict=True)
            ]
            psnr = np.array(
                [
                    -10 * np.log10(np.square(d - m.sample.image).mean())
                    for d, m in zip(decoded, members, strict=True)
                ]
            )
            read = [
                np.mean(
                    [
                        dice(reader.segment(d[None], [m.sample.volume])[0] >= 0.5, m.sample.mask)
                        for d, m in zip(decoded, members, strict=True)
                    ]
                )
                for reader in readers
            ]
            print(
                f"\nlambda {lam:g}, held {every}: {psnr.mean():.2f} dB, worst {psnr.min():.2f};"
                f" Dice {read[0]:.3f} / {read[1]:.3f}; {fitted.evaluations.mean():.0f} evaluations"
                f" of {recipe.steps}",
                end="",
            )
            assert fitted.finite.all()

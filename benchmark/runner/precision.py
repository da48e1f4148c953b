"""`--precision auto`: the network in the loss in bfloat16 where the hardware has it and its
gradient holds; else in float32.

The rule: the gradient of the penalty with respect to the image, in bfloat16, must have a cosine of
at least 0.98 with the one in float32 on each of up to four images of the job. Both shipped networks
reach 0.99; what is decided is stored, and made once.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from benchmark.networks.checkpoints import Checkpoint
from benchmark.networks.network import Network, load_network
from benchmark.plan.job import Job
from benchmark.plugins import index
from benchmark.plugins.choice import Choice
from benchmark.store.store import Store
from benchmark.types import Sample

LEAST_COSINE = 0.98
IMAGES = 4
CPU_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}  # x86, x86 with tiles, Arm


def has_bf16(device: str) -> bool:
    """Whether the device multiplies bfloat16 natively; elsewhere it is emulated, and slower than
    float32.
    """
    if device == "cuda":
        return torch.cuda.get_device_capability() >= (8, 0)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return False
    for line in lines:
        if line.startswith(("flags", "Features")) and CPU_FLAGS & set(line.split()):
            return True
    return False


def settle_precision(job: Job, store: Store, device: str, say: Callable[[str], None]) -> None:
    """Where `auto` was asked for, make the cells with a penalty bf16, or leave them in float32 and
    say why.
    """
    if job.selection.precision != "auto" or not any(cell.lam > 0 for cell in job.cells):
        return
    if not has_bf16(device):
        say(
            f"the network in the loss runs in float32: this {device.upper()} does not multiply"
            " bfloat16"
        )
        return
    for segmenter in job.segmenters:
        cosine = _known_cosine(job, segmenter, store, device)
        if cosine < LEAST_COSINE:
            say(
                f"{segmenter.name} in the loss runs in float32: its gradient in bfloat16 has a"
                f" cosine of {cosine:.3f} with that in float32"
            )
            continue
        cells = []
        for cell in job.cells:
            penalized = cell.lam > 0 and cell.segmenter_hash == segmenter.hash
            cells.append(replace(cell, precision="bf16") if penalized else cell)
        job.cells = cells


def _known_cosine(job: Job, segmenter: Checkpoint, store: Store, device: str) -> float:
    """`gradient_cosine` on some images of the job, measured once for each store."""
    fit = next(cell for cell in job.cells if cell.lam > 0 and cell.segmenter_hash == segmenter.hash)
    assert fit.regularizer is not None
    key = (
        f"precision {segmenter.hash} {fit.segmenter_source} {device} {platform.machine()}"
        f" {torch.__version__}"
    )
    found = store.recall("rates", key)
    if found is None:
        samples = list(job.samples.values())
        some = samples[:: max(1, len(samples) // IMAGES)][:IMAGES]
        found = {"cosine": gradient_cosine(segmenter, some, fit.regularizer, device)}
        store.remember("rates", key, found)
    return float(found["cosine"])


def gradient_cosine(
    segmenter: Checkpoint, samples: Sequence[Sample], regularizer: Choice, device: str
) -> float:
    """The least cosine over some images, with noise of 0.02 as renderings have, of the penalty's
    gradients in both precisions.

    -1 where one in bfloat16 is not finite; 0 where no image has a gradient, and so nothing is
    known.
    """
    make = index.get("regularizer", regularizer.name).load()(**dict(regularizer.args)).make
    exact = load_network(segmenter, device=device, precision="float32")
    fast = load_network(segmenter, device=device, precision="bf16")

    def gradient(network: Network, sample: Sample, image: torch.Tensor) -> torch.Tensor:
        reader = network if sample.depth == 1 else network.planes(sample.depth)
        _, slope = make([sample], reader)(image, torch.tensor([0]))
        flat: torch.Tensor = slope.flatten().double().cpu()
        return flat

    worst: float | None = None
    for sample in samples:
        image = torch.from_numpy(sample.image)[None]
        image = image + 0.02 * torch.randn(image.shape, generator=torch.Generator().manual_seed(0))
        a = gradient(exact, sample, image)
        b = gradient(fast, sample, image)
        if float(a.norm()) > 0:  # an image whose gradient is 0 in float32 says nothing
            cosine = float(a @ b / (a.norm() * b.norm()).clamp_min(1e-300))
            worst = min(1.0 if worst is None else worst, cosine if math.isfinite(cosine) else -1.0)
    return 0.0 if worst is None else worst

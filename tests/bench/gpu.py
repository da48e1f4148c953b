"""The engine on an NVIDIA GPU: `python tests/bench/gpu.py [--out FILE.json]` prints each figure as
a line, and keeps it as JSON.

Written without a GPU at hand, so no figure of it stands anywhere yet. tests/test_bench_gpu.py runs
all of it on a CPU, tiny, but for two things that only a GPU has: CUDA graphs and tiny-cuda-nn. Read
a figure from here with that in mind, the first time.

The job is that of bench_speed.py: slices of mni-lesion at 240 x 240 pixels, SIREN 10x28, an
untrained U-Net of 7.76 M parameters (a step costs the same). `float32` and `bf16` are the network's
precision, and float32 is what PyTorch makes of it by default: its convolutions use TF32. Exit
status: 0, 1 where values disagree that should agree, 2 without a GPU.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(
    0, str(Path(__file__).parents[2])
)  # as a script, it is run from a checkout that need not be installed

# ruff: noqa: E402
from benchmark.errors import InputError
from benchmark.fit.engine import Fitted, Member, fit, renderer_for
from benchmark.fit.memory import bytes_of_an_image, images_at_once
from benchmark.fit.render import Rendering
from benchmark.images.grid import grid
from benchmark.networks.network import PRECISIONS, Network
from benchmark.plan.recipes import PRESETS, recipe_for
from benchmark.plugins import index
from benchmark.plugins.choice import Choice
from benchmark.runner.environment import environment
from benchmark.types import Recipe, Sample
from tests.bench.gpu_figures import Report, Watched, milliseconds, psnr_db, seconds_when_done
from tests.bench.made_networks import untrained

LAMBDA = 1e-4
KERNELS = ("torch", "graphs")
SIREN = {"hidden_features": 28, "hidden_layers": 9}  # 7,421 parameters
TARGETS = {"standard": 0.5, "adam-10k": 10.0}  # seconds an image
SAME_GRADIENTS = (
    1e-5  # the largest difference by graphs and without, relative: they launch the same kernels
)
SAME_IN_HALF = (
    10 * 2.0**-11
)  # the same of two hash grids' outputs, rms: some ten roundings to half precision in a row


# --- the job


@dataclass
class Job:
    """Images and untrained networks of one size on one device; images repeat where a batch is
    longer, with seeds of their own.
    """

    samples: Sequence[Sample]
    device: str
    base: int = 32
    inr: Choice = field(default_factory=lambda: Choice.of("inr", "siren", **SIREN))
    networks: dict[str, Network] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.samples[0].image.shape

    def recipe(self, preset: str) -> Recipe:
        return recipe_for(index.get("inr", self.inr.name), PRESETS[preset], dict(self.inr.args))

    def members(self, k: int, lam: float = LAMBDA) -> list[Member]:
        return [
            Member(sample, seed, lam)
            for seed, sample in zip(range(k), itertools.cycle(self.samples), strict=False)
        ]

    def network(self, precision: str) -> Network:
        if precision not in self.networks:
            self.networks[precision] = untrained(self.samples[0], self.base, self.device, precision)
        return self.networks[precision]

    def penalty(self, k: int, precision: str) -> Any:
        return (
            index.get("regularizer", "dice")
            .load()()
            .make([m.sample for m in self.members(k)], self.network(precision))
        )

    def fit(
        self,
        recipe: Recipe,
        k: int,
        kernel: str,
        precision: str = "float32",
        lam: float = LAMBDA,
        **more: Any,
    ) -> Fitted:
        """Fit k images, after a few steps that are not counted: libraries choose their algorithms
        at first sight of a shape.
        """
        penalty = self.penalty(k, precision) if lam else None
        run = {"penalty": penalty, "device": self.device, "kernel": kernel}
        fit(self.inr, self.members(k, lam), replace(recipe, steps=3), **run)
        return fit(self.inr, self.members(k, lam), recipe, **run, **more)

    def renderer(self, k: int, kernel: str) -> tuple[Rendering, torch.Tensor]:
        """The kernel alone, and its target [K, N, C]."""
        members = self.members(k)
        coords = torch.from_numpy(
            grid(*self.shape[:2], index.get("inr", self.inr.name).declared["coordinates"])
        ).to(self.device)
        target = (
            torch.from_numpy(np.stack([m.sample.image for m in members]))
            .to(self.device)
            .flatten(1, 2)
        )
        return renderer_for(self.inr, members, coords, self.shape[2], kernel)[0], target


# --- what is measured


def same_gradients(job: Job, report: Report, kernels: Sequence[str] = KERNELS, k: int = 3) -> bool:
    """Each kernel against the first, over steps with a penalty's gradient and without, as the
    parameters move.
    """
    worst = dict.fromkeys(kernels[1:], 0.0)
    renderers = {kernel: job.renderer(k, kernel) for kernel in kernels}
    first, target = renderers[kernels[0]]
    for step in range(4):
        extra = None if step % 2 else torch.full_like(target, 1e-6 * (step + 1))
        factor = 2.0 * (step + 1) / target[0].numel()
        mine = {name: g.clone() for name, g in first.step(target, factor, extra)[0].items()}
        for kernel in kernels[1:]:
            theirs, _ = renderers[kernel][0].step(target, factor, extra)
            worst[kernel] = max(
                worst[kernel],
                *(float((theirs[name] - g).norm() / g.norm()) for name, g in mine.items()),
            )
        with torch.no_grad():
            for renderer, _ in renderers.values():
                for name, p in renderer.parameters.items():
                    p -= 1e-3 * mine[name] / mine[name].norm()
    for kernel, difference in worst.items():
        report.say(
            f"gradients of {job.inr.name}, {kernel} against {kernels[0]}",
            difference,
            "of their norm",
            SAME_GRADIENTS,
        )
    return all(difference < SAME_GRADIENTS for difference in worst.values())


def standard(
    job: Job,
    report: Report,
    ks: Sequence[int],
    kernels: Sequence[str] = KERNELS,
    precisions: Sequence[str] = PRECISIONS,
    steps: int | None = None,
) -> None:
    """Whole fits: seconds an image, peak memory beside memory.py's estimate of it, utilization."""
    recipe = job.recipe("standard")
    recipe = recipe if steps is None else replace(recipe, steps=steps)
    for precision, kernel, k in itertools.product(precisions, kernels, ks):
        what = f"standard {job.shape[0]}x{job.shape[1]} {job.inr.name} K={k} {kernel} {precision}"
        try:
            with Watched(job.device) as watched:
                fitted = job.fit(recipe, k, kernel, precision)
        except torch.OutOfMemoryError:
            report.say(what, None, "did not fit into memory", TARGETS["standard"])
            continue
        report.say(
            what,
            fitted.seconds / k,
            "s an image",
            TARGETS["standard"],
            penalties=float(fitted.evaluations.mean()),
            psnr_db=psnr_db(fitted),
            peak_gib=watched.peak_gib,
            utilization_percent=watched.utilization,
            estimated_gib=k
            * bytes_of_an_image(job.shape, job.inr, job.device, job.network(precision))
            / 2**30,
        )
    for precision in precisions:
        report.say(
            f"K that memory.py chooses, {precision}",
            images_at_once(job.shape, job.inr, job.device, job.network(precision)),
            "images",
        )


def adam_10k(
    job: Job,
    report: Report,
    ks: Sequence[int] = (1, 8, 32),
    kernels: Sequence[str] = KERNELS,
    precision: str = "bf16",
    steps: int = 200,
    whole: int = 10_000,
) -> None:
    """Its 10,000 steps from some of them, and one fit in full by the kernel that was faster at the
    first K.
    """
    recipe = replace(job.recipe("adam-10k"), steps=steps + 1)
    seconds: dict[str, float] = {}
    for k, kernel in itertools.product(ks, kernels):
        at: list[float] = []

        def first_and_last(step: int, _: float, at: list[float] = at) -> None:
            if step in (0, steps):
                at.append(seconds_when_done(job.device))

        job.fit(recipe, k, kernel, precision, on_step=first_and_last)
        a_step = (at[1] - at[0]) / steps
        seconds.setdefault(kernel, a_step)
        report.say(
            f"adam-10k K={k} {kernel} {precision}, from {steps} steps",
            10_000 * a_step / k,
            "s an image",
            TARGETS["adam-10k"],
            step_ms=1e3 * a_step,
        )
    best = min(seconds, key=lambda kernel: seconds[kernel])
    with Watched(job.device) as watched:
        fitted = job.fit(replace(recipe, steps=whole), ks[0], best, precision)
    report.say(
        f"adam-10k K={ks[0]} {best} {precision}, {whole} steps in full",
        fitted.seconds / ks[0],
        "s an image",
        TARGETS["adam-10k"],
        psnr_db=psnr_db(fitted),
        peak_gib=watched.peak_gib,
        utilization_percent=watched.utilization,
    )


def parts(
    job: Job,
    report: Report,
    k: int,
    kernels: Sequence[str] = KERNELS,
    precisions: Sequence[str] = PRECISIONS,
    times: int = 30,
) -> None:
    """What a step is made of, each part alone and waited for: where the next lever is."""
    calls: dict[str, Callable[[], Any]] = {}
    for kernel in kernels:
        renderer, target = job.renderer(k, kernel)
        calls[f"INR step {job.inr.name} K={k} {kernel}"] = partial(
            renderer.step, target, 2.0 / target[0].numel(), None
        )
    gradients = {name: 1e-3 * torch.rand_like(p) for name, p in renderer.parameters.items()}
    images, which = torch.rand(k, *job.shape, device=job.device), torch.arange(k)
    for precision in precisions:
        calls[f"penalty K={k} {precision}"] = partial(job.penalty(k, precision), images, which)
    for name in ("adam", "soap"):
        optimizer = index.get("optimizer", name).load()(
            {n: torch.zeros_like(g) for n, g in gradients.items()}
        )
        calls[f"optimizer step {name} K={k}"] = partial(
            optimizer.step, gradients, torch.full((k,), 1e-9, device=job.device)
        )
    for what, call in calls.items():
        report.say(what, milliseconds(call, job.device, times), "ms")


def same_hashgrid(
    samples: Sequence[Sample],
    report: Report,
    device: str,
    names: tuple[str, str] = ("hashgrid", "hashgrid-torch"),
    steps: int | None = None,
) -> bool:
    """One flat vector of parameters in both backends: the difference of their outputs, and the PSNR
    of fits by each.
    """
    theirs, ours = names
    try:
        if theirs == "hashgrid":
            import tinycudann  # noqa: F401  # OSError: built for another GPU
    except (ImportError, OSError) as error:
        report.say(
            f"parity of {theirs} with {ours}",
            None,
            f"not measured, tiny-cuda-nn does not load: {error}",
        )
        return True
    torch.manual_seed(0)
    a, b = (index.get("inr", name).load()(2, 1).to(device) for name in names)
    with torch.no_grad():
        for table in b.tables:
            table.uniform_(-1, 1)  # far from 0, so that every feature shows in the output
        a.load_flat(b.flat())
        coords = torch.from_numpy(grid(240, 240, (0.0, 1.0))).to(device)
        reference = b(coords)
        difference = (a(coords).float() - reference).abs() / reference.square().mean().sqrt()
    rms = float(difference.square().mean().sqrt())
    report.say(
        f"outputs of {theirs} against {ours}",
        rms,
        "of their rms",
        SAME_IN_HALF,
        largest=float(difference.max()),
    )
    for name in names:
        job = Job(samples, device, inr=Choice.of("inr", name))
        recipe = job.recipe("standard")
        fitted = job.fit(
            recipe if steps is None else replace(recipe, steps=steps),
            min(4, len(samples)),
            "torch",
            lam=0.0,
        )
        report.say(
            f"standard {name}, lambda 0",
            psnr_db(fitted),
            "dB",
            seconds_an_image=fitted.seconds / len(fitted.finite),
        )
    return rms < SAME_IN_HALF


def slices(count: int = 8) -> list[Sample]:
    """Slices with a lesion, 240 x 240, spread over the test patients."""
    dataset = index.get("dataset", "mni-lesion").load()(size=240)
    found = [sample for sample in map(dataset.load, dataset.ids("test")[:130]) if sample.has_lesion]
    return found[:: max(1, len(found) // count)][:count]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Measure the engine on an NVIDIA GPU.")
    parser.add_argument(
        "--out", type=Path, metavar="FILE.json", help="keep every figure in this file too"
    )
    args = parser.parse_args(argv)
    if not torch.cuda.is_available():
        print(
            InputError(
                "the engine's figures on an NVIDIA GPU",
                "this PyTorch finds no GPU",
                "a machine with one; on a CPU: python -m pytest tests/bench --benchmark-only",
            ),
            file=sys.stderr,
        )
        return 2
    tf32 = {
        "tf32_convolutions": torch.backends.cudnn.allow_tf32,
        "tf32_products": torch.backends.cuda.matmul.allow_tf32,
    }
    job, report = Job(slices(), "cuda"), Report(args.out, environment("cuda") | tf32)
    agree = [
        same_gradients(replace(job, inr=Choice.of("inr", name, **options)), report)
        for name, options in (("siren", SIREN), ("fourier", {}), ("hashgrid-torch", {}))
    ]
    agree.append(same_hashgrid(job.samples, report, "cuda"))
    standard(job, report, (1, 8, 32, 128))
    adam_10k(job, report)
    for k in (1, 8, 32):
        parts(job, report, k)
    return 0 if all(agree) else 1


if __name__ == "__main__":
    sys.exit(main())

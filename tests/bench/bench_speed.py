"""How much faster a fit is than the loops of naive.py: `python -m pytest tests/bench
--benchmark-only` prints it.

The real job, 240 x 240 pixels and a U-Net of 7.76 M parameters (32..512): tumour slices of a BraTS
case where SINCO_BENCH_DATA has `brats18`, else mni-lesion at 240 pixels. Opponents and ours
alternate within each test, and figures are medians of its rounds; the table's own times are of our
side alone. Both sides fit the same weights, which is checked: their losses at the first step are
equal.

An image-step has a fresh penalty on every side. The seconds of whole fits do not: they are of
10,000 steps of the naive loop, or 1,000 of the tuned one, against a whole `standard` fit, an image
of four at once, with the preset's own schedule of the penalty. The opponents' fits are not run to
their end here (that takes hours), so no quality is compared: results/recipes has a table of decoded
files. The network is the 16..256 one of results/lgg with each
channel doubled, which reads the same and costs as much as one that was trained at that size;
BENCH_SEGMENTER=unet@FILE names another. BENCH_STEPS bounds the steps of each measurement (default
200; below 40, whole fits are cut short too, and said to be estimated), BENCH_THREADS the threads
(all cores).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from benchmark.files.task01 import write_task01
from benchmark.fit import kernels
from benchmark.fit.engine import Fitted, Member, fit, renderer_for
from benchmark.fit.render import build
from benchmark.images.grid import grid
from benchmark.images.steps import area_average, area_mask
from benchmark.networks.checkpoints import Checkpoint, find_checkpoint
from benchmark.networks.network import (
    PRECISIONS,
    Network,
    load_network,
    save_checkpoint,
)
from benchmark.networks.weights import load_weights, read_weights
from benchmark.plan.recipes import PRESETS, recipe_for
from benchmark.plugins import index
from benchmark.plugins.choice import Choice
from benchmark.runner.precision import has_bf16
from benchmark.types import Recipe, Sample
from tests.bench import naive
from tests.bench.clocks import Stopwatch, a_call, paired
from tests.bench.made_networks import widened

STEPS = int(os.environ.get("BENCH_STEPS", "200"))
ROUNDS = 3 if STEPS < 100 else 5
THREADS = int(os.environ.get("BENCH_THREADS", len(os.sched_getaffinity(0))))
LAMBDA = 1e-4
AUTO = "bf16" if has_bf16("cpu") else "float32"  # what --precision auto is
TRAINED = Path(__file__).parents[2] / "results" / "lgg" / "readers" / "unet-lgg.safetensors"
BACKBONES = {  # of 7,421, 7,361 and 7,440 parameters
    "siren": {"hidden_features": 28, "hidden_layers": 9},
    "fourier": {"hidden_features": 46},
    "hashgrid-torch": {"n_levels": 7, "log2_hashmap_size": 11, "base_resolution": 8},
}
OPPONENTS = {"naive": (naive.naive, 10_000), "expert": (naive.expert, 1_000)}


# --- the job


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Sample]:
    """Eight slices with a lesion, 240 x 240."""
    cases = sorted(Path(os.environ.get("SINCO_BENCH_DATA", "none")).glob("brats18/*"))
    if cases:
        write_task01(cases[:1], folder := tmp_path_factory.mktemp("task01"), compressed=False)
        dataset = index.get("dataset", "decathlon").load()(folder, size=0, slices="all")
    else:
        dataset = index.get("dataset", "mni-lesion").load()(size=240)
    found = [sample for sample in map(dataset.load, dataset.ids("test")[:130]) if sample.has_lesion]
    return found[:: len(found) // 8][:8]


@pytest.fixture(scope="module")
def checkpoint(samples: list[Sample], tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """Weights of a U-Net of 7.76 M parameters."""
    first = samples[0]
    if spec := os.environ.get("BENCH_SEGMENTER"):
        return find_checkpoint(spec, first.dataset, channels=first.channels, force=True)
    module = index.get("segmenter", "unet").load()(1, base=32).eval()
    module.load_state_dict(widened(load_file(TRAINED), module.state_dict()))
    path = tmp_path_factory.mktemp("weights") / "unet.safetensors"
    card = {
        "segmenter": "unet",
        "options": {"base": 32},
        "channels": list(first.channels),
        "dataset": first.dataset,
    }
    save_checkpoint(path, module, card)
    return find_checkpoint(f"unet@{path}", first.dataset, channels=first.channels)


def test_widened_reads_the_same(samples: list[Sample], checkpoint: Checkpoint) -> None:
    narrow = find_checkpoint(f"unet@{TRAINED}", "lgg", channels=samples[0].channels, force=True)
    images, volumes = np.stack([s.image for s in samples[:2]]), [s.volume for s in samples[:2]]
    a, b = (load_network(c).segment(images, volumes) for c in (narrow, checkpoint))
    np.testing.assert_allclose(a, b, atol=1e-4)


@dataclass
class Job:
    """One backbone on eight images, and one network's weights, for all sides."""

    inr: Choice
    samples: list[Sample]
    checkpoint: Checkpoint
    networks: dict[str, Any] = field(
        default_factory=dict
    )  # by precision ours, by name the opponents'

    @property
    def recipe(self) -> Recipe:
        return recipe_for(index.get("inr", self.inr.name), PRESETS["standard"], dict(self.inr.args))

    def coords(self) -> torch.Tensor:
        return torch.from_numpy(
            grid(
                *self.samples[0].image.shape[:2],
                index.get("inr", self.inr.name).declared["coordinates"],
            )
        )

    def backbone(self) -> torch.nn.Module:
        """The opponents' module, with the weights that our first fit starts from."""
        module = build(self.inr, self.samples[0].image.shape[2], 0)
        return naive.Siren(module.layers, module.omega) if self.inr.name == "siren" else module

    def oppose(
        self, name: str, steps: int, lam: float = LAMBDA, on_step: naive.OnStep | None = None
    ) -> None:
        """Some steps of an opponent on the first image."""
        if name not in self.networks:
            network = index.get("segmenter", "unet").load()(1, **self.checkpoint.card["options"])
            load_weights(network, self.checkpoint, read_weights(self.checkpoint))
            self.networks[name] = network
        OPPONENTS[name][0](
            self.samples[0],
            self.coords(),
            self.backbone(),
            self.networks[name],
            lam,
            steps=steps,
            on_step=on_step,
        )

    def fit(
        self,
        recipe: Recipe,
        k: int,
        precision: str,
        lam: float = LAMBDA,
        on_step: Callable[..., Any] | None = None,
    ) -> Fitted:
        """Our side: K images at once."""
        members = [Member(sample, seed, lam) for seed, sample in enumerate(self.samples[:k])]
        penalty = (
            index.get("regularizer", "dice")
            .load()()
            .make(self.samples[:k], self.network(precision))
            if lam
            else None
        )
        return fit(self.inr, members, recipe, penalty=penalty, on_step=on_step)

    def network(self, precision: str) -> Network:
        if precision not in self.networks:
            self.networks[precision] = load_network(self.checkpoint, precision=precision)
        return self.networks[precision]


@pytest.fixture(scope="module", params=BACKBONES)
def job(request: pytest.FixtureRequest, samples: list[Sample], checkpoint: Checkpoint) -> Job:
    job = Job(Choice.of("inr", request.param, **BACKBONES[request.param]), samples, checkpoint)
    assert_same_job(job)
    return job


def assert_same_job(job: Job) -> None:
    """Opponents and ours start from the same loss, at a lambda where the penalty weighs as much as
    the fidelity.
    """
    nothing = replace(
        job.recipe, steps=3, lr=0.0, warmup=0
    )  # three steps, so that all is compiled before anything is measured
    ours = job.fit(nothing, 1, "float32", lam=0.1)
    for name in OPPONENTS:
        losses: list[float] = []
        job.oppose(name, 1, 0.1, lambda _, loss, losses=losses: losses.append(loss))
        assert losses == [pytest.approx(ours.fidelity[0] + 0.1 * ours.penalty[0], rel=1e-4)], (
            f"{name} fits something else"
        )


@pytest.fixture(autouse=True)
def all_cores(isolated: None) -> Iterator[None]:
    """Threads as a user has them, and compiled kernels as in every run but a machine's first."""
    before = torch.get_num_threads()
    torch.set_num_threads(THREADS)
    kernels.remember_compiled()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    def say(line: str) -> None:
        with capsys.disabled():
            print(line, flush=True)

    return say


# --- what is printed


def opponent_step(job: Job, name: str, steps: int) -> float:
    watch = Stopwatch()
    job.oppose(name, steps + 1, on_step=watch)
    return watch.a_step()


def our_step(job: Job, k: int, precision: str, steps: int) -> float:
    """Seconds of an image-step with a fresh penalty."""
    watch = Stopwatch()
    job.fit(replace(job.recipe, steps=steps + 1, penalty_every=1), k, precision, on_step=watch)
    return watch.a_step() / k


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("k", [1, 4, 8])
def test_image_step(
    benchmark: Any, job: Job, k: int, precision: str, say: Callable[[str], None]
) -> None:
    steps = max(1, STEPS // (ROUNDS * k))
    s = paired(
        benchmark,
        {
            "naive": lambda: opponent_step(job, "naive", steps),
            "expert": lambda: opponent_step(job, "expert", steps),
            "ours": lambda: our_step(job, k, precision, steps),
        },
        ROUNDS,
    )
    say(
        f"speed-up per image-step {job.inr.name} K={k} {precision}: {s['naive'] / s['ours']:.1f}x  "
        f" ({1e3 * s['naive']:.0f} ms naive, {1e3 * s['expert']:.0f} tuned adam,"
        f" {1e3 * s['ours']:.0f} ours)"
    )
    assert np.isfinite(s["ours"])


@pytest.mark.parametrize("lam", [1e-5, 1e-4])
def test_seconds_of_whole_fits(
    benchmark: Any, job: Job, lam: float, say: Callable[[str], None]
) -> None:
    k, recipe = 4, job.recipe
    part = recipe if STEPS >= 40 else replace(recipe, steps=min(STEPS, recipe.steps))
    before = {name: opponent_step(job, name, max(1, STEPS // 4)) for name in OPPONENTS}
    fitted = benchmark.pedantic(job.fit, (part, k, AUTO, lam), rounds=1)
    after = {name: opponent_step(job, name, max(1, STEPS // 4)) for name in OPPONENTS}
    ours = fitted.seconds / k * recipe.steps / part.steps
    seconds = {
        name: (before[name] + after[name]) / 2 * steps for name, (_, steps) in OPPONENTS.items()
    }
    benchmark.extra_info.update(
        {
            "naive_seconds": seconds["naive"],
            "expert_seconds": seconds["expert"],
            "our_seconds": ours,
        }
    )
    estimated = "" if part == recipe else f", estimated from {part.steps} steps"
    say(
        f"seconds of a whole fit, quality not compared, {job.inr.name}:"
        f" {seconds['naive'] / ours:.0f}x  "
        f" ({seconds['naive']:.0f} s for 10,000 steps of {1e3 * seconds['naive'] / 10_000:.0f} ms;"
        f" ours {ours:.1f} s an image for {recipe.steps} steps of {recipe.optimizer} at K={k},"
        f" lambda {lam:g}, {AUTO}, {fitted.evaluations.mean():.0f} penalties in {part.steps}"
        f" steps{estimated})"
    )
    say(
        f"seconds of a whole fit, quality not compared, against tuned adam {job.inr.name}:"
        f" {seconds['expert'] / ours:.1f}x "
        f"  ({seconds['expert']:.0f} s for 1,000 steps of {1e3 * seconds['expert'] / 1_000:.0f} ms)"
    )
    assert fitted.finite.all() and np.isfinite(fitted.fidelity).all()


@pytest.mark.skipif(
    not os.environ.get("BENCH_FULL"), reason="a naive fit in full takes an hour: BENCH_FULL=1"
)
def test_a_naive_fit_in_full(benchmark: Any, job: Job, say: Callable[[str], None]) -> None:
    """Whether the seconds of a few steps, times 10,000, are those of a fit: at 128x128, in
    processor seconds (the machine may be busy).
    """
    sample, at = job.samples[0], []
    job = replace(
        job,
        samples=[
            replace(
                sample,
                image=area_average(sample.image, 128),
                mask=area_mask(sample.mask, 128),
                brain=area_mask(sample.brain, 128),
            )
        ],
    )
    benchmark.pedantic(
        job.oppose,
        ("naive", 10_000),
        {"on_step": lambda step, loss: at.append(time.process_time())},
        rounds=1,
    )
    few, whole = (at[220] - at[20]) / 200, (at[-1] - at[0]) / (len(at) - 1)
    say(
        f"a naive fit in full {job.inr.name}, 128x128: {len(at) * whole:.0f} processor s;"
        f" {len(at) * few:.0f} foretold by 200 steps ({1e3 * few:.0f} ms a step, {1e3 * whole:.0f}"
        " in the whole fit)"
    )
    assert len(at) == 10_000


def test_inr_step(benchmark: Any, job: Job, say: Callable[[str], None]) -> None:
    """The backbone alone, without network and optimizer, and what the optimizer adds to it."""
    sample, coords, module = job.samples[0], job.coords(), job.backbone()
    steps = max(1, STEPS // ROUNDS)
    target = torch.from_numpy(sample.image).flatten(0, 1)
    renderer, kernel = renderer_for(job.inr, [Member(sample)], coords, target.shape[1], "auto")
    factor, extra = 2.0 / target.numel(), torch.full_like(target, 1e-6)[None]

    def one_pass() -> None:
        renderer.step(target[None], factor, None)

    def fresh_penalty() -> None:
        renderer.render()
        renderer.step(target[None], factor, extra)

    def naive_step() -> None:
        naive.inr_step(target, coords, module)

    def other_coords() -> None:
        naive.inr_step(target, coords.clone(), module)

    sides = {
        "naive": naive_step,
        "anew": other_coords,
        "fresh penalty": fresh_penalty,
        "one pass": one_pass,
    }
    clocked = {name: lambda step=step: a_call(step, steps) for name, step in sides.items()}
    s = paired(benchmark, clocked, ROUNDS)
    # Our module of the hash grid, which the opponents use as well, looks its corners up once;
    # others do at every step.
    anew = (
        f", {1e3 * s['anew']:.1f} looking corners up at every step"
        if job.inr.name == "hashgrid-torch"
        else ""
    )
    for what in ("one pass", "fresh penalty"):
        say(
            f"speed-up of the INR step {job.inr.name} K=1, {what}: {s['naive'] / s[what]:.1f}x   "
            f"({1e3 * s['naive']:.1f} ms naive{anew}, {1e3 * s[what]:.1f} ours, kernel {kernel})"
        )
    assert all(np.isfinite(seconds) for seconds in s.values())


@pytest.mark.parametrize("k", [1, 4])
def test_optimizer_share(benchmark: Any, job: Job, k: int, say: Callable[[str], None]) -> None:
    fitted = benchmark.pedantic(
        job.fit, (replace(job.recipe, steps=max(20, STEPS)), k, AUTO, 0.0), rounds=1
    )
    inr, optimizer = fitted.spent["inr"], fitted.spent["optimizer"]
    benchmark.extra_info.update(
        {"inr_ms": 1e3 * inr / max(20, STEPS), "optimizer_ms": 1e3 * optimizer / max(20, STEPS)}
    )
    say(
        f"optimizer share of a step {job.inr.name} K={k}, no network:"
        f" {optimizer / (inr + optimizer):.0%}   ({job.recipe.optimizer}: {optimizer / inr:.2f} of"
        f" the INR's time, kernel {fitted.kernel})"
    )
    assert fitted.finite.all()

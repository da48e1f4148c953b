"""The step loop: each fit on its own, the image as the only interface, losses as defined."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmark.fit.engine import Member, fit, learning_rate
from benchmark.fit.held import longest_hold
from benchmark.fit.regularizers.dice import Dice, soft_dice
from benchmark.fit.render import build
from benchmark.images.grid import grid
from benchmark.plugins.choice import Choice
from benchmark.types import Recipe, Sample, VolumeStatistics

RECIPE = Recipe("soap", 3e-3, 12, "cosine", 2)


def sample(seed: int = 0, size: int = 16) -> Sample:
    y, x = np.mgrid[:size, :size] / size
    image = (0.5 + 0.4 * np.sin(6 * x + seed) * np.cos(5 * y))[..., None].astype(np.float32)
    mask = (x - 0.5) ** 2 + (y - 0.4) ** 2 < 0.06
    return Sample(
        f"p{seed}",
        "test",
        f"p{seed}",
        image,
        mask,
        np.ones_like(mask),
        ("flair",),
        VolumeStatistics.of(image),
    )


class Blur:
    """A differentiable stand-in for a segmenter, which looks at neighbours too."""

    def logits(self, images: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        x = images.permute(0, 3, 1, 2)
        return 8.0 * (torch.nn.functional.avg_pool2d(x, 3, 1, 1)[:, 0] - volume[:, 0, None, None])


SIREN = Choice.of("inr", "siren", hidden_features=8, hidden_layers=1)


@pytest.mark.parametrize("optimizer", ["adam", "soap"])
def test_together_equals_one_by_one_in_float64(optimizer):
    members = [Member(sample(k), seed=k, lam=lam) for k, lam in enumerate((0.0, 1e-3, 1e-1))]
    recipe = replace(RECIPE, optimizer=optimizer)

    def run(some):
        return fit(
            SIREN,
            some,
            recipe,
            penalty=Dice().make([m.sample for m in some], Blur()),
            dtype=torch.float64,
        )

    together = run(members)
    for k, member in enumerate(members):
        alone = run([member])
        for name, array in alone.states[0].items():
            np.testing.assert_allclose(together.states[k][name], array, rtol=1e-5, atol=1e-7)


def test_a_nan_image_harms_no_other():
    bad = sample(1)
    bad.image[3, 3] = np.nan
    pair = fit(SIREN, [Member(sample(0)), Member(bad)], RECIPE, dtype=torch.float64)
    alone = fit(SIREN, [Member(sample(0))], RECIPE, dtype=torch.float64)
    assert pair.finite.tolist() == [True, False]
    for name, array in alone.states[0].items():
        np.testing.assert_allclose(pair.states[0][name], array, rtol=1e-9, atol=1e-11)


def test_the_gradient_is_that_of_the_total_loss():
    """One Adam-free step: the parameters' gradient equals autograd through fidelity + lambda *
    penalty as one graph.
    """
    from benchmark.fit.render import Renderer

    one, lam = sample(), 0.7
    coords = torch.from_numpy(grid(16, 16, (-1.0, 1.0))).double()
    renderer = Renderer([build(SIREN, 1, 3).double()], [False], coords)
    target = torch.from_numpy(one.image).double().reshape(1, -1, 1)
    image = renderer.render()
    _, slope = Dice().make([one], Blur())(image.float().reshape(1, 16, 16, 1), torch.tensor([0]))
    got = renderer.vjp(2 * (image - target) / 256 + lam * slope.reshape(1, -1, 1).double())

    module = renderer.template
    p = {name: x[0].detach().clone().requires_grad_() for name, x in renderer.parameters.items()}
    out = torch.func.functional_call(module, p, (coords,))
    volume = torch.tensor([one.volume.as_row()])
    probability = torch.sigmoid(Blur().logits(out.reshape(1, 16, 16, 1), volume))
    m = torch.from_numpy(one.mask).double()
    loss = (out - target[0]).square().mean() + lam * (
        1 - (2 * (probability[0] * m).sum() + 1e-6) / (probability.sum() + m.sum() + 1e-6)
    )
    loss.backward()
    for name, x in p.items():
        torch.testing.assert_close(got[name][0], x.grad, rtol=1e-4, atol=1e-7)


def test_soft_dice_by_hand():
    p = torch.tensor([[[0.5, 1.0], [0.0, 0.25]]])
    m = torch.tensor([[[1.0, 1.0], [0.0, 0.0]]])
    assert soft_dice(p, m, 1e-6).item() == pytest.approx(
        (2 * 1.5 + 1e-6) / (1.75 + 2 + 1e-6), rel=1e-6
    )


def test_sum_is_mean_with_lambda_scaled_by_the_pixels():
    """sum of squares + lambda * 256 * penalty has 256 times the gradient of the mean: Adam without
    eps cannot tell them apart.
    """
    recipe = Recipe("adam", 1e-3, 8, "constant", 0, optimizer_args=(("eps", 0.0),))
    make = Dice().make([sample()], Blur())
    mean = fit(SIREN, [Member(sample(), lam=1e-3)], recipe, penalty=make, dtype=torch.float64)
    total = fit(
        SIREN,
        [Member(sample(), lam=1e-3 * 256)],
        recipe,
        penalty=make,
        fidelity="sum",
        dtype=torch.float64,
    )
    for name, array in mean.states[0].items():
        np.testing.assert_allclose(total.states[0][name], array, rtol=1e-4, atol=1e-8)
    assert total.fidelity[0] == pytest.approx(256 * mean.fidelity[0], rel=1e-4)


def test_the_engine_steps_down_the_total_loss():
    """One step of the engine's own Adam without eps is lr times the sign of the total loss's
    gradient.
    """
    lam, lr = 50.0, 1e-3
    recipe = Recipe("adam", lr, 1, "constant", 0, optimizer_args=(("eps", 0.0),))
    fitted = fit(
        SIREN,
        [Member(sample(), seed=3, lam=lam)],
        recipe,
        penalty=Dice().make([sample()], Blur()),
        dtype=torch.float64,
    )
    module = build(SIREN, 1, 3).double()
    image = module(torch.from_numpy(grid(16, 16, (-1.0, 1.0))).double()).reshape(1, 16, 16, 1)
    probability = torch.sigmoid(Blur().logits(image, torch.tensor([sample().volume.as_row()])))
    mask = torch.from_numpy(sample().mask).double()[None]
    loss = (image - torch.from_numpy(sample().image).double()).square().mean() + lam * (
        1 - soft_dice(probability, mask, 1e-6)
    ).sum()
    loss.backward()
    agreeing = [
        float(
            (
                np.sign(p.grad.numpy()) == -np.sign(fitted.states[0][name] - p.detach().numpy())
            ).mean()
        )
        for name, p in module.named_parameters()
    ]
    assert min(agreeing) > 0.95, (
        agreeing
    )  # where a gradient is next to nothing, float32 of the penalty may turn its sign


def test_a_held_gradient_is_the_last_fresh_one():
    """With a slope that never changes, holding it for four steps is the same as asking for it at
    every step.
    """
    slope = torch.linspace(-1, 1, 256).reshape(1, 16, 16, 1)

    def penalty(images, which):
        return torch.zeros(len(images)), slope.expand(len(images), -1, -1, -1)

    states = [
        fit(
            SIREN,
            [Member(sample(), lam=0.1)],
            replace(RECIPE, penalty_every=n),
            penalty=penalty,
            dtype=torch.float64,
        ).states[0]
        for n in (1, 4)
    ]
    plain = fit(SIREN, [Member(sample())], RECIPE, dtype=torch.float64).states[0]
    for name in plain:
        np.testing.assert_array_equal(states[0][name], states[1][name])
    assert any(np.abs(plain[name] - states[0][name]).max() > 1e-4 for name in plain)


def test_null_twins_start_one_part_in_ten_million_away():
    from benchmark.fit.render import Renderer

    renderer = Renderer(
        [build(SIREN, 1, 0).double() for _ in range(2)],
        [False, True],
        torch.zeros(1, 2, dtype=torch.float64),
    )
    for p in renderer.parameters.values():
        torch.testing.assert_close(p[1] / p[0], torch.full_like(p[0], 1 + 1e-7), rtol=1e-12, atol=0)


def test_schedule():
    recipe = Recipe("adam", 1.0, 110, "cosine", 10)
    assert [learning_rate(recipe, s) for s in (0, 4, 9, 10)] == pytest.approx([0.1, 0.5, 1.0, 1.0])
    assert learning_rate(recipe, 60) == pytest.approx(0.5)
    assert learning_rate(replace(recipe, schedule="constant"), 109) == 1.0


def test_held_gradient_is_refreshed_on_every_nth_step():
    calls = []

    def penalty(images, which):
        calls.append(1)
        return torch.zeros(len(images)), torch.zeros_like(images)

    fit(SIREN, [Member(sample(), lam=1.0)], replace(RECIPE, penalty_every=4), penalty=penalty)
    assert len(calls) == 3 + 1  # steps 0, 4, 8, and the value at the end


def test_auto_holds_by_how_much_the_gradient_changes():
    change = torch.tensor([0.0, 0.01, 0.04, 0.06, 0.11, 0.3, float("nan"), float("inf")])
    assert longest_hold(change, tolerance=0.2).tolist() == [8, 8, 4, 2, 1, 1, 1, 1]


def test_auto_refreshes_each_fit_at_its_own_pace():
    """A gradient that never changes is soon held for 8 steps; one that turns round at each look is
    fresh at every step.
    """
    looks = {0: 0, 1: 0}

    def penalty(images, which):
        slope = torch.ones_like(images)
        for row, k in enumerate(which.tolist()):
            looks[k] += 1
            slope[row] *= (-1) ** looks[k] if k else 1
        return torch.zeros(len(images)), slope

    fitted = fit(
        SIREN,
        [Member(sample(0), lam=1e-3), Member(sample(1), lam=1e-3)],
        replace(RECIPE, steps=33, penalty_every="auto"),
        penalty=penalty,
        fidelity="mean",
    )
    # Fit 0 at 0, 1 (its first look had nothing to compare with) and then at 8, 16, 24, 32.
    assert fitted.evaluations.tolist() == [6, 33]
    assert looks == {0: 7, 1: 34}  # and once at the end, for the penalty that is reported


def test_a_fit_stops_at_its_target_and_the_others_go_on():
    recipe = Recipe("soap", 1e-2, 60, "cosine", 5)
    members = [Member(sample(0)), Member(sample(1), rate=0.01)]
    free = fit(SIREN, members, recipe)
    level = -10 * np.log10(free.best[0]) - 3
    stopped = fit(SIREN, members, replace(recipe, stop_at_db=float(level)))
    assert stopped.steps[0] < 60 and stopped.steps[1] == 60
    assert level <= -10 * np.log10(stopped.fidelity[0]) < level + 1
    np.testing.assert_allclose(stopped.fidelity[1], free.fidelity[1], rtol=1e-4)


def test_a_fit_stops_when_nothing_is_gained():
    still = fit(
        SIREN,
        [Member(sample(), rate=0.0), Member(sample())],
        replace(RECIPE, steps=40, patience=10),
    )
    assert still.steps.tolist() == [10, 40]


def test_a_members_rate_scales_its_steps():
    recipe = Recipe("adam", 1e-3, 6, "constant", 0)
    half = fit(SIREN, [Member(sample(), rate=0.5)], recipe, dtype=torch.float64)
    lower = fit(SIREN, [Member(sample())], replace(recipe, lr=5e-4), dtype=torch.float64)
    for name, array in half.states[0].items():
        np.testing.assert_allclose(array, lower.states[0][name], rtol=1e-12)

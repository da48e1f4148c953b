"""SOAP's compiled step against the PyTorch one, its oracle: shapes, precisions, frozen fits,
gradients of low rank.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from benchmark.fit.optimizers.soap import FUSED_DIM, Soap

K = 2


def layers(*shapes: tuple[int, int], dtype: torch.dtype = torch.float64) -> dict[str, torch.Tensor]:
    """K fits of layers whose matrices have these shapes, the last column of each being its bias;
    and a table for Adam.
    """
    g = torch.Generator().manual_seed(0)
    p = {"grid": torch.randn(K, 7, generator=g, dtype=torch.float64)}
    for i, (m, n) in enumerate(shapes):
        p[f"{i}.weight"] = torch.randn(K, m, n - 1, generator=g, dtype=torch.float64)
        p[f"{i}.bias"] = torch.randn(K, m, generator=g, dtype=torch.float64)
    return {name: x.to(dtype) for name, x in p.items()}


def run(p, *, fused, steps=20, every=1, spoil=lambda step, gradients: None):
    """Steps under gradients of changing size; `fused` may be a function of the step."""
    p = {name: x.clone() for name, x in p.items()}
    optimizer = Soap(p, every=every)
    lr = torch.tensor([1e-2, 2e-2], dtype=p["grid"].dtype)
    for step in range(steps):
        optimizer.fused = fused(step) if callable(fused) else fused
        gradients = {
            name: (2.0 + torch.sin(torch.tensor(2.0 * step))) * torch.sin(3.0 * x + step)
            for name, x in p.items()
        }
        spoil(step, gradients)
        optimizer.step(gradients, lr)
    return p, optimizer


def largest_difference(a, b):
    return max(float((a[name] - b[name]).abs().max()) for name in a)


@pytest.mark.parametrize("every", [1, 5])
@pytest.mark.parametrize(
    "shapes", [[(16, 3), (16, 17), (16, 17), (1, 17)], [(28, 29), (28, 29)], [(64, 65)], [(32, 64)]]
)
def test_the_compiled_step_is_that_of_pytorch(shapes, every):
    p = layers(*shapes)
    assert (
        largest_difference(run(p, fused=True, every=every)[0], run(p, fused=False, every=every)[0])
        < 1e-9
    )


def test_the_compiled_step_is_close_in_float32():
    p = layers((16, 3), (16, 17), (1, 17), dtype=torch.float32)
    fused, plain = run(p, fused=True, steps=5)[0], run(p, fused=False, steps=5)[0]
    assert largest_difference(fused, p) > 1e-2
    assert largest_difference(fused, plain) < 1e-4


def test_it_can_be_switched_at_any_step():
    p = layers((16, 17), (16, 17))
    mixed, _ = run(p, fused=lambda step: step in (4, 5, 6, 12, 15, 16))
    assert largest_difference(mixed, run(p, fused=False)[0]) < 1e-9


def test_a_frozen_fit_stays_where_it_stands_and_harms_no_other():
    def poison(step, gradients):
        if step == 7:
            gradients["1.bias"][0, 2] = float("nan")

    p = layers((16, 3), (16, 17))
    (poisoned, optimizer), (clean, _), (stopped, _) = (
        run(p, fused=True, spoil=poison),
        run(p, fused=True),
        run(p, fused=True, steps=7),
    )
    assert optimizer.alive.tolist() == [False, True]
    for name in p:
        assert torch.equal(poisoned[name][0], stopped[name][0])
        assert torch.equal(poisoned[name][1], clean[name][1])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_of_low_rank_give_finite_updates(dtype):
    def dead(step, gradients):
        for name, g in gradients.items():
            if name.startswith("0"):
                g.zero_()  # a dead layer
            elif name.endswith("weight"):
                g[0], g[1, 1:] = 0.0, 0.0  # a fit without gradient; one unit alive
            else:
                g[0] = 0.0

    p = layers((16, 17), (16, 17), (1, 17), dtype=dtype)
    fused, optimizer = run(p, fused=True, spoil=dead)
    assert optimizer.alive.all() and all(x.isfinite().all() for x in fused.values())
    assert all(torch.equal(fused[name][0], p[name][0]) for name in p)  # no gradient, no step
    for q in (optimizer.groups[0].q_left, optimizer.groups[0].q_right):
        torch.testing.assert_close(
            q.mT @ q,
            torch.eye(q.shape[1], dtype=dtype).expand_as(q),
            rtol=0,
            atol=100 * torch.finfo(dtype).eps,
        )


@pytest.mark.parametrize("fused", [False, True])
def test_a_gradient_whose_square_overflows_freezes_its_fit_alone(fused):
    def burst(step, gradients):
        if step == 0:
            gradients["0.weight"][1, 3, 3] = (
                1e30  # finite, but its factor is not: eigh would raise for all fits
            )

    p = layers((16, 17), dtype=torch.float32)
    burst_p, optimizer = run(p, fused=fused, spoil=burst, steps=4)
    assert optimizer.alive.tolist() == [True, False]
    assert (
        torch.equal(burst_p["0.weight"][1], p["0.weight"][1])
        and burst_p["0.weight"][0].isfinite().all()
    )


def test_numba_is_loaded_by_small_matrices_of_a_fused_optimizer_alone():
    code = f"""if True:
        import sys, torch
        from benchmark.fit.optimizers.soap import Soap
        def steps(fused, *shape):
            p = {{"weight": torch.ones(1, *shape)}}
            optimizer = Soap(p)
            optimizer.fused = fused
            for _ in range(3):
                optimizer.step({{"weight": torch.ones(1, *shape)}}, torch.ones(1))
            return "numba" in sys.modules
        print(steps(False, 4, 4), steps(True, 4, {FUSED_DIM + 1}), steps(True, 4, 4))"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "True"]

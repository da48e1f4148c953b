"""Optimizers over stacked fits: reference values, independence of the fits, and members that stop
being finite.
"""

from __future__ import annotations

import pytest
import torch

from benchmark.fit.optimizers.adam import Adam
from benchmark.fit.optimizers.soap import RIDGE, Soap


def parameters(k: int, seed: int = 0) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    shapes = {"a.weight": (5, 3), "a.bias": (5,), "b.weight": (5, 3), "b.bias": (5,), "grid": (7,)}
    return {
        name: torch.randn(k, *shape, generator=g, dtype=torch.float64)
        for name, shape in shapes.items()
    }


def gradients(p: dict[str, torch.Tensor], step: int) -> dict[str, torch.Tensor]:
    return {name: torch.sin(3.0 * x + step) + 0.3 * x for name, x in p.items()}


def run(kind, p: dict[str, torch.Tensor], steps: int = 12, poison: int | None = None):
    p = {name: x.clone() for name, x in p.items()}
    optimizer = kind(p)
    for step in range(steps):
        g = gradients(p, step)
        if poison is not None and step == 5:
            g["a.bias"][poison, 2] = float("nan")
        optimizer.step(g, torch.full((len(p["grid"]),), 1e-2, dtype=torch.float64))
    return p, optimizer


def test_adam_equals_torch_adam():
    p = parameters(3)
    mine, _ = run(Adam, p)
    theirs = {name: x.clone().requires_grad_() for name, x in p.items()}
    optimizer = torch.optim.Adam(theirs.values(), lr=1e-2)
    for step in range(12):
        for name, g in gradients({n: x.detach() for n, x in theirs.items()}, step).items():
            theirs[name].grad = g
        optimizer.step()
    for name in p:
        torch.testing.assert_close(mine[name], theirs[name].detach(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("kind", [Adam, Soap])
def test_together_equals_one_by_one(kind):
    p = parameters(3)
    together, _ = run(kind, p)
    for k in range(3):
        alone, _ = run(kind, {name: x[k : k + 1] for name, x in p.items()})
        for name in p:
            torch.testing.assert_close(
                together[name][k : k + 1], alone[name], rtol=1e-9, atol=1e-11
            )


@pytest.mark.parametrize("kind", [Adam, Soap])
def test_a_nan_member_is_frozen_and_harms_no_other(kind):
    p = parameters(3)
    poisoned, optimizer = run(kind, p, poison=1)
    clean, _ = run(kind, p)
    stopped, _ = run(kind, p, steps=5)
    assert optimizer.alive.tolist() == [True, False, True]
    for name in p:
        torch.testing.assert_close(
            poisoned[name][[0, 2]], clean[name][[0, 2]], rtol=1e-9, atol=1e-11
        )
        torch.testing.assert_close(poisoned[name][1], stopped[name][1])


def test_soap_leaves_to_adam_what_is_no_matrix():
    p = parameters(3)
    soap, _ = run(Soap, p)
    adam, _ = run(lambda values: Adam(values, beta2=0.95), p)
    torch.testing.assert_close(soap["grid"], adam["grid"], rtol=1e-12, atol=1e-12)
    assert not torch.allclose(soap["a.weight"], adam["a.weight"], atol=1e-3)


def test_soap_is_adam_in_the_eigenbasis_of_its_factors():
    """One layer without bias against the paper's algorithm 3 written plainly, with the small
    diagonal of _regular.
    """

    def regular(factor):
        return factor / factor.trace() + torch.diag(
            torch.linspace(RIDGE, 0.1 * RIDGE, len(factor), dtype=torch.float64)
        )

    p = {
        "weight": torch.randn(
            1, 4, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64
        )
    }
    mine = {"weight": p["weight"].clone()}
    optimizer = Soap(mine, every=1)
    w = p["weight"][0].clone()
    left, right, m, v = (
        torch.zeros(*shape, dtype=torch.float64) for shape in ((4, 4), (3, 3), (4, 3), (4, 3))
    )
    for step in range(6):
        g = torch.sin(2.0 * w + step) + 0.1 * w
        optimizer.step({"weight": g.unsqueeze(0)}, torch.tensor([0.05], dtype=torch.float64))
        left, right = 0.95 * left + 0.05 * g @ g.T, 0.95 * right + 0.05 * g.T @ g
        if step == 0:
            ql, qr = (
                torch.linalg.eigh(regular(left))[1].flip(1),
                torch.linalg.eigh(regular(right))[1].flip(1),
            )
            continue
        m, v = 0.9 * m + 0.1 * g, 0.95 * v + 0.05 * (ql.T @ g @ qr) ** 2
        rotated = (ql.T @ m @ qr) / (1 - 0.9**step) / ((v / (1 - 0.95**step)).sqrt() + 1e-8)
        w = w - 0.05 * ql @ rotated @ qr.T
        order = torch.diag(ql.T @ regular(left) @ ql).argsort(descending=True)
        ql, v = torch.linalg.qr(regular(left) @ ql[:, order])[0], v[order]
        order = torch.diag(qr.T @ regular(right) @ qr).argsort(descending=True)
        qr, v = torch.linalg.qr(regular(right) @ qr[:, order])[0], v[:, order]
        torch.testing.assert_close(mine["weight"][0], w, rtol=1e-7, atol=1e-9)

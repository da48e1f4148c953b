"""siren and fourier against numpy written out from their papers, and the sizes and starts that
these state.
"""

from __future__ import annotations

import numpy as np
import torch

from benchmark.plugins import philox_normal
from benchmark.plugins.inr.fourier import Fourier
from benchmark.plugins.inr.siren import Siren


def arrays(module: torch.nn.Module) -> list[np.ndarray]:
    return [p.detach().double().numpy() for p in module.parameters()]


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_siren_is_the_papers_formula() -> None:
    module, x = Siren(2, 3, omega_0=20.0, omega_hidden=7.0), torch.rand(40, 2) * 2 - 1
    W0, b0, W1, b1, W2, b2, W3, b3, W4, b4 = arrays(module)
    h = np.sin(20 * (x.double().numpy() @ W0.T + b0))
    for W, b in ((W1, b1), (W2, b2), (W3, b3)):
        h = np.sin(7 * (h @ W.T + b))
    np.testing.assert_allclose(module(x).detach().numpy(), h @ W4.T + b4, atol=1e-5)


def test_siren_starts_from_the_papers_ranges() -> None:
    torch.manual_seed(0)
    for bias, expected in (("weights", (6 / 64) ** 0.5 / 30), ("torch", 64**-0.5)):
        W0, b0, W1, b1, *_ = arrays(Siren(2, 1, hidden_features=64, bias=bias))
        for values, bound in ((W0, 0.5), (W1, (6 / 64) ** 0.5 / 30), (b1, expected)):
            assert 0.9 * bound < np.abs(values).max() <= bound


def test_siren_has_the_published_sizes() -> None:
    assert (
        count(Siren(2, 1, hidden_features=64, hidden_layers=2)) == 8_577
    )  # the student reproduction
    assert [
        count(Siren(2, 1, hidden_features=w, hidden_layers=d - 1))
        for d, w in ((5, 20), (5, 30), (10, 28), (10, 40))
    ] == [
        1_761,
        3_841,
        7_421,
        14_921,
    ]  # COIN's, one channel


def test_fourier_is_the_papers_formula() -> None:
    module, x = Fourier(2, 3, features=5, sigma=2.0, hidden_layers=2, seed=9), torch.rand(40, 2)
    B = 2.0 * philox_normal(9, 10).reshape(5, 2)
    z = 2 * np.pi * x.double().numpy() @ B.T
    h = np.concatenate([np.cos(z), np.sin(z)], 1)
    *hidden, W, b = arrays(module)
    for V, c in zip(hidden[::2], hidden[1::2], strict=True):
        h = np.maximum(h @ V.T + c, 0)
    np.testing.assert_allclose(module(x).detach().numpy(), h @ W.T + b, atol=1e-5)


def test_fouriers_frequencies_cost_no_bytes() -> None:
    assert [name for name, _ in Fourier(2, 1).named_buffers()] == ["B"]
    few, many = (
        Fourier(2, 1, features=4, hidden_features=8),
        Fourier(2, 1, features=5, hidden_features=8),
    )
    assert (
        count(many) - count(few) == 2 * 8
    )  # a row of B costs the two columns of weights that read it, no more
    B = Fourier(2, 1, features=4000, sigma=3.0).B
    assert abs(float(B.std()) - 3.0) < 0.1 and abs(float(B.mean())) < 0.1

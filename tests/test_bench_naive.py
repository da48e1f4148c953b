"""The opponents of tests/bench/bench_speed.py do the engine's job: the same loss at the start, and
it falls.
"""

from __future__ import annotations

import pytest
import torch

from benchmark.fit.engine import Member, fit
from benchmark.fit.regularizers.dice import Dice
from benchmark.fit.render import build
from benchmark.images.grid import grid
from benchmark.networks.checkpoints import find_checkpoint
from benchmark.networks.network import load_network, save_checkpoint
from benchmark.networks.weights import load_weights, read_weights
from benchmark.plugins import index
from benchmark.plugins.choice import Choice
from benchmark.types import Recipe
from tests.bench import naive

LOOPS = {"naive": naive.naive, "expert": naive.expert}
SIREN = Choice.of("inr", "siren", hidden_features=16, hidden_layers=2)
LAMBDA = 0.1  # the penalty weighs as much as the fidelity


@pytest.fixture
def checkpoint(tmp_path):
    """An untrained U-Net with steep logits, so that the penalty notices which pixel is which."""
    torch.manual_seed(0)
    module = index.get("segmenter", "unet").load()(1, base=4).eval()
    with torch.no_grad():
        module.head.bias.zero_()
        logits = module(torch.zeros(1, 1, 32, 32), torch.tensor([[0.5, 0.3, 0.1, 0.9]]))
        module.head.weight *= 3 / logits.std()
        module.head.bias -= 3 * logits.median() / logits.std()
    path = tmp_path / "unet.safetensors"
    save_checkpoint(
        path,
        module,
        {"segmenter": "unet", "options": {"base": 4}, "channels": ["gray"], "dataset": "tiny"},
    )
    return find_checkpoint(f"unet@{path}", "tiny")


def losses_of(name, sample, checkpoint, inr=SIREN, steps=1, lam=LAMBDA):
    """The losses of an opponent from the weights of seed 3, and the network as it leaves it."""
    module = build(inr, 1, 3)
    if inr is SIREN:
        module = naive.Siren(module.layers, module.omega)
    network = index.get("segmenter", "unet").load()(1, **checkpoint.card["options"])
    load_weights(network, checkpoint, read_weights(checkpoint))
    coords = torch.from_numpy(
        grid(*sample.image.shape[:2], index.get("inr", inr.name).declared["coordinates"])
    )
    losses = []
    LOOPS[name](
        sample,
        coords,
        module,
        network,
        lam,
        steps=steps,
        on_step=lambda step, loss: losses.append(loss),
    )
    return losses, network


@pytest.mark.parametrize("name", LOOPS)
@pytest.mark.parametrize(
    "inr",
    [SIREN, Choice.of("inr", "fourier"), Choice.of("inr", "hashgrid-torch")],
    ids=lambda inr: inr.name,
)
def test_the_first_loss_is_the_engines(name, inr, tiny_samples, checkpoint):
    sample = tiny_samples[0]
    nothing = Recipe("adam", 0.0, 1, "constant", 0)
    penalty = Dice().make([sample], load_network(checkpoint))
    ours = fit(inr, [Member(sample, seed=3, lam=LAMBDA)], nothing, penalty=penalty, kernel="torch")
    assert ours.penalty[0] > 0.3
    (loss,), _ = losses_of(name, sample, checkpoint, inr)
    assert loss == pytest.approx(ours.fidelity[0] + LAMBDA * ours.penalty[0], rel=1e-5)


@pytest.mark.parametrize("name", LOOPS)
def test_the_loss_falls(name, tiny_samples, checkpoint):
    losses, _ = losses_of(name, tiny_samples[0], checkpoint, steps=60)
    assert losses[-1] < 0.8 * losses[0]


def test_only_the_naive_network_gets_gradients(tiny_samples, checkpoint):
    for name, expected in (("naive", True), ("expert", False)):
        _, network = losses_of(name, tiny_samples[0], checkpoint)
        assert {p.grad is not None for p in network.parameters()} == {expected}, name


def test_the_experts_rate_is_annealed(tiny_samples, checkpoint):
    """The last of 20 steps is made at 1/160 of the rate, so it changes the loss far less than
    others did.
    """
    losses, _ = losses_of("expert", tiny_samples[0], checkpoint, steps=20, lam=0.0)
    changes = [abs(b - a) for a, b in zip(losses, losses[1:], strict=False)]
    assert changes[-1] < 0.1 * max(changes)

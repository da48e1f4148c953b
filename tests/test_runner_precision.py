"""`--precision auto`: bfloat16 where the hardware has it and the gradient holds, else float32 with
a word.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import benchmark.runner.precision
from benchmark.plan.job import resolve
from benchmark.plan.selection import Selection
from benchmark.runner.precision import gradient_cosine, settle_precision
from benchmark.store.store import Store
from tests import tiny_networks


@pytest.fixture
def job(tiny_dataset):
    tiny_networks.write()
    return resolve(Selection(dataset="tiny", lam=(1e-3,), bits=10, sets=("hidden_features=4",)))


def settle(job, folder):
    said = []
    with Store(folder) as store:
        settle_precision(job, store, "cpu", said.append)
    return (
        {cell.precision for cell in job.cells if cell.lam > 0},
        {cell.precision for cell in job.cells if cell.lam == 0},
        said,
    )


@pytest.mark.parametrize(
    ("native", "cosine", "precision", "word"),
    [
        (True, 0.99, "bf16", None),
        (True, 0.97, "float32", "cosine of 0.970"),
        (False, 1.0, "float32", "does not multiply bfloat16"),
    ],
)
def test_the_rule(job, store_folder, monkeypatch, native, cosine, precision, word):
    monkeypatch.setattr(benchmark.runner.precision, "has_bf16", lambda device: native)
    monkeypatch.setattr(benchmark.runner.precision, "gradient_cosine", lambda *args: cosine)
    with_penalty, plain, said = settle(job, store_folder)
    assert (with_penalty, plain) == ({precision}, {"float32"})
    assert len(said) == (word is not None) and all(word in text for text in said)


def test_what_was_measured_is_measured_once(job, store_folder, monkeypatch):
    monkeypatch.setattr(benchmark.runner.precision, "has_bf16", lambda device: True)
    first = settle(job, store_folder)
    monkeypatch.setattr(
        benchmark.runner.precision, "gradient_cosine", lambda *args: pytest.fail("measured again")
    )
    job.cells = resolve(job.selection).cells
    assert settle(job, store_folder) == first


def test_the_cosine_is_near_one_and_sees_a_gradient_that_is_off(job, monkeypatch):
    cell = next(cell for cell in job.cells if cell.lam > 0)
    samples = list(job.samples.values())[:2]
    assert 0.9 < gradient_cosine(job.segmenters[0], samples, cell.regularizer, "cpu") < 1.0
    load = benchmark.runner.precision.load_network

    def other(checkpoint, *, device, precision):
        network = load(checkpoint, device=device, precision="float32")
        if precision == "bf16":
            first = next(network.module.parameters())
            first.data = -first.data
        return network

    monkeypatch.setattr(benchmark.runner.precision, "load_network", other)
    assert gradient_cosine(job.segmenters[0], samples, cell.regularizer, "cpu") < 0.9


def test_a_gradient_that_is_not_finite_or_absent_is_no_agreement(job, monkeypatch):
    cell, samples = next(cell for cell in job.cells if cell.lam > 0), list(job.samples.values())[:2]

    def slopes(float32, bf16):
        def load(checkpoint, *, device, precision):
            return {"float32": float32, "bf16": bf16}[precision]

        class Constant:
            def make(self, samples, network):
                return lambda images, which: (
                    torch.zeros(len(images)),
                    torch.full_like(images, network),
                )

        monkeypatch.setattr(benchmark.runner.precision, "load_network", load)
        monkeypatch.setattr(benchmark.runner.precision.index.Entry, "load", lambda entry: Constant)
        return gradient_cosine(
            job.segmenters[0], samples, replace(cell.regularizer, args=()), "cpu"
        )

    assert slopes(1.0, float("nan")) == -1.0
    assert slopes(0.0, 0.0) == 0.0
    assert slopes(1.0, 1.0) == pytest.approx(1.0)


def test_float32_is_taken_at_its_word(tiny_dataset, store_folder, monkeypatch):
    tiny_networks.write()
    monkeypatch.setattr(
        benchmark.runner.precision, "has_bf16", lambda device: pytest.fail("looked")
    )
    job = resolve(
        Selection(
            dataset="tiny", lam=(1e-3,), bits=10, sets=("hidden_features=4",), precision="float32"
        )
    )
    assert settle(job, store_folder)[0] == {"float32"}

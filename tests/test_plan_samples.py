"""Which images a selection takes first, and what each of them must be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmark.errors import InputError
from benchmark.networks.checkpoints import Checkpoint
from benchmark.plan.samples import (
    check_sample,
    load_samples,
    reads_badly,
    spread,
    trained_on,
)
from benchmark.plan.selection import Selection
from benchmark.plugins.index import get


def test_the_first_images_are_of_as_many_patients_as_can_be():
    ids = ["a-1", "a-2", "a-3", "b-1", "c-1", "c-2"]
    assert spread(ids) == ["a-2", "b-1", "c-2", "a-1", "c-1", "a-3"]


def test_classes_take_turns():
    ids = [
        "Testing-glioma-a-000",
        "Testing-glioma-b-000",
        "Testing-none-c-000",
        "Testing-none-d-000",
        "Testing-pituitary-e-000",
    ]
    taken = spread(ids, get("dataset", "brain-tumor-mri").load()().label)
    assert [i[8] + i[-5] for i in taken] == ["ga", "nc", "pe", "gb", "nd"]


@pytest.mark.parametrize(
    "wrong, found",
    [
        (lambda s: s.image.__setitem__((0, 0), np.nan), "NaN"),
        (lambda s: s.image.fill(0.0), "zero everywhere"),
        (lambda s: s.image.__setitem__((0, 0), 1.5), r"\[0, 1\]"),
        (lambda s: object.__setattr__(s, "mask", s.mask[:-1]), "mask has the shape"),
    ],
)
def test_samples_that_cannot_be_used_are_named(tiny_samples, wrong, found):
    sample = tiny_samples[0]
    wrong(sample)
    with pytest.raises(InputError, match=found) as error:
        check_sample(sample)
    assert sample.id in str(error.value)


@pytest.mark.parametrize(
    ("card", "notes"),
    [
        ({"test_dice": 0.08}, 1),
        ({"test_dice": 0.0}, 1),
        ({"test_dice": 0.2}, 0),
        ({"test_dice": None}, 0),
        ({"test_accuracy": 0.1}, 0),
    ],
)
def test_a_network_that_reads_badly_is_named(card, notes):
    network = Checkpoint("unet", Path("unet.safetensors"), "0" * 16, {"dataset": "tiny", **card})
    ensemble = Checkpoint("unet+dilated", network.path, "1" * 16, {"dataset": "tiny"}, (network,))
    for found in (trained_on([], [network]), trained_on([], [ensemble]), reads_badly(network)):
        assert len(found) == notes
    if notes:
        said = f"unet reads originals at Dice {card['test_dice']:.2f} (its card)"
        assert trained_on([], [network])[0].startswith(said)


def test_an_unknown_image_is_answered_in_one_short_line(tiny_dataset) -> None:
    selection = Selection(dataset="tiny", image=("p9-00",))
    dataset = get("dataset", "tiny").load()()
    many = [f"p{i}-0" for i in range(180)]
    dataset.ids = lambda split: many
    with pytest.raises(InputError) as caught:
        load_samples(dataset, selection)
    assert caught.value.todo == (
        "did you mean 'p9-0'? all 180 of them: python -m benchmark data show tiny --split test"
        " --limit 180"
    )

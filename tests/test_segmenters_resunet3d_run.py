"""A network that reads volumes whole in a run: in the loss, as a reader, in an ensemble."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmark.cli import main
from benchmark.errors import InputError
from benchmark.networks.checkpoints import default_path, find_checkpoint
from benchmark.networks.network import load_network, save_checkpoint
from benchmark.plan.job import resolve
from benchmark.plan.selection import Selection
from benchmark.plugins.choice import Choice
from benchmark.runner.precision import gradient_cosine
from benchmark.score.metrics import dice
from benchmark.store.store import Store
from tests import tiny_networks
from tests.volume_networks import (
    FAST,
    make,
    write,
)


@pytest.fixture
def stored(tiny_dataset) -> None:
    tiny_networks.write()
    write(default_path("resunet3d", "tiny"))


def test_in_the_loss_and_beside_networks_of_images(stored, store_folder, capsys):
    words = [
        "run",
        "--out",
        str(store_folder),
        "--dims",
        "3",
        "--segmenter",
        "resunet3d",
        "--lambda",
        "1e-2",
        *FAST,
    ]
    assert main(words) == 0
    capsys.readouterr()
    with Store(store_folder) as store:
        rows, scores = store.rows(), {(s.key, s.metric, s.reader): s.value for s in store.scores()}
        whole = load_network(find_checkpoint("resunet3d", "tiny")).planes(4)
        (sinco,) = [row for row in rows if row.facts["lambda"]]
        assert (
            sinco.status == "ok"
            and sinco.facts["segmenter"] == "resunet3d"
            and sinco.facts["penalty_share"] > 0
        )
        from benchmark.bitstream import decode

        sample = store.sample(sinco.sample_hash)
        found = whole.segment(decode(sinco.data).image[None], [sample.volume])[0] >= 0.5
        assert scores[sinco.key, "dice", "resunet3d"] == dice(found, sample.mask)
        assert {reader for _, metric, reader in scores if metric == "dice"} == {
            "resunet3d",
            "unet",
            "dilated",
        }
    assert (store_folder / "worst_images.png").is_file()


def test_beside_networks_of_images_as_a_reader(stored, store_folder):
    words = [
        "run",
        "--out",
        str(store_folder),
        "--dims",
        "3",
        "--reader",
        "resunet3d",
        "--lambda",
        "0",
        *FAST,
    ]
    assert main(words) == 0
    with Store(store_folder) as store:
        assert {"unet", "resunet3d"} == {
            score.reader for score in store.scores() if score.metric == "dice"
        }


def test_on_slices_it_is_refused_and_no_reader(stored):
    with pytest.raises(InputError, match="it reads volumes whole") as error:
        resolve(Selection(dataset="tiny", segmenter=("resunet3d",)))
    assert "dims=3" in error.value.todo
    with pytest.raises(InputError, match="it reads volumes whole"):
        resolve(Selection(dataset="tiny", reader=("resunet3d",)))
    job = resolve(Selection(dataset="tiny"))
    assert [reader.name for reader in job.readers] == ["unet", "dilated"]
    assert any("resunet3d is left out: it reads volumes whole" in note for note in job.notes)
    assert "resunet3d" in [
        reader.name for reader in resolve(Selection(dataset="tiny", dims=3)).readers
    ]


def test_its_gradient_in_both_precisions_is_compared_on_volumes(stored, tiny_dataset):
    regularizer = Choice.of("regularizer", "dice")
    cosine = gradient_cosine(
        find_checkpoint("resunet3d", "tiny"), [tiny_dataset.load_volume("p6")], regularizer, "cpu"
    )
    assert 0.9 < cosine < 1


def test_ensembles_are_of_one_kind(stored, tiny_dataset, tmp_path):
    other = make()
    with torch.no_grad():
        other.head.bias += 0.5
    card = find_checkpoint("resunet3d", "tiny").card
    save_checkpoint(tmp_path / "other.safetensors", other, card)
    both = load_network(
        find_checkpoint(f"resunet3d+resunet3d@{tmp_path / 'other.safetensors'}", "tiny")
    )
    volume = tiny_dataset.load_volume("p6")
    seen = [
        load_network(find_checkpoint(spec, "tiny"))
        .planes(4)
        .segment(volume.image[None], [volume.volume])
        for spec in ("resunet3d", f"resunet3d@{tmp_path / 'other.safetensors'}")
    ]
    np.testing.assert_allclose(
        both.planes(4).segment(volume.image[None], [volume.volume]), sum(seen) / 2, atol=1e-4
    )
    with pytest.raises(
        InputError, match="do not mark alike: lesion by images and lesion by volumes"
    ):
        find_checkpoint("unet+resunet3d", "tiny")


def test_a_network_that_marks_brains_is_scored_by_the_brain(stored, tiny_dataset):
    write(default_path("resunet3d", "tiny"), target="brain")
    job = resolve(Selection(dataset="tiny", dims=3, segmenter=("resunet3d",)))
    assert [reader.name for reader in job.readers] == ["resunet3d"]
    assert sum("left out: it marks lesions" in note for note in job.notes) == len(
        tiny_networks.OPTIONS
    )
    for hash_, sample in job.samples.items():
        assert (
            sample.hash == hash_ and np.array_equal(sample.mask, sample.brain) and sample.mask.any()
        )
    assert {cell.sample_hash for cell in job.cells} == set(job.samples)
    with pytest.raises(
        InputError, match=r"by one Dice\n.*resunet3d marks brains and unet marks lesions"
    ):
        resolve(Selection(dataset="tiny", dims=3, segmenter=("resunet3d",), reader=("unet",)))
    job = resolve(Selection(dataset="tiny", dims=3))
    assert any("left out: it marks brains" in note for note in job.notes) and not any(
        np.array_equal(sample.mask, sample.brain) for sample in job.samples.values()
    )

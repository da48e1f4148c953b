"""Networks that read a volume whole: resunet3d, and what stands around it in a run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from benchmark.checks import Subject, claims, run_checks
from benchmark.cli import main
from benchmark.errors import InputError
from benchmark.fit.memory import bytes_of_an_image
from benchmark.networks.checkpoints import default_path, find_checkpoint
from benchmark.networks.network import Network, VolumeNetwork, load_network, save_checkpoint
from benchmark.plan.job import resolve
from benchmark.plan.selection import Selection
from benchmark.plugins import index
from benchmark.plugins.choice import Choice
from benchmark.runner.precision import gradient_cosine
from benchmark.score.metrics import dice
from benchmark.store.store import Store
from benchmark.types import VolumeStatistics
from tests import tiny_networks
from tests.conftest import TINY

ROWS = torch.tensor([[0.3, 0.2, 0.1, 0.9], [0.4, 0.1, 0.2, 0.8]])
FAST = [
    "--dataset",
    "tiny",
    "--plugin",
    str(TINY),
    "--steps",
    "12",
    "--lr",
    "1e-2",
    "--set",
    "hidden_features=12",
    "--bits",
    "10",
    "--device",
    "cpu",
    "--limit",
    "1",
]


def make(channels: int = 1, **options: int) -> nn.Module:
    torch.manual_seed(0)
    return (
        index.get("segmenter", "resunet3d")
        .load()(channels, **{"base": 4, "levels": 3, **options})
        .eval()
    )


def write(path: Path, **card: object) -> Path:
    """A checkpoint of an untrained network for `tiny`, half of whose voxels count as marked."""
    module = make()
    with torch.no_grad():
        module.head.bias -= module(torch.rand(1, 1, 4, 32, 32), ROWS[:1]).median()
    save_checkpoint(
        path,
        module,
        {
            "segmenter": "resunet3d",
            "options": {"base": 4, "levels": 3},
            "channels": ["gray"],
            "dataset": "tiny",
            **card,
        },
    )
    return path


@pytest.fixture
def network(tmp_path) -> Network:
    return load_network(find_checkpoint(f"resunet3d@{write(tmp_path / 'w.safetensors')}", "tiny"))


# --- the network


@pytest.mark.parametrize(
    ("base", "levels", "channels"), [(16, 4, 1), (16, 4, 3), (8, 5, 1), (4, 2, 1)]
)
def test_parameters_are_those_of_its_convolutions_and_norms(base, levels, channels):
    widths = [base * 2**level for level in range(levels)]
    taps = [9] + [27] * (levels - 1)
    residual = [2 * (k * w * w + 2 * w) for k, w in zip(taps, widths, strict=True)]
    changes = sum(
        (4 if level == 0 else 8) * 2 * 2 * w * w + 2 * 2 * w + 2 * w
        for level, w in enumerate(widths[:-1])
    )
    expected = (
        9 * channels * base + 2 * base + sum(residual) + sum(residual[:-1]) + changes + base + 1
    )
    count = sum(p.numel() for p in make(channels, base=base, levels=levels).parameters())
    assert count == expected
    if (base, levels, channels) == (16, 4, 1):
        assert count == 1_617_121  # by its defaults: what README says


@pytest.mark.parametrize("sides", [(2, 8, 8), (5, 16, 12), (21, 17, 33)])
def test_any_depth_height_and_width(sides):
    logits = make(2)(torch.rand(2, 2, *sides), ROWS)
    assert logits.shape == (2, 1, *sides) and logits.dtype == torch.float32


def test_what_is_added_at_the_end_of_a_volume_changes_nothing_where_it_fits():
    module, volume = make(), torch.rand(1, 1, 4, 8, 8)
    taller = torch.cat(
        [volume, *[volume[:, :, -1:]] * 2], 2
    )  # continued by hand as the network continues 5 planes to 6
    with torch.no_grad():
        assert torch.allclose(
            module(taller[:, :, :5], ROWS[:1]), module(taller, ROWS[:1])[:, :, :5], atol=1e-5
        )


def test_normalises_by_the_volume():
    module, volume = make(), torch.rand(2, 1, 4, 16, 16)
    with torch.no_grad():
        assert torch.allclose(module(volume, ROWS), module(2 * volume, 2 * ROWS), atol=1e-5)
        assert not torch.allclose(module(volume, ROWS), module(2 * volume, ROWS), atol=1e-2)


@pytest.mark.parametrize("options", [{"base": 6}, {"base": 0}, {"levels": 1}])
def test_options_that_cannot_be_are_named(options):
    with pytest.raises(InputError, match="base is a multiple of 4"):
        make(**options)


# --- the claims, in three dimensions


class Right(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.norm, self.last = (
            nn.Conv3d(channels, 4, 3, padding=1),
            nn.BatchNorm3d(4),
            nn.Conv3d(4, 1, 1),
        )

    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        mean, std = (volume[:, n, None, None, None, None] for n in (0, 1))
        return self.last(torch.tanh(self.norm(self.first((image - mean) / std))))


class CutsPlanes(Right):
    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        return super().forward(image, volume)[:, :, 1:]


class BlindToTheLastChannel(Right):
    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        return super().forward(
            image * (torch.arange(image.shape[1]) != 2).view(1, -1, 1, 1, 1), volume
        )


class LooksAside(Right):
    def forward(self, image: torch.Tensor, volume: torch.Tensor) -> torch.Tensor:
        return super().forward(image, volume) + image.mean()


@pytest.mark.parametrize(
    ("network", "failed"),
    [
        (Right, []),
        (CutsPlanes, ["logits have the images size"]),
        (BlindToTheLastChannel, ["gradient reaches the image"]),
        (LooksAside, ["batch rows are independent"]),
    ],
)
def test_claims_hold_of_volumes_and_bite(network, failed):
    results = list(
        run_checks("segmenter", Subject.of(network, kind="segmenter", multiple=4, dims=3))
    )
    assert [result.claim for result in results if result.status != "ok"] == failed and len(
        results
    ) == len(claims("segmenter"))


def test_the_command_runs_all_claims(capsys):
    assert main(["check", "segmenter", "resunet3d", "--set", "base=4"]) == 0
    assert (
        f"{len(claims('segmenter'))} of {len(claims('segmenter'))} checks ran, 0 failed, 0 skipped"
        in capsys.readouterr().out
    )


# --- frozen, as a run uses it


def test_planes_below_each_other_are_read_as_one_volume(network):
    assert isinstance(network, VolumeNetwork) and network.dims == 3
    module, images = make().half().float(), torch.rand(2, 3 * 16, 20, 1)
    module.load_state_dict(network.module.state_dict())
    with torch.no_grad():
        expected = module(images.reshape(2, 3, 16, 20, 1).permute(0, 4, 1, 2, 3), ROWS)[
            :, 0
        ].reshape(2, 48, 20)
    whole = network.planes(3)
    assert torch.allclose(whole.logits(images, ROWS), expected, atol=1e-4)
    volumes = [VolumeStatistics(*row) for row in ROWS.tolist()]
    np.testing.assert_allclose(
        whole.segment(images.numpy(), volumes), torch.sigmoid(expected).numpy(), atol=1e-4
    )
    flat = index.get("segmenter", "unet").load()(1, base=2)
    assert not torch.allclose(
        whole.logits(images, ROWS), network.planes(6).logits(images, ROWS), atol=1e-3
    ), "planes do not see each other"
    assert next(flat.parameters()).dim() == 4


def test_volumes_get_a_gradient_also_when_read_again_on_the_way_back(network, monkeypatch):
    whole, images = network.planes(2), torch.rand(2, 2 * 16, 16, 1, requires_grad=True)
    (gradient,) = torch.autograd.grad(whole.logits(images, ROWS).square().sum(), images)
    monkeypatch.setattr("benchmark.networks.network._PIXELS_AT_ONCE", 600)
    (again,) = torch.autograd.grad(whole.logits(images, ROWS).square().sum(), images)
    assert bool((gradient != 0).any()) and torch.allclose(
        gradient, again, atol=1e-4 * float(gradient.abs().max())
    )
    assert all(p.grad is None and not p.requires_grad for p in network.module.parameters())


def test_an_image_is_refused(network):
    for read in (
        lambda: network.logits(torch.rand(1, 32, 32, 1), ROWS[:1]),
        lambda: network.segment(
            np.zeros((1, 32, 32, 1), np.float32), [VolumeStatistics(0.5, 0.2, 0.1, 0.9)]
        ),
    ):
        with pytest.raises(InputError, match="reads volumes whole") as error:
            read()
        assert "--dims 3" in error.value.todo


def test_sizes_of_a_volume_network_are_checked_in_all_directions(network):
    strict = replace_multiple(network, 4)
    strict.planes(4).logits(torch.rand(1, 4 * 8, 8, 1), ROWS[:1])
    with pytest.raises(InputError, match=r"3 x 8 x 8 pixels"):
        strict.planes(3).logits(torch.rand(1, 3 * 8, 8, 1), ROWS[:1])


def replace_multiple(network: Network, multiple: int) -> Network:
    view = network.planes(1)
    view.multiple = multiple
    return view


def test_memory_of_a_fit_counts_the_network(network):
    inr = Choice.of("inr", "siren", hidden_features=6, hidden_layers=1)
    plain, with_network = (
        bytes_of_an_image((8 * 32, 32, 1), inr, "cpu", one, 8) for one in (None, network)
    )
    kept = (
        with_network - plain
    )  # of 8 volumes' planes; each voxel's features are kept in float32 at least once
    assert kept > 8 * 32 * 32 * 4 * 4
    assert bytes_of_an_image((16 * 32, 32, 1), inr, "cpu", network, 16) == pytest.approx(
        2 * with_network, rel=1e-6
    )


# --- in a run


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
    assert "--dims 3" in error.value.todo
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


# --- brains


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

"""Networks that read a volume whole: resunet3d, and what stands around it in a run."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmark.checks import Subject, claims, run_checks
from benchmark.cli import main
from benchmark.errors import InputError
from benchmark.fit.memory import bytes_of_an_image
from benchmark.networks.checkpoints import find_checkpoint
from benchmark.networks.network import Network, VolumeNetwork, load_network
from benchmark.plugins import index
from benchmark.plugins.choice import Choice
from benchmark.types import VolumeStatistics
from tests.volume_networks import (
    ROWS,
    BlindToTheLastChannel,
    CutsPlanes,
    LooksAside,
    Right,
    make,
    replace_multiple,
    write,
)


@pytest.fixture
def network(tmp_path) -> Network:
    return load_network(find_checkpoint(f"resunet3d@{write(tmp_path / 'w.safetensors')}", "tiny"))


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
    assert [result.name for result in results if result.status != "passed"] == failed and len(
        results
    ) == len(claims("segmenter"))


def test_the_command_runs_all_claims(capsys):
    assert main(["check", "segmenter", "resunet3d", "--set", "base=4"]) == 0
    assert (
        f"{len(claims('segmenter'))} of {len(claims('segmenter'))} claims ran, 0 failed, 0 skipped"
        in capsys.readouterr().out
    )


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
        assert "dims=3" in error.value.todo


def test_sizes_of_a_volume_network_are_checked_in_all_directions(network):
    strict = replace_multiple(network, 4)
    strict.planes(4).logits(torch.rand(1, 4 * 8, 8, 1), ROWS[:1])
    with pytest.raises(InputError, match=r"3 x 8 x 8 pixels"):
        strict.planes(3).logits(torch.rand(1, 3 * 8, 8, 1), ROWS[:1])


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

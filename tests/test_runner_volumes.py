"""--dims 3: a volume is its planes one below the other, fitted as one by a backbone with three
inputs and read plane by plane.
"""

from __future__ import annotations

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch

import benchmark.runner.run
import benchmark.runner.scorer
from benchmark.bitstream import decode, read_header
from benchmark.cli import main
from benchmark.errors import InputError
from benchmark.fit.engine import Member, fit
from benchmark.fit.memory import images_at_once
from benchmark.fit.regularizers.dice import Dice
from benchmark.networks.checkpoints import find_checkpoint
from benchmark.networks.network import Network, load_network
from benchmark.plan.job import resolve
from benchmark.plan.selection import Selection
from benchmark.plugins import Dataset, index
from benchmark.report.pictures import shown_plane
from benchmark.score.metrics import (
    dice,
    image_scores,
    plane_reader_scores,
    plane_scores,
    reader_scores,
)
from benchmark.store.store import Store
from benchmark.types import Recipe, Sample, planes
from tests import tiny_networks
from tests.volume_fits import FAST, SIREN, network


@pytest.fixture
def volume(tiny_dataset) -> Sample:
    """[4 * 32, 32, 1]: a lesion on the first two planes, the last one empty."""
    return tiny_dataset.load_volume("p6")


@pytest.fixture
def networks(tiny_dataset) -> None:
    tiny_networks.write()


def test_planes_are_read_one_by_one(volume):
    net, k = network(), 3
    images = torch.from_numpy(
        np.stack([volume.image * shade for shade in (1.0, 0.7, 0.4)])
    ).requires_grad_()
    rows = torch.tensor([volume.volume.as_row(), (0.4, 0.2, 0.1, 0.8), (0.3, 0.3, 0.0, 0.9)])
    logits = net.planes(4).logits(images, rows)
    assert logits.shape == (k, 4 * 32, 32) and net.depth == 1
    for i in range(k):
        for z in range(4):
            alone = net.logits(images[i, 32 * z : 32 * (z + 1)][None], rows[i][None])[0]
            torch.testing.assert_close(
                logits[i, 32 * z : 32 * (z + 1)], alone, rtol=1e-4, atol=1e-5
            )
    (gradient,) = torch.autograd.grad(logits[1, 32:64].sum(), images)
    touched = gradient.abs().sum((2, 3)) > 0
    assert (
        touched[1, 32:64].any()
        and not touched[0].any()
        and not touched[1, :32].any()
        and not touched[1, 64:].any()
    )


def test_a_large_volume_is_read_in_batches_of_planes_that_are_read_again_on_the_way_back(
    volume, monkeypatch
):
    net, read, seen = network().planes(4), Network._read, []
    make = Dice().make([volume], net)
    image = torch.from_numpy(volume.image)[None]
    value, gradient = make(image, torch.tensor([0]))
    monkeypatch.setattr(
        Network,
        "_read",
        lambda self, images, rows: seen.append(len(images)) or read(self, images, rows),
    )
    monkeypatch.setattr(benchmark.networks.network, "_PIXELS_AT_ONCE", 3 * 32 * 32)
    again = make(image, torch.tensor([0]))
    assert sorted(seen) == [1, 1, 3, 3]
    torch.testing.assert_close(again[0], value, rtol=1e-5, atol=1e-6)
    assert gradient.abs().max() > 0
    assert float((again[1] - gradient).norm() / gradient.norm()) < 1e-3


def test_reading_for_scores_is_in_batches_of_planes(volume, monkeypatch):
    net, seen = network(), []
    whole = net.planes(4).segment(volume.image[None], [volume.volume])
    read = Network._read
    monkeypatch.setattr(
        Network,
        "_read",
        lambda self, images, rows: seen.append(len(images)) or read(self, images, rows),
    )
    monkeypatch.setattr(benchmark.networks.network, "_IMAGES_AT_ONCE", 3)
    twice = net.planes(4).segment(np.stack([volume.image] * 2), [volume.volume] * 2)
    assert seen == [3, 3, 2] and twice.shape == (2, 128, 32)
    np.testing.assert_allclose(twice[1], whole[0], atol=1e-5)


def test_the_size_that_a_reader_takes_is_that_of_a_plane(volume):
    tall = torch.from_numpy(np.ascontiguousarray(volume.image[: 4 * 24]))[
        None
    ]  # 96 rows are a multiple of 16, 24 are not
    rows = torch.tensor([volume.volume.as_row()])
    network().logits(tall, rows)
    with pytest.raises(InputError, match="24 x 32"):
        network().planes(4).logits(tall, rows)


def test_the_penalty_is_one_dice_over_the_whole_volume(volume):
    net = network().planes(4)
    image = torch.from_numpy(volume.image)[None]
    value, gradient = Dice().make([volume], net)(image, torch.tensor([0]))
    p = torch.sigmoid(net.logits(image, torch.tensor([volume.volume.as_row()])))[0].double()
    m = torch.from_numpy(volume.mask).double()
    assert float(value) == pytest.approx(
        1 - float((2 * (p * m).sum() + 1e-6) / (p.sum() + m.sum() + 1e-6)), abs=1e-6
    )
    assert (
        gradient.shape == image.shape
        and (gradient.flatten(2).unflatten(1, (4, 32)).abs().sum((0, 2, 3)) > 0).all()
    )


@pytest.mark.parametrize("kernel", ["torch", "fused"])
def test_a_fit_of_a_volume_is_a_backbone_of_three_inputs(volume, kernel):
    recipe = Recipe("adam", 1e-2, 40, "cosine", 4)
    fitted = fit(SIREN, [Member(volume, seed) for seed in (0, 1)], recipe, kernel=kernel)
    assert fitted.states[0]["layers.0.weight"].shape == (6, 3) and fitted.kernel == kernel
    assert (fitted.fidelity < 0.8 * volume.image.var()).all()
    flat = fit(SIREN, [Member(replace(volume, depth=1))], recipe, kernel=kernel)
    assert flat.states[0]["layers.0.weight"].shape == (6, 2)


def test_voxels_count_as_pixels():
    assert (
        images_at_once((32 * 64, 64, 1), SIREN, "cpu", None, 32) == 1
        and images_at_once((16 * 64, 64, 1), SIREN, "cpu", None, 16) == 2
    )


def test_psnr_is_of_the_volume_and_ssim_of_its_planes(volume):
    noisy = np.clip(
        volume.image + 0.05 * np.random.default_rng(0).standard_normal(volume.image.shape), 0, 1
    ).astype(np.float32)
    whole, flat = (
        image_scores(volume.image, noisy, volume.brain, 4),
        image_scores(volume.image, noisy, volume.brain),
    )
    each = [
        image_scores(volume.plane(z).image, planes(noisy, 4)[z], volume.plane(z).brain)
        for z in range(4)
    ]
    assert whole["psnr_db"] == flat["psnr_db"] and whole["psnr_brain_db"] == flat["psnr_brain_db"]
    assert (
        whole["ssim"] == pytest.approx(np.mean([one["ssim"] for one in each]))
        and whole["ssim"] != flat["ssim"]
    )
    assert (
        whole["ssim_brain"] == pytest.approx(np.mean([one["ssim_brain"] for one in each]))
        and whole["ssim_brain"] != flat["ssim_brain"]
    )
    by_plane = plane_scores(volume.image, noisy, 4)
    assert list(by_plane) == ["psnr_db@000", "psnr_db@001", "psnr_db@002", "psnr_db@003"]
    np.testing.assert_allclose(list(by_plane.values()), [one["psnr_db"] for one in each], rtol=1e-6)
    assert (
        plane_scores(volume.image, volume.image, 4)["psnr_db@003"] == np.inf
        and plane_scores(volume.image, noisy, 1) == {}
    )


def test_readers_are_scored_on_the_volume_and_on_each_plane(volume):
    found = np.roll(volume.mask, 2, axis=1)
    found[100, 3:8] = True  # on the last plane, which has no lesion
    assert reader_scores(found, volume.mask, volume) == {
        "dice": dice(found, volume.mask),
        "dice_original": 1.0,
    }
    by_plane = plane_reader_scores(found, volume.mask, volume)
    assert (
        by_plane["dice@001"] == dice(found[32:64], volume.mask[32:64]) < 1
        and by_plane["dice_original@000"] == 1.0
    )
    assert (
        by_plane["fp_area_px@003"] == 5
        and by_plane["fp_area_px@002"] == 0
        and "dice@003" not in by_plane
    )
    assert plane_reader_scores(found, found, replace(volume, depth=1)) == {}


def test_a_picture_shows_the_plane_with_most_of_the_lesion(volume):
    mask = volume.mask.copy()
    mask[:20] = False
    assert (
        shown_plane(replace(volume, mask=mask)) == 1
        and shown_plane(replace(volume, mask=np.zeros_like(mask))) == 2
    )


def test_the_whole_arrow(networks, store_folder, tmp_path, monkeypatch, capsys):
    assert main(["run", "--out", str(store_folder), "--lambda", "1e-2", *FAST]) == 0
    assert "siren" in capsys.readouterr().out
    with Store(store_folder) as store:
        rows, scores = store.rows(), {(s.key, s.metric, s.reader): s.value for s in store.scores()}
        assert {row.status for row in rows} == {"ok"} and len(rows) == 2 * (3 + 2)
        reader = load_network(find_checkpoint("unet", "tiny")).planes(4)
        for row in rows:
            sample = store.sample(row.sample_hash)
            assert row.facts["depth"] == 4 and row.facts["bpp"] == 8 * len(row.data) / (4 * 32 * 32)
            if row.facts["codec"]:
                continue
            assert read_header(row.data).depth == 4
            image = decode(row.data).image
            assert (
                scores[row.key, "ssim", ""]
                == image_scores(sample.image, image, sample.brain, 4)["ssim"]
            )
            found = reader.segment(image[None], [sample.volume])[0] >= 0.5
            for z in range(4):
                one = sample.plane(z)
                metric = "dice" if one.has_lesion else "fp_area_px"
                due = (
                    dice(planes(found, 4)[z], one.mask)
                    if one.has_lesion
                    else planes(found, 4)[z].sum()
                )
                assert scores[row.key, f"{metric}@{z:03d}", "unet"] == due
    check_table_of_slices(store_folder, rows, scores)
    with (store_folder / "rows.csv").open() as file:
        assert "@" not in next(csv.reader(file)).__str__()
    monkeypatch.setattr(
        benchmark.runner.run, "fit", lambda *a, **k: pytest.fail("a stored cell was fitted again")
    )
    monkeypatch.setattr(
        benchmark.runner.scorer.Scorer,
        "score",
        lambda *a: pytest.fail("a stored file was scored again"),
    )
    assert main(["run", "--out", str(store_folder), "--lambda", "1e-2", *FAST]) == 0
    capsys.readouterr()


def check_table_of_slices(store_folder, rows, scores):
    """per_slice.csv has each plane of each pair, with the scores that the store has."""
    with (store_folder / "per_slice.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 2 * 2 * 4  # volumes x (null twin, SINCO) x planes
    sinco = next(
        line
        for line in lines
        if float(line["lambda"]) > 0 and line["plane"] == "1" and line["dice_unet_fit"]
    )
    twin = next(
        row.key
        for row in rows
        if row.sample_hash
        and row.facts["sample_id"] == sinco["sample_id"]
        and row.facts["codec"] is None
        and row.facts["twin"] is None
    )
    for name, key in (("psnr_db_fit", sinco["key"]), ("psnr_db_twin", twin)):
        assert float(sinco[name]) == pytest.approx(scores[key, "psnr_db@001", ""], rel=1e-5)
    assert float(sinco["dice_unet_twin"]) == pytest.approx(
        scores[twin, "dice@001", "unet"], rel=1e-5
    )


def test_the_rate_is_that_of_voxels_and_pilots_are_volumes(networks, store_folder, monkeypatch):
    words = [word for word in FAST if word not in ("--bits", "10")]
    words[words.index("hidden_features=12")] = "siren.hidden_layers=1"
    pilots = []
    monkeypatch.setattr(
        benchmark.runner.rate,
        "_pilot_psnr",
        lambda sized, cell, samples, *rest: pilots.append(samples) or float(sized.bits),
    )
    assert main(["run", "--out", str(store_folder), "--bpp", "0.3", "--lambda", "0", *words]) == 0
    assert pilots and all(
        sample.depth == 4 and sample.patient in ("p1", "p2", "p3")
        for found in pilots
        for sample in found
    )
    with Store(store_folder) as store:
        fits = [row for row in store.rows() if row.facts["codec"] is None]
    assert len(fits) == 4 and all(
        0.2 < row.facts["bpp"] <= 0.3 for row in fits
    )  # by pixels of a plane it were 0.075


@pytest.mark.parametrize(
    "change, found",
    [
        ({"dims": 4}, "dims=4"),
        ({"init": "learned"}, "init='learned'"),
        ({"image": ("p6-0",)}, "image='p6-0'"),
        ({"sets": ("tiny.size=24",)}, "24 x 24"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_computed(networks, change, found):
    with pytest.raises(InputError) as error:
        resolve(replace(Selection(dataset="tiny", steps=4, dims=3), **change))
    assert found in str(error.value) and error.value.exit_code == 2


def test_what_a_large_volume_costs_is_said(networks, tiny_dataset, monkeypatch):
    assert not any(
        "each step" in note for note in resolve(Selection(dataset="tiny", steps=4, dims=3)).notes
    )
    monkeypatch.setattr(benchmark.plan.job, "LARGE", 1_000)
    (note,) = [
        note
        for note in resolve(Selection(dataset="tiny", steps=4, dims=3)).notes
        if "each step" in note
    ]
    assert "4 x 32 x 32 voxels" in note


def test_a_data_set_without_volumes_says_so(tmp_path):
    class Slices(Dataset):
        pass

    with pytest.raises(InputError, match="it has no volumes"):
        Slices().volumes("test")
    with pytest.raises(InputError, match="it has no volumes"):
        Slices().load_volume("p1")


def test_a_volume_that_is_none_is_named(networks, tiny_dataset, monkeypatch):
    load = type(tiny_dataset).load_volume
    for depth in (1, 3):
        monkeypatch.setattr(
            type(tiny_dataset),
            "load_volume",
            lambda self, name, depth=depth: replace(load(self, name), depth=depth),
        )
        with pytest.raises(InputError, match=f"128 rows are {depth} planes"):
            resolve(Selection(dataset="tiny", steps=4, dims=3, image=("p6",)))


def test_volumes_of_mni_lesion_lie_about_the_lesion():
    dataset = index.get("dataset", "mni-lesion").load()
    ids = dataset().volumes("test")
    assert ids[:2] == ["p0441", "p0442"] and len(ids) == 60
    volume = dataset(size=32, planes=12).load_volume("p0441")
    assert volume.image.shape == (12 * 32, 32, 1) and volume.depth == 12
    areas = planes(volume.mask, 12).sum((1, 2))
    assert areas[5] > 0 and areas[0] == areas[-1] == 0
    step = np.abs(np.diff(planes(volume.image, 12), axis=0)).mean((1, 2, 3))
    assert 0 < step.max() < 0.12, "neighbors differ like strangers"
    with pytest.raises(InputError, match="the head is 160 mm high"):
        dataset(size=32).load_volume("p0441")
    with pytest.raises(InputError, match="no such volume"):
        dataset().load_volume("p0441-s1")


def test_a_backbone_that_takes_no_third_input_says_so_before_the_first_fit(
    networks, store_folder, tmp_path, capsys
):
    plugin = tmp_path / "flat.py"
    plugin.write_text(
        "from torch import nn\nfrom benchmark.plugins import InputError,"
        " register\n@register.inr('flat')\nclass Flat(nn.Module):\n    '''Images only.'''\n    def"
        " __init__(self, in_dim, out_dim):\n        super().__init__()\n        if in_dim != 2:\n  "
        "          raise InputError('flat on a volume', 'it takes two coordinates', '--dims 2')\n  "
        "      self.last = nn.Linear(2, out_dim)\n    def forward(self, coords):\n        return"
        " self.last(coords)\n"
    )
    words = [*FAST, "--inr", "flat", "--plugin", str(plugin)]
    del words[words.index("hidden_features=12") - 1 : words.index("hidden_features=12") + 1]
    assert main(["run", "--out", str(store_folder), *words]) == 2
    assert "it takes two coordinates" in capsys.readouterr().err
    words = ["check", "inr", "flat", "--plugin", str(plugin)]
    assert main(words) == 1, "a claim that was skipped"
    assert main([*words, "--allow-skips"]) == 0
    assert "it takes no three inputs" in capsys.readouterr().out

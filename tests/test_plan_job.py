"""Selections: what is wrong is said before anything is computed; options reach the plug-in that has
them.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmark.cli.words import as_options
from benchmark.errors import InputError
from benchmark.networks.checkpoints import split_ensemble
from benchmark.plan.job import default_preset, resolve
from benchmark.plan.selection import Selection
from benchmark.plugins.index import get
from benchmark.plugins.sets import options_by_plugin
from tests import tiny_networks

TINY = Selection(dataset="tiny", steps=4, lam=(1e-3,))


@pytest.fixture
def networks(tiny_dataset) -> None:
    tiny_networks.write()


@pytest.mark.parametrize(
    "change, found",
    [
        ({"lam": (-1.0,)}, "lam=1e-05"),
        ({"lam": (float("nan"),)}, "lam=nan"),
        ({"bits": 5}, "6 to 16"),
        ({"bits": 17}, "6 to 16"),
        ({"bpp": 0.0}, "above 0"),
        ({"steps": 0}, "at least 1"),
        ({"lr": -1.0}, "above 0"),
        ({"limit": 0}, "limit=0"),
        ({"stop_at_db": -1.0}, "stop_at_db=-1.0"),
        ({"patience": 0}, "patience=0"),
        ({"seed": (-1,)}, "seeds=-1"),
        ({"fidelity": "men"}, "did you mean 'mean'"),
        ({"split": "tset"}, "did you mean 'test'"),
        ({"precision": "bf61"}, "bf16"),
        ({"preset": "standart"}, "did you mean 'standard'"),
        ({"inr": ("sirne",)}, "did you mean 'siren'"),
        ({"dataset": "tinny"}, "did you mean 'tiny'"),
        ({"segmenter": ("unett",)}, "did you mean 'unet'"),
        ({"reader": ("dilate",)}, "did you mean 'dilated'"),
        ({"image": ("p9-0",)}, "image='p9-0'"),
        ({"optimizer": "sopa"}, "did you mean 'soap'"),
        ({"sets": ("omega=3",)}, "siren.omega_0"),
        ({"sets": ("omega_0",)}, "sets={'OPTION': 'VALUE'}"),
        ({"sets": ("omega_0=much",)}, "not a number"),
        ({"codec": ("jpeg200",)}, "did you mean 'jpeg2000'"),
        ({"codec": ("none", "jpeg2000")}, "none means no codec"),
        ({"regularizer": "dise"}, "did you mean 'dice'"),
        ({"regularizer": "kl"}, "kl needs a network that reads labels, and unet reads masks"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_computed(networks, change, found):
    with pytest.raises(InputError) as error:
        resolve(replace(TINY, **change))
    assert found in str(error.value) and error.value.exit_code == 2


def test_a_selection_becomes_fits_twins_and_peers(networks):
    job = resolve(replace(TINY, lam=(1e-5, 1e-3), seed=(0, 1)))
    assert len(job.fits) == 3 * 2 * (2 + 2) and len(job.cells) - len(job.fits) == 3 * 2
    assert [reader.name for reader in job.readers] == ["unet", "dilated"]
    assert all(cell.segmenter_hash == job.segmenters[0].hash for cell in job.fits if cell.lam)


def test_several_segmenters_are_each_in_the_loss_of_fits_of_their_own_and_share_the_plain_ones(
    networks,
):
    job = resolve(replace(TINY, segmenter=("unet", "dilated"), lam=(1e-5, 1e-3)))
    assert [reader.name for reader in job.readers] == [
        "unet",
        "dilated",
    ] and job.segmenters == job.readers
    plain, sinco = (
        [cell for cell in job.fits if (cell.lam > 0) == penalty] for penalty in (False, True)
    )
    assert len(plain) == 3 * 2 and len(sinco) == 3 * 2 * 2
    assert {(cell.segmenter, job.segmenter_of(cell).hash) for cell in sinco} == {
        (s.name, s.hash) for s in job.segmenters
    }
    with pytest.raises(InputError, match="the same weights twice"):
        resolve(replace(TINY, segmenter=("unet", f"unet@{job.segmenters[0].path}")))


def test_an_ensemble_is_one_network_with_a_hash_of_its_own(networks):
    tiny_networks.write(train_patients=["p6"])
    job = resolve(replace(TINY, segmenter=("unet+dilated",)))
    (ensemble,) = job.segmenters
    unet, dilated = ensemble.members
    assert (
        ensemble.name == "unet+dilated"
        and job.readers == [ensemble]
        and ensemble.card["train_patients"] == ["p6"]
    )
    assert (
        ensemble.hash not in (unet.hash, dilated.hash)
        and ensemble.source == f"{unet.source}+{dilated.source}"
    )
    with pytest.raises(InputError, match="the same weights twice"):
        resolve(replace(TINY, segmenter=(f"unet+unet@{unet.path}",)))
    with pytest.raises(InputError, match="did you mean 'dilated'"):
        resolve(replace(TINY, segmenter=("unet+dilate",)))


def test_a_plus_in_a_files_name_is_no_ensemble(networks):
    assert split_ensemble("unet@a+b.safetensors") == ["unet@a+b.safetensors"]
    assert split_ensemble("unet@a+unet-4.safetensors+unet-4@b+dilated") == [
        "unet@a+unet-4.safetensors",
        "unet-4@b",
        "dilated",
    ]


def test_a_network_without_gradients_cannot_stand_in_the_loss(networks, monkeypatch):
    monkeypatch.setitem(get("segmenter", "dilated").declared, "in_loss", False)
    with pytest.raises(InputError, match="reader='dilated@"):
        resolve(replace(TINY, segmenter=("dilated",)))
    assert [reader.name for reader in resolve(TINY).readers] == ["unet", "dilated"]


def test_an_imported_network_reads_only_where_it_is_asked_for(networks):
    tiny_networks.write(imported={"file": "mine.pt"})
    job = resolve(TINY)
    assert [reader.name for reader in job.readers] == ["unet"] and any(
        "--reader dilated" in as_options(note) for note in job.notes
    )
    assert [reader.name for reader in resolve(replace(TINY, reader=("dilated",))).readers] == [
        "unet",
        "dilated",
    ]


def test_a_network_that_was_trained_on_these_patients_is_named(networks):
    assert resolve(TINY).notes == []
    tiny_networks.write(train_patients=["p1", "p6", "p7"])
    assert [
        note
        for note in resolve(TINY).notes
        if note.startswith("2 of 3 images are of patients that unet was trained on")
    ]


def test_what_is_not_known_of_imported_weights_is_said_once(networks):
    tiny_networks.write(imported={"file": "w.pt"}, note="nothing is known of the patients")
    job = resolve(replace(TINY, segmenter=("unet", "unet+dilated")))
    assert job.notes == [
        "unet: nothing is known of the patients",
        "dilated: nothing is known of the patients",
    ]
    tiny_networks.write(note="of a training")
    assert resolve(TINY).notes == []


def test_images_of_unlike_channels_are_refused(networks, monkeypatch):
    tiny = get("dataset", "tiny").load()
    load = tiny.load
    monkeypatch.setattr(
        tiny,
        "load",
        lambda self, i: replace(load(self, i), channels=("color",) if i == "p7-0" else ("gray",)),
    )
    with pytest.raises(InputError, match="p7-0 the channels|p7-0 color|channels color"):
        resolve(TINY)


def test_sets_reach_the_one_plug_in_that_has_the_option():
    selected = [("inr", "siren"), ("optimizer", "adam"), ("optimizer", "soap")]
    assert options_by_plugin(["omega_0=60", "soap.beta1=0.5"], selected) == {
        ("inr", "siren"): {"omega_0": 60.0},
        ("optimizer", "adam"): {},
        ("optimizer", "soap"): {"beta1": 0.5},
    }
    with pytest.raises(InputError, match="have the option beta1") as error:
        options_by_plugin(["beta1=0.5"], selected)
    assert as_options(error.value.todo) == "--set adam.beta1=0.5 or --set soap.beta1=0.5"


def test_the_rate_leaves_the_size_open_and_a_given_size_does_not(networks):
    open_, fixed = (
        resolve(TINY).fits[0],
        resolve(replace(TINY, sets=("hidden_features=8",))).fits[0],
    )
    assert "hidden_features" not in dict(open_.inr.args) and open_.rate.bpp == 0.6
    assert (
        dict(fixed.inr.args)["hidden_features"] == 8
        and fixed.rate.bits == 12
        and fixed.rate.bpp is None
    )


def test_reproduction_is_the_students_network(networks):
    cell = resolve(replace(TINY, preset="reproduction", steps=None)).fits[0]
    assert dict(cell.inr.args) == {
        "bias": "weights",
        "hidden_features": 64,
        "hidden_layers": 2,
        "omega_0": 30.0,
        "omega_hidden": 1.0,
    }
    assert (cell.recipe.steps, cell.recipe.lr, cell.recipe.grid, cell.rate.bits) == (
        50_000,
        1e-4,
        "corners",
        16,
    )


def test_quick_is_only_for_a_first_look():
    assert default_preset("lgg") == "standard"

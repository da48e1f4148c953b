"""What the splits of a data set become in memory, and training images as a decoder returns them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from benchmark.errors import InputError
from benchmark.folders import cache_folder
from benchmark.plugins import index
from benchmark.store.store import Store
from benchmark.training.data import Purpose, read_splits
from benchmark.training.decoded import Compressor

MASKS = Purpose(16)


class Shaped:
    """A data set with each sample changed by `change(sample, its number)`."""

    def __init__(self, dataset, change):
        self.dataset, self.change = dataset, change

    def ids(self, split):
        return self.dataset.ids(split)

    def load(self, sample_id):
        return self.change(self.dataset.load(sample_id), int(sample_id[1]))


def test_masks_and_brains(tiny_dataset):
    splits = read_splits(tiny_dataset, MASKS)
    sample = tiny_dataset.load("p1-0")
    assert splits.train.images.shape == (3, 1, 32, 32) and splits.train.patients == (
        "p1",
        "p2",
        "p3",
    )
    assert (
        np.array_equal(splits.train.truth[0, 0].numpy() > 0, sample.mask)
        and splits.test_decoded is None
    )
    brains = read_splits(tiny_dataset, replace(MASKS, target="brain"))
    assert (
        np.array_equal(brains.train.truth[0, 0].numpy() > 0, sample.brain)
        and brains.hash == splits.hash
    )


def test_volumes(tiny_dataset):
    splits = read_splits(tiny_dataset, Purpose(4, dims=3))
    volume = tiny_dataset.load_volume("p2")
    assert splits.train.images.shape == (3, 1, 4, 32, 32) and splits.train.planes == 12
    for z in range(4):
        assert np.array_equal(splits.train.images[1, 0, z].numpy(), volume.plane(z).image[..., 0])
        assert np.array_equal(splits.train.truth[1, 0, z].numpy() > 0, volume.plane(z).mask)


def test_labels(tiny_dataset):
    names = ("b", "a", "c")
    splits = read_splits(
        Shaped(tiny_dataset, lambda sample, i: replace(sample, label=names[i % 3])),
        replace(MASKS, task="label"),
    )
    assert (
        splits.train.classes == ("a", "b", "c")
        and splits.train.truth.tolist() == [0, 2, 1]
        and splits.train.truth.dtype == torch.int64
    )
    other = read_splits(
        Shaped(tiny_dataset, lambda sample, i: replace(sample, label=names[i % 2])),
        replace(MASKS, task="label"),
    )
    assert other.hash != splits.hash


@pytest.mark.parametrize(
    ("change", "purpose", "found"),
    [
        (lambda sample, i: sample, replace(MASKS, task="label"), "3 of 3 images have no label"),
        (
            lambda sample, i: replace(sample, label="x"),
            replace(MASKS, task="label"),
            "every image is of the class 'x'",
        ),
        (
            lambda sample, i: replace(sample, mask=np.zeros_like(sample.mask)),
            MASKS,
            "none with a lesion",
        ),
        (
            lambda sample, i: replace(sample, brain=np.ones_like(sample.brain)),
            replace(MASKS, target="brain"),
            "no brain masks",
        ),
        (
            lambda sample, i: replace(sample, image=sample.image[: 16 * (1 + i % 2)]),
            MASKS,
            "16 x 32 pixels, 32 x 32 pixels",
        ),
        (
            lambda sample, i: sample,
            Purpose(64),
            "32 x 32 pixels; this segmenter reads multiples of 64",
        ),
    ],
)
def test_what_cannot_be_learned(tiny_dataset, change, purpose, found):
    with pytest.raises(InputError, match=found):
        read_splits(Shaped(tiny_dataset, change), purpose)


def test_an_empty_split(tiny_dataset, monkeypatch):
    monkeypatch.setattr(tiny_dataset, "ids", lambda split: [] if split == "val" else ["p1-0"])
    with pytest.raises(InputError, match="'val'(.|\n)*it is empty"):
        read_splits(tiny_dataset, MASKS)


def test_jpegs_of_several_sizes_by_class(tmp_path):
    """The release's folders; the pictures have several sizes, which --set size brings to one."""
    for side, count in (("Training", 8), ("Testing", 2)):
        for c, name in enumerate(("glioma", "meningioma", "notumor", "pituitary")):
            for i in range(count):
                path = tmp_path / side / name / f"{i}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                pixels = (
                    np.random.default_rng([c, i, count])
                    .integers(0, 256, (20 + 10 * i, 24))
                    .astype(np.uint8)
                )
                Image.fromarray(pixels).save(path)
    make = index.get("dataset", "brain-tumor-mri").load()
    purpose = Purpose(32, "label")
    splits = read_splits(make(tmp_path, size=32), purpose)
    assert splits.test.classes == ("glioma", "meningioma", "none", "pituitary")
    assert splits.test.truth.tolist() == [0, 0, 1, 1, 2, 2, 3, 3] and splits.train.images.shape[
        1:
    ] == (1, 32, 32)
    with pytest.raises(InputError, match="several shapes"):
        read_splits(make(tmp_path, size=0), purpose)


def compressed(dataset, name: str, bpp: float, train_on: str, **args):
    told = []
    by = Compressor.of(name, bpp, args)
    return told, read_splits(
        dataset,
        MASKS,
        train_on=train_on,
        compress=lambda samples: by.decoded(
            samples, dataset, "cpu", lambda *what: told.append(what)
        ),
    )


def test_decoded_images_of_a_codec(tiny_dataset, monkeypatch):
    plain = read_splits(tiny_dataset, MASKS)
    told, splits = compressed(tiny_dataset, "jpeg2000", 1.5, "both")
    assert (
        told[-1] == ("compressing", 6, 6) and len(splits.train) == 6 and splits.hash == plain.hash
    )
    assert torch.equal(splits.train.images[3:], plain.train.images) and torch.equal(
        splits.train.truth[:3], plain.train.truth
    )
    error = (splits.train.images[:3] - plain.train.images).abs()
    assert 0.005 < error.mean() < 0.1 and torch.equal(splits.val.images, plain.val.images)
    assert torch.equal(splits.test.images, plain.test.images) and not torch.equal(
        splits.test_decoded.images, plain.test.images
    )
    codec = index.get("codec", "jpeg2000").load()
    monkeypatch.setattr(codec, "encode", lambda *args: pytest.fail("it was encoded before"))
    _, again = compressed(tiny_dataset, "jpeg2000", 1.5, "compressed")
    assert torch.equal(again.train.images, splits.train.images[:3])
    with pytest.raises(pytest.fail.Exception):  # another rate is another file
        compressed(tiny_dataset, "jpeg2000", 2.0, "compressed")


def test_a_codec_that_cannot_go_so_far(tiny_dataset):
    with pytest.raises(InputError, match="p1-0(.|\n)*smallest file(.|\n)*train_bpp"):
        compressed(tiny_dataset, "jpeg2000", 0.1, "compressed")


def test_decoded_images_of_an_inr_are_fitted_once(tiny_dataset, monkeypatch):
    from benchmark.plan import recipes
    from benchmark.runner import run

    monkeypatch.setitem(recipes.PRESETS, "quick", replace(recipes.PRESETS["quick"], steps=20))
    plain = read_splits(tiny_dataset, MASKS)
    told, splits = compressed(
        tiny_dataset, "siren", 8.0, "compressed", hidden_features=8, hidden_layers=1
    )
    assert told[-1] == ("compressing", 6, 6) and len(splits.train) == 3
    error = (splits.train.images - plain.train.images).abs().flatten(1).mean(1)
    assert (error > 0.005).all() and (error < 0.2).all() and splits.test_decoded is not None
    monkeypatch.setattr(run, "fit", lambda *args, **kwargs: pytest.fail("it was fitted before"))
    _, again = compressed(
        tiny_dataset, "siren", 8.0, "compressed", hidden_features=8, hidden_layers=1
    )
    assert torch.equal(again.train.images, splits.train.images)


def test_an_inr_whose_fit_failed_is_said(tiny_dataset, monkeypatch):
    from benchmark.runner import run

    def broken(*args, **kwargs):
        raise RuntimeError("out of luck")

    monkeypatch.setattr(run, "fit", broken)
    with pytest.raises(InputError, match="out of luck"):
        compressed(tiny_dataset, "siren", 8.0, "compressed", hidden_features=8, hidden_layers=1)
    with Store(cache_folder() / "decoded") as store:
        assert set(store.statuses().values()) == {"failed"}

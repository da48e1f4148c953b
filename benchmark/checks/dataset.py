"""Claims about a data set: `(root=None, *, options)` with `ids(split)` and `load(id) -> Sample`."""

from __future__ import annotations

import math

import numpy as np

from benchmark.checks import Skip, Subject
from benchmark.errors import InputError
from benchmark.plugins.contracts import Dataset
from benchmark.types import SPLITS, Sample

LOADED = 2  # images read of each split: its first and its last


def build(subject: Subject) -> Dataset:
    dataset: Dataset = subject.make()
    try:
        dataset.fetch()
        dataset.ids("test")
    except InputError as error:
        raise Skip(f"its data are not here: {error.found.marked}") from None
    return dataset


def some(dataset: Dataset, split: str) -> list[Sample]:
    """A few samples of a split, from its start to its end."""
    ids = dataset.ids(split)
    return [
        dataset.load(ids[i])
        for i in sorted({round(i) for i in np.linspace(0, len(ids) - 1, min(LOADED, len(ids)))})
    ]


def every(dataset: Dataset) -> list[Sample]:
    return [sample for split in SPLITS for sample in some(dataset, split)]


def check_licence_and_citation_are_stated(subject: Subject) -> None:
    """A user can read what the data may be used for and whom to cite."""
    for name in ("licence", "citation"):
        assert str(getattr(subject.factory, name, "")).strip(), f"it has no {name}"


def check_ids_are_sorted_and_unique(subject: Subject) -> None:
    """The ids of each split are sorted, unique and not empty: the same image whatever else is
    selected.
    """
    dataset = build(subject)
    for split in SPLITS:
        ids = dataset.ids(split)
        assert split != "test" or ids, "the split test is empty"
        assert ids == sorted(ids), f"those of {split} are not sorted"
        assert len(ids) == len(set(ids)), f"those of {split} are not unique"
        assert ids == dataset.ids(split) == build(subject).ids(split), (
            f"those of {split} change from call to call"
        )


def check_a_patient_is_in_one_split(subject: Subject) -> None:
    """An id starts with its patient, and no patient is in two splits."""
    dataset = build(subject)
    ids = {split: dataset.ids(split) for split in SPLITS}
    for split in SPLITS:
        for sample in some(dataset, split):
            assert sample.id.startswith(sample.patient), (
                f"{sample.id} does not start with its patient {sample.patient}"
            )
            for other in set(SPLITS) - {split}:
                alike = (
                    i for i in ids[other] if i.startswith(sample.patient)
                )  # p10 begins like p1, and is another
                twice = next((i for i in alike if dataset.load(i).patient == sample.patient), None)
                assert twice is None, f"{sample.patient} is in {split} and, as {twice}, in {other}"


def check_load_is_deterministic(subject: Subject) -> None:
    """An id means the same pixels, mask and statistics each time, from a new object too, and keeps
    its name.
    """
    dataset, again = build(subject), build(subject)
    for sample_id in dataset.ids("test")[:LOADED]:
        sample = dataset.load(sample_id)
        assert sample.id == sample_id, f"{sample_id} loads {sample.id}"
        assert sample.hash == dataset.load(sample_id).hash == again.load(sample_id).hash, (
            f"{sample_id} has other content the second time"
        )


def check_images_are_in_range(subject: Subject) -> None:
    """Images are float32 [H, W, C] in [0, 1], finite and not constant, with a name for each
    channel.
    """
    for sample in every(build(subject)):
        image = sample.image
        assert image.dtype == np.float32 and image.ndim == 3, (
            f"{sample.id}: {image.dtype} {image.shape}"
        )
        assert bool(np.isfinite(image).all()), f"{sample.id} has values that are not finite"
        assert image.min() >= 0 and image.max() <= 1, (
            f"{sample.id} is in [{image.min():.3g}, {image.max():.3g}]"
        )
        assert image.max() > image.min(), f"{sample.id} is constant"
        assert image.shape[2] == len(sample.channels), (
            f"{sample.id} has {image.shape[2]} channels named {sample.channels}"
        )


def check_masks_fit_their_images(subject: Subject) -> None:
    """Lesion and brain masks are bool [H, W]; the brain is not empty."""
    for sample in every(build(subject)):
        for name, mask in (("mask", sample.mask), ("brain", sample.brain)):
            assert mask.dtype == bool, f"{sample.id}: {name} is {mask.dtype}, not bool"
            assert mask.shape == sample.image.shape[:2], (
                f"{sample.id}: {name} is {mask.shape}, the image {sample.image.shape[:2]}"
            )
        assert sample.brain.any(), f"{sample.id}: the brain is empty"


def check_units_are_stated(subject: Subject) -> None:
    """Spacing is two positive lengths in mm, the window an interval, and the volume's statistics
    are finite.
    """
    for sample in every(build(subject)):
        spacing, window = sample.spacing_mm, sample.window
        assert len(spacing) == 2 and all(0 < mm < 100 for mm in spacing), (
            f"{sample.id}: spacing {spacing} mm"
        )
        assert len(window) == 2 and -math.inf < window[0] < window[1] < math.inf, (
            f"{sample.id}: window {window}"
        )
        row = sample.volume.as_row()
        assert all(map(math.isfinite, row)) and sample.volume.std > 0, (
            f"{sample.id}: statistics {row}"
        )


def check_unknown_ids_are_refused(subject: Subject) -> None:
    """An id that is not there is an InputError."""
    dataset = build(subject)
    try:
        dataset.load("no-such-image")
    except InputError:
        return
    raise AssertionError("load('no-such-image') returns something")

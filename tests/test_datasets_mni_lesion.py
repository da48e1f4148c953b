"""mni-lesion: deterministic, one patient a split, lesions that agree between slices, sizes and
contrasts.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys

import numpy as np
import pytest

from benchmark.errors import InputError
from benchmark.plugins.datasets._signal import without_crumbs
from benchmark.plugins.index import get

# What trained weights and stored results rest on: of the first six test samples at 64 pixels, at 8
# bits.
GOLDEN = "0b201b1d7253fc63"


@pytest.fixture(scope="module")
def dataset():
    return get("dataset", "mni-lesion").load()


def test_ids_are_sorted_and_patients_are_in_one_split(dataset) -> None:
    seen: set[str] = set()
    for split, count in (("train", 1200), ("val", 120), ("test", 180)):
        ids = dataset().ids(split)
        assert len(ids) == count and ids == sorted(set(ids))
        patients = {sample_id[:5] for sample_id in ids}
        assert seen.isdisjoint(patients)
        seen |= patients
    assert len(seen) == 500


def test_content_is_as_it_always_was(dataset) -> None:
    digest = hashlib.sha256()
    small = dataset(size=64)
    for sample_id in small.ids("test")[:6]:
        sample = small.load(sample_id)
        # 8 bits and not all 12: the last bit of a sine may differ between machines.
        digest.update(
            np.round(sample.image * 255 + 0.25).astype(np.uint8).tobytes() + sample.mask.tobytes()
        )
    assert digest.hexdigest()[:16] == GOLDEN


def test_a_fresh_process_makes_the_same_sample(dataset) -> None:
    code = (
        "from benchmark.plugins.index import get; print(get('dataset',"
        " 'mni-lesion').load()().load('p0450-s2').hash)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == dataset().load("p0450-s2").hash


def test_order_of_loading_does_not_matter(dataset) -> None:
    first = [dataset().load(f"p0443-s{k}").hash for k in (1, 2, 3)]
    assert first[::-1] == [dataset().load(f"p0443-s{k}").hash for k in (3, 2, 1)]
    assert len(set(first)) == 3


def test_samples_are_what_they_say(dataset) -> None:
    samples = [dataset().load(sample_id) for sample_id in dataset().ids("test")[:60]]
    for sample in samples:
        assert sample.image.shape == (128, 128, 1) and sample.image.dtype == np.float32
        assert sample.image.min() >= 0 and sample.image.max() <= 1
        assert sample.mask.dtype == bool and not (sample.mask & ~sample.brain).any()
        assert 0.2 < sample.brain.mean() < 0.65
        # a dark background that is not empty: Rician noise, mean sigma sqrt(pi / 2)
        corner = sample.image[:10, :10]
        assert corner.mean() == pytest.approx(0.02 * np.sqrt(np.pi / 2), rel=0.2)
        assert sample.spacing_mm == (1.625, 1.625)
    areas = [sample.mask.sum() * 1.625**2 for sample in samples if sample.has_lesion]
    assert 0.1 <= 1 - len(areas) / len(samples) <= 0.3
    assert min(areas) >= 25 and max(areas) > 1500 and np.median(areas) > 400


def test_lesions_are_bright_on_flair_and_dark_on_t1(dataset) -> None:
    shift: dict[str, list[float]] = {"flair": [], "t1": []}
    for contrast, shifts in shift.items():
        for sample_id in dataset().ids("val")[:18]:
            s = dataset(contrast=contrast).load(sample_id)
            if s.mask.sum() > 50:
                around = s.image[s.brain & ~s.mask]
                shifts.append(float(np.median(s.image[s.mask]) - np.median(around)))
    assert np.mean(np.array(shift["flair"]) > 0) > 0.8
    assert np.mean(np.array(shift["t1"]) < 0) > 0.8


def test_contrast_and_noise_leave_the_patient_as_he_is(dataset) -> None:
    flair = dataset().load("p0442-s2")
    t1 = dataset(contrast="t1").load("p0442-s2")
    clean = dataset(noise=0.0).load("p0442-s2")
    assert np.array_equal(flair.mask, t1.mask) and np.array_equal(flair.mask, clean.mask)
    assert flair.channels == ("flair",) and t1.channels == ("t1",)
    assert 0.015 < np.std((flair.image - clean.image)[flair.brain]) < 0.025


def test_another_size_shows_the_same_patient(dataset) -> None:
    small, large = (
        dataset(size=64, noise=0.0).load("p0442-s2"),
        dataset(size=128, noise=0.0).load("p0442-s2"),
    )
    halved = large.image.reshape(64, 2, 64, 2).mean(axis=(1, 3))
    assert np.abs(halved - small.image[..., 0])[small.brain].mean() < 0.04
    both = (large.mask.reshape(64, 2, 64, 2).mean(axis=(1, 3)) >= 0.5) & small.mask
    assert both.sum() > 0.85 * small.mask.sum()


def test_patients_differ_and_their_slices_share_statistics(dataset) -> None:
    one, two, other = (dataset().load(name) for name in ("p0442-s1", "p0442-s2", "p0443-s1"))
    assert one.volume == two.volume != other.volume
    assert one.slice_index < two.slice_index
    assert np.abs(one.image - other.image).mean() > 0.03


def test_masks_have_no_crumbs_and_no_holes() -> None:
    mask = np.zeros((40, 40), bool)
    mask[5:25, 5:25] = True
    mask[10, 10] = False
    mask[30:34, 30:34] = (
        True  # 12 pixels without its corners: 48 square mm at 2 mm, 18.75 at 1.25 mm
    )
    mask[5:25, 35] = True  # one pixel wide
    assert without_crumbs(mask, 2.0).sum() == 400 - 4 + 12
    assert without_crumbs(mask, 1.25).sum() == 400 - 4


def test_bad_options_and_ids(dataset) -> None:
    for options in ({"size": 8}, {"contrast": "t2"}, {"noise": -0.1}):
        with pytest.raises(InputError, match=next(iter(options))):
            dataset(**options)
    for name in ("p0501-s1", "p0441-s4", "p0000-s1", "441-s1"):
        with pytest.raises(InputError, match="no such sample"):
            dataset().load(name)
    with pytest.raises(InputError, match="'tset'"):
        dataset().ids("tset")

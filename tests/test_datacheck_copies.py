"""Equal and nearly equal pictures: found whatever was done to a copy, not found between strangers,
and fast for many.
"""

from __future__ import annotations

import io
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmark.datacheck import Source, Survey, survey
from benchmark.datacheck.copies import NEAR, flips, near_pairs
from benchmark.datacheck.fingerprints import average_hash
from benchmark.images.scan import Scan
from tests.made_scans import Made, scan


def head(seed: int, side: int = 200) -> np.ndarray:
    """A disc with blobs of its own, uint8: smooth, as a picture of a head is."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side * 2 - 1
    blobs = sum(
        rng.uniform(40, 200) * np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / 0.03)
        for cx, cy in rng.uniform(-0.6, 0.6, (9, 2))
    )
    return np.clip((x**2 / 0.6 + y**2 / 0.8 < 1) * (40 + blobs), 0, 255).astype(np.uint8)


def jpeg(pixels: np.ndarray, quality: int = 50) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def picture(case: str, pixels: np.ndarray, label: str = "glioma") -> Scan:
    return Scan(case, {"image": pixels[None]}, (0,), label=label)


def places(done: Survey) -> list[tuple[str, tuple[str, ...]]]:
    """Name of each observation, and where it is."""
    return [(one.name, one.where) for one in done.observations]


def said(done: Survey) -> list[tuple[str, str]]:
    """Name of each observation, and what it says."""
    return [(one.name, one.what) for one in done.observations]


def names(done: Survey) -> list[str]:
    """Name of each observation of copies: made-up lesions may lie outside the brain."""
    found = [one.name for one in done.observations]
    return [name for name in found if name != "label-outside-brain"]


COPIES = {
    "compressed again": jpeg,
    "resized": lambda p: np.asarray(Image.fromarray(p).resize((140, 140))),
    "padded": lambda p: np.pad(p, ((9, 15), (30, 2))),
    "upside down": lambda p: p[::-1],
    "sides swapped": lambda p: p[:, ::-1],
    "both flipped, scaled by 1.23": lambda p: p[::-1, ::-1] * 1.23,
    "z-scored on a negative constant": (
        lambda p: np.where(p == 0, -3.6, (p - 80.0) / 40).astype(np.float32)
    ),
}


@pytest.mark.parametrize("what", COPIES)
def test_a_copy_is_near_whatever_was_done_to_it(what) -> None:
    made = Made(
        [picture("a", head(0)), picture("b", COPIES[what](head(0))), picture("c", head(1))],
        {"b": "test"},
    )
    done = survey([Source("made", made)])
    assert places(done) == [("near-duplicate", ("made/a", "made/b"))] and not done.failed


def test_exact_copies_are_a_failure_across_splits_only() -> None:
    scans = [picture("a", head(0)), picture("b", head(0).astype(np.float64)), picture("c", head(1))]
    across = survey([Source("made", Made(scans, {"b": "test"}))])
    assert said(across) == [("duplicate-across-splits", "made/a (train) = made/b (test)")]
    assert across.failed
    for splits in ({}, {"b": ""}):  # in one split, and a copy that the data set leaves out
        within = survey([Source("made", Made(scans, splits))])
        assert names(within) == ["duplicate"] and not within.failed
    both = survey([Source("one", Made(scans[:1])), Source("other", Made(scans[1:2], {"b": "val"}))])
    assert places(both) == [("duplicate-across-splits", ("one/a", "other/b"))]


def test_equal_pictures_of_two_classes() -> None:
    made = Made([picture("a", head(0)), picture("b", head(0), "none")])
    assert [o.what for o in survey([Source("made", made)]).by_kind()["contradiction"]] == [
        "made/a (glioma) = made/b (none)"
    ]


def test_planes_that_repeat_and_planes_that_are_shared() -> None:
    one, other = scan("one_a"), scan("two_b", 1)
    flair = one.channels["flair"].copy()
    flair[5] = flair[4]
    repeated = survey(
        [Source("made", Made([replace(one, channels={**one.channels, "flair": flair})]))]
    )
    assert said(repeated) == [("repeated-plane", "slices 4, 5")]
    flair = other.channels["flair"].copy()
    flair[1] = one.channels["flair"][2]
    shared = survey(
        [Source("made", Made([one, replace(other, channels={**other.channels, "flair": flair})]))]
    )
    assert said(shared) == [("duplicate-plane", "1 plane: made/one_a (train) = made/two_b (train)")]


def test_lesions_of_one_shape_are_the_same_scan() -> None:
    one, other = scan("one_a"), scan("two_b", 1)
    labels = np.zeros_like(one.labels)
    labels[1:5, 10:20, 10:18] = np.random.default_rng(0).integers(0, 2, (4, 10, 8))
    moved = np.roll(labels[:, ::-1], 3, 2)
    done = survey(
        [Source("made", Made([replace(one, labels=labels), replace(other, labels=moved)]))]
    )
    assert names(done) == ["same-mask"]
    moved[2, 12, 14] ^= 1
    done = survey(
        [Source("made", Made([replace(one, labels=labels), replace(other, labels=moved)]))]
    )
    assert names(done) == []


def test_neighbors_of_one_patient_are_no_copies() -> None:
    near = [picture(f"p_{n}", jpeg(head(0), 50 + 10 * n)) for n in range(3)]
    made = Made(near)
    made.person = lambda case: "p"  # type: ignore[method-assign]
    assert survey([Source("made", made)]).observations == []
    assert len(survey([Source("made", Made(near))]).observations) == 3


def test_pairs_are_those_of_every_pair_compared(monkeypatch) -> None:
    monkeypatch.setattr("benchmark.datacheck.copies.BLOCK", 150 * 4)  # 38 blocks of 4
    rng = np.random.default_rng(0)
    hashes = rng.random((150, 16, 16)) < 0.5
    for i in range(0, 120, 2):  # copies, flipped, some bits changed: on both sides of the limit
        hashes[i + 1] = flips(hashes[i : i + 1])[i // 2 % 4][0]
        hashes[i + 1].flat[rng.choice(256, i // 6, replace=False)] ^= True
    group = np.arange(150) // 3
    due = {}
    for i in range(150):
        flipped = np.concatenate(flips(hashes[i : i + 1]))
        for j in range(i + 1, 150):
            bits = int((flipped != hashes[j]).sum((1, 2)).min())
            if group[i] != group[j] and bits <= NEAR:
                due[i, j] = bits
    assert len(due) > 10 and max(due.values()) == NEAR
    assert {(min(i, j), max(i, j)): bits for i, j, bits in near_pairs(hashes, group)} == due


def test_many_pictures_are_compared_in_little_time() -> None:
    """7,000 pictures, alike as heads are; comparing pair by pair in Python would take a minute and
    more.
    """
    rng = np.random.default_rng(0)
    base = rng.random((16, 16))
    hashes = (base + rng.normal(0, 0.35, (7000, 16, 16))) > 0.5
    start = time.process_time()
    assert len(list(near_pairs(hashes, np.arange(7000)))) < 1000
    assert time.process_time() - start < 3


@pytest.mark.skipif(
    not os.environ.get("SINCO_BENCH_DATA"), reason="SINCO_BENCH_DATA is not set: no real pictures"
)
def test_the_limit_stands_between_copies_and_strangers() -> None:
    """Real JPEGs: of copies that were resized, padded and compressed again most are within the
    limit; no stranger is within twice.
    """
    folder = (
        Path(os.environ["SINCO_BENCH_DATA"])
        / "brain_tumor_classification_sartajbhuvaji"
        / "Testing"
    )
    if not folder.is_dir():
        pytest.skip(f"no {folder}")
    hashes = []
    bits = []
    for path in sorted(folder.rglob("*.jpg")):
        pixels = np.asarray(Image.open(path).convert("L"))
        own = average_hash(pixels)
        copy = Image.fromarray(np.pad(pixels, 10)).resize((224, 224))
        hashes.append(own)
        bits.append((average_hash(jpeg(np.asarray(copy), 75)) != own).sum())
    assert not list(near_pairs(np.array(hashes), np.arange(len(hashes)), 2 * NEAR))
    assert np.median(bits) <= 8 and np.mean(np.array(bits) <= NEAR) >= 0.75

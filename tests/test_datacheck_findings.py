"""What `data check` finds in scans: every trap that real releases hold, made small; and nothing in
scans without one.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmark.datacheck import KINDS, Source, survey
from benchmark.errors import InputError
from benchmark.images.prepare import CHOICES, window_of
from benchmark.images.scan import Scan
from tests.made_scans import SIDE, Made, Z, scan


def found(*scans, splits=(), **more) -> dict[str, list[str]]:
    """name -> what was found."""
    done = survey([Source("made", Made(scans, splits), **more)])
    return {name: [o.what for o in observed] for name, observed in done.by_kind().items()}


def changed(channel: str, act, **changes) -> Scan:
    made = scan(**changes)
    voxels = made.channels[channel].copy()
    act(voxels, made)
    return replace(made, channels={**made.channels, channel: voxels})


def test_nothing_is_found_in_good_scans() -> None:
    assert found(scan("one_a"), scan("two_b", 1), scan("three_c", 2)) == {}


def test_counts_intensities_and_labels() -> None:
    done = survey([Source("made", Made([scan()]))])
    facts = done.facts[0]
    assert (
        facts.shape == (Z, SIDE, SIDE)
        and facts.lesion_planes == 3
        and facts.labels == {0: Z * SIDE * SIDE - 105, 1: 105}
    )
    flair, voxels = facts.channels["flair"], scan().channels["flair"]
    tissue = voxels[voxels != 0]
    assert (flair.dtype, flair.low, flair.high, flair.background) == ("int16", 0, voxels.max(), 0)
    assert (flair.p0_5, flair.p99_5) == tuple(np.percentile(tissue, [0.5, 99.5]))
    assert flair.background_share == pytest.approx((voxels == 0).mean())


def copy_slice(voxels, made) -> None:
    voxels[3] = made.channels["t1"][3]


def copy_all(voxels, made) -> None:
    voxels[:] = made.channels["t1"]


def blank(voxels, made) -> None:
    voxels[[0, 4]] = 0


def outside(labels: np.ndarray) -> np.ndarray:
    labels = labels.copy()
    labels[3, 0, :4] = 1
    return labels


TRAPS = [
    (lambda: changed("flair", copy_all), "copied-channel", "flair = t1"),
    (lambda: changed("flair", copy_slice), "copied-slice", "flair = t1 in slice 3"),
    (lambda: changed("flair", blank), "empty-plane", "flair: slices 0, 4"),
    (
        lambda: changed("flair", lambda voxels, _: voxels.fill(7)),
        "empty-channel",
        "flair is 7 everywhere",
    ),
    (lambda: scan(known=(0, 2)), "unknown-label", "1 (105 voxels); the release knows 0, 2"),
    (
        lambda: scan(labels=np.zeros((Z, SIDE, SIDE), np.uint8)),
        "empty-mask",
        "none of its 7 slices shows a lesion",
    ),
    (
        lambda: scan(labels=np.roll(scan().labels, 2, 0)),
        "empty-middle",
        "slice 3 shows none; slices 4 to 6 do",
    ),
    (
        lambda: scan(labels=outside(scan().labels)),
        "label-outside-brain",
        (
            "of 109 labeled voxels 4 outside the brain; 4 where flair is background; 4 where t1"
            " is background"
        ),
    ),
    (
        lambda: scan(brain=np.zeros((Z, SIDE, SIDE), bool)),
        "label-outside-brain",
        "of 105 labeled voxels 105 outside the brain",
    ),
    (
        lambda: changed(
            "flair", lambda voxels, _: np.copyto(voxels, -45, where=np.arange(SIDE) == 12)
        ),
        "background",
        "flair: background 0, intensities -45 to",
    ),
    (
        lambda: InputError("the volume x.nii.gz", "cut short", "restore it"),
        "unreadable",
        "the volume x.nii.gz: cut short",
    ),
    (
        lambda: ZeroDivisionError("of a reader"),
        "unreadable",
        "it: ZeroDivisionError: of a reader",
    ),
    (lambda: scan(notes=("t1 was guessed",)), "note", "t1 was guessed"),
]


@pytest.mark.parametrize(
    ("made", "name", "what"),
    TRAPS,
)
def test_a_trap_is_named(made, name, what) -> None:
    observed = found(made(), scan("two_b", 1))
    observed.pop("label-outside-brain", None) if name == "empty-plane" else None
    assert (
        list(observed) == [name] and len(observed[name]) == 1 and observed[name][0].startswith(what)
    )


def test_a_background_that_is_a_negative_constant() -> None:
    plain = scan()
    scored = {
        name: np.where(voxels == 0, np.float32(-3.5), voxels / np.float32(100))
        for name, voxels in plain.channels.items()
    }
    observed = found(replace(plain, channels=scored, background={"flair": -3.5, "t1": -3.5}))
    assert list(observed) == ["background"] and observed["background"][0].startswith(
        "flair: background -3.5, intensities -3.5 to"
    )


def test_voxels_that_are_no_numbers() -> None:
    plain = scan()
    flair = plain.channels["flair"].astype(np.float32)
    flair[2, 20, 20:23] = np.nan
    observed = found(replace(plain, channels={"flair": flair, "t1": plain.channels["t1"]}))
    assert observed == {"not-finite": ["3 voxels of flair"]}


def test_a_copied_channel_is_told_once() -> None:
    plain = scan()
    voxels = plain.channels["flair"]
    observed = found(
        replace(plain, channels=dict.fromkeys(("pre", "flair", "post"), voxels), background={})
    )
    assert observed["copied-channel"] == ["pre = flair", "pre = post"]


def test_a_missing_channel_is_no_damaged_file(tmp_path) -> None:
    both, error = scan(), InputError("the channel t2 of one_a", "no such file", "another")
    files = {name: {"one_a": [tmp_path / "seg", tmp_path / name]} for name in ("flair", "t1", "t2")}

    def alone(name: str, what) -> Made:
        return Made([what], files={getattr(what, "case", "broken"): files[name]["one_a"]})

    def of(name: str) -> Scan:
        return replace(both, channels={name: both.channels[name]}, background={name: 0})

    missing = Made([both], files={"one_a": [tmp_path / "seg"]})
    missing.scans = {"one_a": error}
    damaged = Made([both], files=files["t2"])
    damaged.scans = {"one_a": InputError("the volume t2.nii", "cut short", "restore it")}
    everything = Made([both])
    everything.scans = {"one_a": error}
    for third, name, what in (
        (missing, "missing-channel", "it has flair, t1, and no t2"),
        (damaged, "unreadable", "the volume t2.nii: cut short"),
    ):
        parts = {"flair": alone("flair", of("flair")), "t1": alone("t1", of("t1")), "t2": third}
        done = survey([Source("made", everything, parts)])
        assert [(o.name, o.what) for o in done.observations] == [(name, what)]
        assert list(done.facts[0].channels) == ["flair", "t1"] and done.failed == (
            name == "unreadable"
        )


def test_fewer_channels_than_the_others() -> None:
    other = scan("two_b", 1)
    observed = found(
        scan(), replace(other, channels={"flair": other.channels["flair"]}, background={"flair": 0})
    )
    assert observed == {"missing-channel": ["it has flair, and no t1"]}


def test_persons_on_both_sides() -> None:
    first, again = scan("Brats18_2013_21_1"), scan("brats_2013_pat0004_1", 3)
    done = survey([Source("made", Made([first, again], {"Brats18_2013_21_1": "test"}))])
    assert [o.name for o in done.observations] == ["split-leak"] and done.failed
    assert (
        "BRATS2013_21_1 is in train: made/brats_2013_pat0004_1; test: made/Brats18_2013_21_1"
        == done.observations[0].what
    )
    assert list(found(first, again)) == ["same-person"]


def test_persons_across_data_sets() -> None:
    lgg = Made([scan("TCGA_FG_6692_20020606")])
    tcia = Made([scan("TCGA-FG-6692", 3)], {"TCGA-FG-6692": "test"})
    assert [o.name for o in survey([Source("lgg", lgg), Source("tcia", tcia)]).observations] == [
        "split-leak"
    ]
    # A number is a name within one data set: two patients 7 of two data sets are two people.
    one, other = Made([scan("patient07")]), Made([scan("patient07", 3)], {"patient07": "test"})
    assert survey([Source("ms", one), Source("mine", other)]).observations == []
    assert [
        o.name for o in survey([Source("ms@here", one), Source("ms@there", other)]).observations
    ] == ["split-leak"]


def test_every_kind_says_what_it_means_and_what_to_do() -> None:
    assert {kind.level for kind in KINDS.values()} == {"failure", "warning", "note"}
    for name, kind in KINDS.items():
        assert name == name.lower() and " " not in name and len(kind.meaning) > 15 and kind.todo


def test_what_is_said_of_windows_and_persons_is_so() -> None:
    """full and minmax look at the background too; Sample.patient is the data set's name for a case,
    not the person.
    """
    voxels = np.array([-9.0, *range(100, 140)])
    tissue = voxels != -9
    within = {
        kind
        for kind in CHOICES["window"]
        if window_of(voxels, tissue, kind, None) == window_of(voxels[1:], tissue[1:], kind, None)
    }
    said = KINDS["background"].todo
    assert within == {"percentile", "zscore"} and all(
        f"{kind}" in said.partition(";")[0] for kind in within
    )
    assert all(kind in said.partition(";")[2] for kind in set(CHOICES["window"]) - within)
    first, again = scan("Brats18_2013_21_1"), scan("brats_2013_pat0004_1", 3)
    dataset = Made([first, again])
    assert dataset.person(first.case) == dataset.person(again.case)
    assert (
        len({dataset.patient(case) for case in dataset.files}) == 2
        and "once for each name" in KINDS["same-person"].todo
    )

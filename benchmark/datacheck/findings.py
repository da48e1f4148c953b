"""What a survey can find: a short name, how bad it is, what it means and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmark.errors import Words, call

Level = Literal["failure", "warning", "note"]


@dataclass(frozen=True)
class Kind:
    """How bad a finding is (a failure makes the exit code 1), what it means, and what a user can
    do.
    """

    level: Level
    meaning: str
    todo: str


KINDS = {
    "unreadable": Kind(
        "failure",
        "cannot be read, so nothing below counts it",
        "restore the file from the release, or take the case out of the folder",
    ),
    "not-finite": Kind(
        "failure", "voxels are NaN or infinite", "mend the file, or take the case out of the folder"
    ),
    "split-leak": Kind(
        "failure",
        "one person stands on both sides of a split",
        "score on cases of a person that was not trained on; name the person in"
        " benchmark/images/persons.py",
    ),
    "duplicate-across-splits": Kind(
        "failure",
        "equal pixels stand in several splits",
        "take all copies but one out of the folder",
    ),
    "unknown-label": Kind(
        "failure",
        "label numbers that the release does not know",
        "check the release's year and the file; a file of another year needs another name or"
        " reader",
    ),
    "missing-channel": Kind(
        "warning",
        "fewer channels than the data set has",
        "a channel that all have, or without these cases",
    ),
    "empty-channel": Kind(
        "warning",
        "a channel that is one value everywhere",
        "another channel, or without these cases",
    ),
    "copied-channel": Kind(
        "warning",
        "a channel repeats another in every voxel: it was missing",
        "the channel that is real, or without these cases",
    ),
    "copied-slice": Kind(
        "warning",
        "single slices in which a channel repeats another",
        "the channel that is real, or without these slices",
    ),
    "empty-plane": Kind(
        "warning",
        "a channel is one value in planes between others, or where another channel shows something",
        "without these slices; slices=all leaves them out where all channels are empty",
    ),
    "repeated-plane": Kind(
        "warning",
        "planes of one case that are equal in every pixel",
        "count them as one; every=2 takes every other",
    ),
    "empty-mask": Kind(
        "warning",
        "no lesion at all: nothing for a Dice",
        "slices=tumour or slices=largest leave these cases out",
    ),
    "empty-middle": Kind(
        "warning", "a lesion, but none in the middle slice", "slices=largest or slices=tumour"
    ),
    "label-outside-brain": Kind(
        "warning",
        "labels where there is no brain",
        "nothing where they are few: they stay labels; strip=true blanks the image there, not the"
        " mask",
    ),
    "duplicate": Kind(
        "warning", "equal pixels under several names", "take all copies but one out of the folder"
    ),
    "contradiction": Kind(
        "warning",
        "equal pixels with another class or another lesion",
        "look at both, and take the wrong one out",
    ),
    "duplicate-plane": Kind(
        "warning",
        "cases that share planes with equal pixels",
        Words(f"look at both: {call('data show')}"),
    ),
    "same-mask": Kind(
        "warning",
        "lesions of equal shape: likely the same scan",
        "look at both; keep them in one split",
    ),
    "near-duplicate": Kind(
        "warning",
        "pictures that nearly agree, perhaps turned, resized or compressed again",
        Words(f"look at both: {call('data show')}; keep them in one split"),
    ),
    "same-person": Kind(
        "note",
        "several cases of one person, in one split",
        "nothing: no split is broken; totals by patient count a person once for each name that data"
        " sets give",
    ),
    "background": Kind(
        "note",
        "a background that is not 0, or intensities below it",
        "nothing with window=percentile or zscore, which look at tissue alone; full and minmax take"
        " the background in",
    ),
    "note": Kind("note", "what the data set itself says", "nothing"),
}

"""The base of data sets of volumes: a subclass says where files lie and how one patient is read;
all else is shared.
"""

from __future__ import annotations

import re
import warnings
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from benchmark.errors import InputError, field
from benchmark.images.cache import Prepared, content_hash, prepared
from benchmark.images.persons import person_of, split_of_person
from benchmark.images.prepare import Box, Preparation, View, box_of, picture, view_of
from benchmark.images.scan import Scan
from benchmark.images.splits import Split, read_split
from benchmark.plugins.contracts import Dataset
from benchmark.plugins.index import source_hash
from benchmark.types import SPLITS, Sample, VolumeStatistics

# An edit of their code makes every prepared picture anew: the steps, and what reads files.
STEPS = ("scan.py", "prepare.py", "steps.py", "volumes.py")
READERS = ("brats.py", "itk.py", "nifti.py", "pairs.py", "pictures.py", "volumes.py")


class VolumeDataset(Dataset):
    """Data sets of volumes: subclasses offer `cases()` and `read(case)`, and take the options of
    Preparation beside their own.

    A subclass has `name`, `salt` (of its splits), `licence`, `citation` and `preparation`, its
    defaults of the shared options, a literal. `__init__(self, root=None, *, own options,
    **preparation)` calls `super().__init__(root, preparation, own=value, ...)`. Ids are
    CASE-NUMBER, the number that of the plane with three digits.
    """

    name: ClassVar[str]
    salt: ClassVar[str]
    preparation: ClassVar[dict[str, Any]] = {}

    def __init__(self, root: Path | None, preparation: Mapping[str, Any], **own: Any) -> None:
        try:
            self.how = Preparation(**{**self.preparation, **preparation})
        except InputError as error:
            raise InputError(
                f"{self.name} with {error.asked.marked}", error.found, error.todo
            ) from None
        self.root, self.own = root, own
        self._last: Scan | None = None
        self._views: dict[int | None, View] = {}
        self._box: Box | None = None

    # --- what a subclass offers

    @abstractmethod
    def cases(self) -> Mapping[str, Sequence[Path]]:
        """The files of each case by its name, all that `read` reads; raises InputError where the
        data are not there.
        """

    @abstractmethod
    def read(self, case: str) -> Scan:
        """The scan of a case; raises InputError that names the file where it cannot be used."""

    def numbers(self, case: str) -> Sequence[int]:
        """Numbers of a case's planes; a subclass that knows them without reading everything says so
        here.
        """
        return self.scan(case).numbers

    def areas(self, case: str) -> Sequence[int]:
        """Pixels of lesion in each plane; a subclass that can read labels alone does."""
        return self.scan(case).areas()

    def person(self, case: str) -> str:
        """Who a case is, the same in every data set where that is known."""
        return person_of(case)

    def patient(self, case: str) -> str:
        """The patient in tables: how the case's name begins."""
        return case

    # --- what it gets

    @cached_property
    def files(self) -> dict[str, Sequence[Path]]:
        """`cases()`, sorted by name and asked for once."""
        return dict(sorted(self.cases().items()))

    def split(self, case: str) -> str | None:
        """The split of a case: by who it is, whoever else is there, and the same in every data set
        where that is known.

        None where a file says who is in which split (--set splits=FILE), and this person is in
        none.
        """
        if self.how.splits:
            return read_split(Path(self.how.splits)).of(self.person(case))
        return split_of_person(self.person(case), self.salt)

    def split_file(self) -> Split:
        """The split of all that is there, to be written and cited."""
        persons = {}
        for case in self.files:
            split = self.split(case)
            if split is not None:
                persons[self.person(case)] = split
        return Split(persons)

    def ids(self, split: str) -> list[str]:
        # Sorted as ids: of the cases scan and scan-0, scan-0-000 comes before scan-000.
        found = []
        for case in self._of(split):
            found += [f"{case}-{number:03d}" for number in self._chosen(case)]
        return sorted(found)

    def load(self, sample_id: str) -> Sample:
        case, _, number = sample_id.rpartition("-")
        if case not in self.files or not re.fullmatch(r"\d{3,}", number):
            raise self._unknown(sample_id)
        plane = int(number)
        return self._prepared(case, {"plane": plane}, lambda: self._slice(case, plane))

    def volumes(self, split: str) -> list[str]:
        return self._of(split)

    def load_volume(self, sample_id: str) -> Sample:
        if sample_id not in self.files:
            raise self._unknown(sample_id)
        which = {"planes": self.how.planes}
        return self._prepared(sample_id, which, lambda: self._volume(sample_id))

    def scan(self, case: str) -> Scan:
        """The scan of a case, with what was warned of while it was read as notes; the last one is
        kept, so that memory does not grow.
        """
        if self._last is None or self._last.case != case:
            self._last, self._views, self._box = None, {}, None
            with warnings.catch_warnings(record=True) as told:
                warnings.simplefilter("always")
                scan = self.read(case)
            self._check_unchanged(case)
            notes = [str(warning.message) for warning in told if warning.category is UserWarning]
            self._last = replace(scan, notes=(*scan.notes, *notes)) if notes else scan
        return self._last

    # --- how

    def _of(self, split: str) -> list[str]:
        if split not in SPLITS:
            raise InputError(f"the split {split!r}", "no such split", "train, val or test")
        found, left = [], []
        for case in self.files:
            theirs = self.split(case)
            if theirs == split:
                found.append(case)
            elif theirs is None:
                left.append(case)
        if left and self.how.splits:
            warnings.warn(
                f"{self.name}: {self.how.splits} has no line for {len(left)} of {len(self.files)}"
                f" cases, such as {left[0]}: they are in no split",
                stacklevel=3,
            )
        return found

    def _unknown(self, sample_id: str) -> InputError:
        example = next(iter(self.files), "CASE")
        where = self.root or "$SINCO_BENCH_DATA"
        return InputError(
            f"{self.name} {sample_id}", f"no such slice in {where}", f"ids look like {example}-077"
        )

    def _chosen(self, case: str) -> list[int]:
        """Numbers of the planes of a case that the options choose."""
        try:
            # No content is asked for: of 484 cases, hashing it would take a minute.
            if self.how.slices == "middle":
                numbers = list(self.numbers(case))
                return [numbers[i] for i in self.how.choose([0] * len(numbers))]
            numbers = self._fact(case, "numbers")
            if self.how.slices != "all":
                return [numbers[i] for i in self.how.choose(self._fact(case, "areas"))]
            shown = zip(numbers, self._fact(case, "held"), strict=True)
            return [number for number, shows in shown if shows][:: self.how.every]
        # One damaged case must not hide the others: `load` says what is wrong with it.
        except InputError:
            return [0]

    def _fact(self, case: str, name: Literal["numbers", "areas", "held"]) -> list[int]:
        """Number, lesion area in pixels, or whether it shows anything (0 or 1), of each plane."""

        def make() -> Prepared:
            found = {"numbers": self.numbers, "areas": self.areas, "held": self._held}[name](case)
            self._check_unchanged(case)
            return {}, {"values": list(map(int, found))}

        values: list[int] = prepared(self._key(case) | {"fact": name}, make)[1]["values"]
        return values

    def _key(self, case: str) -> dict[str, Any]:
        """All that a scan is made from: its files, the data set's own options and its code."""
        if case not in self._contents:
            self._contents[case] = content_hash(self.files[case])
        return {
            "content": self._contents[case],
            "dataset": self.name,
            "case": case,
            "own": self.own,
            "source": self._source,
        }

    @cached_property
    def _contents(self) -> dict[str, str]:
        return {}

    @cached_property
    def _source(self) -> str:
        """Of the data set's code, and of all that makes a picture of its scans."""
        import inspect

        images, readers = Path(__file__).parent, Path(__file__).parents[1] / "files"
        hashes = [source_hash(Path(inspect.getfile(type(self))))]
        for name in STEPS:
            hashes.append(source_hash(images / name))
        for name in READERS:
            hashes.append(source_hash(readers / name))
        return " ".join(hashes)

    def _view(self, scan: Scan, k: int) -> View:
        which = k if self.how.per == "slice" else None
        if which not in self._views:
            self._views = {which: view_of(scan, self.how, which)}
        return self._views[which]

    def _slice(self, case: str, number: int) -> Sample:
        scan = self.scan(case)
        if number not in scan.numbers:
            found = f"it has slices {scan.numbers[0]} to {scan.numbers[-1]}"
            raise InputError(f"slice {number} of {self.name} {case}", found, "another slice")
        k = scan.numbers.index(number)
        if not scan.shows(k):
            raise InputError(
                f"slice {number} of {case}",
                "it is empty: one value everywhere",
                "another slice, such as slices=largest",
            )
        return self._picture(scan, k)

    def _picture(self, scan: Scan, k: int) -> Sample:
        if self._box is None:
            self._box = box_of(scan, self.how)
        return picture(
            scan,
            k,
            self.how,
            self._view(scan, k),
            self._box,
            sample_id=f"{scan.case}-{scan.numbers[k]:03d}",
            dataset=self.name,
            patient=self.patient(scan.case),
        )

    def _volume(self, case: str) -> Sample:
        """Planes around the largest lesion, or around the middle, one below the other."""
        scan = self.scan(case)
        areas, count = scan.areas(), min(self.how.planes or scan.shape[0], scan.shape[0])
        if count < 2:
            found = f"one plane of {scan.shape[0]}: that is a slice"
            raise InputError(
                f"the volume {case} of {self.name}", found, f"{field('dims', 2)}, or planes=32"
            )
        if self.how.per == "slice":
            raise InputError(
                f"per=slice with {field('dims', 3)}",
                "a volume has one window, for its file and for the networks",
                "per=volume",
            )
        center = int(np.argmax(areas)) if any(areas) else len(areas) // 2
        start = min(max(0, center - count // 2), max(0, len(areas) - count))
        return stacked(case, [self._picture(scan, k) for k in range(start, start + count)])

    def _held(self, case: str) -> list[bool]:
        scan = self.scan(case)
        return [scan.shows(k) for k in range(scan.shape[0])]

    def _check_unchanged(self, case: str) -> None:
        """Refuse what was read of files that changed meanwhile: it would be kept under what they
        were.
        """
        if case in self._contents and content_hash(self.files[case]) != self._contents[case]:
            del self._contents[case]
            raise InputError(
                f"{self.name} {case}", "its files changed while they were read", "run it again"
            )

    def _prepared(self, case: str, which: dict[str, Any], make: Callable[[], Sample]) -> Sample:
        """The sample that `make` returns, or the cache; what is to be noted of its scan is said
        either way.
        """
        key = self._key(case) | which | {"how": self.how.of_sample()}
        arrays, facts = prepared(key, lambda: _stored(make(), self.scan(case).notes))
        for note in facts["notes"]:
            warnings.warn(f"{self.name} {case}: {note}", stacklevel=3)
        plain: dict[str, Any] = facts["sample"] | arrays  # JSON knows no tuples
        for name in ("channels", "spacing_mm", "window"):
            plain[name] = tuple(plain[name])
        return Sample(**plain | {"volume": VolumeStatistics(**plain["volume"])})


def stacked(volume_id: str, planes: Sequence[Sample]) -> Sample:
    """A volume: its planes one below the other, [D * H, W, C]."""
    return replace(
        planes[0],
        id=volume_id,
        image=np.concatenate([plane.image for plane in planes]),
        mask=np.concatenate([plane.mask for plane in planes]),
        brain=np.concatenate([plane.brain for plane in planes]),
        depth=len(planes),
    )


def _stored(sample: Sample, notes: Sequence[str]) -> Prepared:
    """A sample as arrays, and facts that JSON can hold."""
    arrays = {"image": sample.image, "mask": sample.mask, "brain": sample.brain}
    facts = dict(vars(sample))
    for name in (*arrays, "hash"):
        facts.pop(name, None)
    facts["volume"] = asdict(sample.volume)
    return arrays, {"sample": facts, "notes": list(notes)}

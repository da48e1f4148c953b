"""The contract of a data set: patients in splits, images with masks."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from benchmark.errors import InputError, field
from benchmark.folders import data_folder
from benchmark.types import Sample

if TYPE_CHECKING:
    from benchmark.files.fetch import Source


class Dataset(Protocol):
    """Patients in splits, images with masks. Subclasses get the defaults of what they leave out.

    Constructed as `(root: Path | None = None, *, options)`; root: the folder of `--root`. A
    subclass says `licence` and `citation`, and offers `fetch`, `ids` and `load`.

    Ids are PATIENT-SLICE, stable, sorted, and mean the same image whatever else is selected. A
    patient is in one split only. `load` gives a Sample, in which `spacing_mm` is the size of a
    pixel in mm, (row, column), and `window` the source intensities that became 0 and 1.

    Files of volumes (NIfTI, .mha, DICOM) have a base of their own, VolumeDataset: a subclass says
    which files each case has and reads one as a Scan; its `numbers` are those of the planes, and
    `spacing_mm` there is (plane, row, column). Slices, windows, splits and volumes it then has.
    """

    licence: ClassVar[str]
    citation: ClassVar[str]
    # How it is had, for `data fetch`: a file that anyone may download, or OWNER/NAME on Kaggle;
    # get: what a person has to do, where no program can (a registration, a signature) or may.
    source: ClassVar[Source | None] = None
    kaggle: ClassVar[str] = ""
    get: ClassVar[str] = ""

    def fetch(self) -> Path | None:
        """Return the folder with the data (None where none is needed).

        Raises InputError with what to do where they are absent. It downloads nothing.
        """
        raise InputError(
            f"data set {type(self).__name__}",
            "it cannot be fetched by this version",
            f"put it in a folder by hand and pass {field('root', 'FOLDER')}",
        )

    def ids(self, split: str) -> list[str]:
        """Sorted sample ids of a split: train, val or test; raises InputError for another."""
        raise NotImplementedError

    def load(self, sample_id: str) -> Sample:
        """Read one sample: image float32 [H, W, C] in [0, 1], mask and brain bool [H, W].

        Raises InputError for an id that is not there, and naming the file where it cannot be used.
        """
        raise NotImplementedError

    def label(self, sample_id: str) -> str:
        """The class of a sample, where its id alone says so, else ""; `--limit` takes classes in
        turn.
        """
        return ""

    def samples(self, split: str) -> Iterator[Sample]:
        """All samples of a split, read one after the other."""
        return (self.load(sample_id) for sample_id in self.ids(split))

    def volumes(self, split: str) -> list[str]:
        """Sorted ids of a split's volumes, for `--dims 3`: PATIENT, or PATIENT-TEXT where a patient
        has several.
        """
        raise InputError(
            f"volumes of the data set {type(self).__name__}",
            "it has no volumes",
            f"{field('dims', 2)}, or another data set",
        )

    def load_volume(self, volume_id: str) -> Sample:
        """Read one volume: a Sample of `depth` planes, one below the other; raises InputError as
        `load` does.
        """
        raise InputError(
            f"the volume {volume_id} of {type(self).__name__}",
            "it has no volumes",
            f"{field('dims', 2)}, or another data set",
        )


def data_root(root: Path | str | None, name: str, inside: Sequence[str], marker: str) -> Path:
    """Find a data set's folder: `root` itself or a folder `inside` it that holds a match of the
    glob `marker`.

    Without `root`, $SINCO_BENCH_DATA takes its place, or where `data fetch` puts what it downloads.
    Raises InputError with what to type where nothing matches.
    """
    given = Path(root) if root is not None else None
    base = given or data_folder()
    if given is None and not os.environ.get("SINCO_BENCH_DATA") and not base.is_dir():
        raise InputError(
            f"the data set {name}",
            f"neither {field('root')} nor SINCO_BENCH_DATA says where it is",
            f"{field('root', 'FOLDER')}, the folder that holds {marker}",
        )
    if not base.is_dir():
        raise InputError(
            f"the data set {name} in {base}",
            "no such folder",
            f"{field('root', 'FOLDER')} that holds {marker}",
        )
    for folder in (base, *(base / part for part in inside)):
        if folder.is_dir() and next(folder.glob(marker), None) is not None:
            return folder
    raise InputError(
        f"the data set {name} in {base}",
        f"nothing there matches {marker}",
        f"{field('root', 'FOLDER')} that holds {marker} (looked in it and in {', '.join(inside)})",
    )

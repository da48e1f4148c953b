"""Write a data set of volumes without skulls, as files that the data set `folder` reads."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.errors import InputError, field
from benchmark.files.pairs import safe, stem_of
from benchmark.networks.brains import CLASSICAL, TRAINED
from benchmark.plugins import index
from benchmark.plugins.sets import Sets, dataset_with

if TYPE_CHECKING:
    import numpy as np

    from benchmark.images.scan import Scan
    from benchmark.images.volumes import VolumeDataset
    from benchmark.networks.checkpoints import Checkpoint

Find = Callable[["Scan"], "np.ndarray"]  # the brain, bool [Z, H, W]
Told = Callable[["StrippedCase", int, int], None]  # (a case, its number from 1, of how many)


@dataclass(frozen=True)
class StripRequest:
    """Which cases of which data set, what finds their brains, and the folder `out` to write.

    by: "classical", or a network that marks brains, NAME or NAME@FILE. size: pixels a side that it
    reads, default what its card says; planes: those that a network of volumes reads, 0 for those of
    each case. split: "train", "val", "test" or "all"; limit: the first cases only. force: use a
    network on a data set that it was not trained on.
    """

    name: str
    out: Path
    root: Path | None = None
    sets: Sets = ()
    by: str = CLASSICAL
    size: int | None = None
    planes: int = 0
    split: str = "all"
    limit: int | None = None
    force: bool = False
    device: str = "auto"


@dataclass(frozen=True)
class StrippedCase:
    """What became of a case: a share of it is brain, it was there already, or why it is left out.

    brain_share: of the volume; lesion_outside: share of its lesion outside the brain.
    """

    case: str
    was_there: bool = False
    failed: str = ""
    error: InputError | None = None
    brain_share: float = 0.0
    lesion_outside: float = 0.0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class StrippedFolder:
    """What is in the folder now. sets: the options with which the data set `folder` reads it.

    torn: a patient, as `folder` understands names, who is in two splits ("": nobody; else no
    splits.tsv is written).
    """

    out: Path
    cases: int
    split: str
    sets: tuple[str, ...]
    torn: str = ""


class Stripping:
    """A request that was checked: `run` writes case by case, `finish` says who is in which split.

    Raises InputError where the data set has no volumes, the network marks something else, no case
    is chosen, or the folder is another's.
    """

    def __init__(self, request: StripRequest) -> None:
        from benchmark.images.stripped import open_folder

        if request.limit is not None and request.limit < 1:
            todo = field("limit", 3)
            raise InputError(field("limit", request.limit), "it must be at least 1", todo)
        self.request = request
        self.dataset, options = _dataset(request)
        self.find, by = _find(request)
        self.cases = _cases(request, self.dataset)
        made = {"dataset": request.name, "options": options, "by": by}
        open_folder(request.out, made)

    def run(self, told: Told | None = None) -> list[StrippedCase]:
        """Write every case that is not there yet; a case that cannot be read stops nothing."""
        done: list[StrippedCase] = []
        for number, (name, case) in enumerate(self.cases.items(), 1):
            done.append(self._strip(name, case))
            if told is not None:
                told(done[-1], number, len(self.cases))
        return done

    def _strip(self, name: str, case: str) -> StrippedCase:
        from benchmark.images.stripped import is_written, write_stripped

        if is_written(self.request.out, name):
            return StrippedCase(case, was_there=True)
        try:
            scan = self.dataset.scan(case)
        except InputError as error:
            return StrippedCase(case, failed=error.found, error=error)
        brain = self.find(scan)
        if not brain.any():
            return StrippedCase(case, failed="no brain is found in it")
        write_stripped(scan, brain, self.request.out, name)
        share, outside = float(brain.mean()), _lesion_outside(scan, brain)
        notes = tuple(scan.notes)
        return StrippedCase(case, brain_share=share, lesion_outside=outside, notes=notes)

    def finish(self) -> StrippedFolder:
        """Write splits.tsv, by the names that `folder` gives to what is there."""
        from benchmark.files.writing import whole
        from benchmark.images.splits import Split

        out = self.request.out
        split = self.dataset.split(next(iter(self.cases.values()))) or "test"
        if not any((out / "images").glob("*.nii.gz")):
            return StrippedFolder(out, 0, split, ())
        masked = any((out / "masks").glob("*.nii.gz"))
        sets = [] if masked else ["masks="]
        made = index.get("dataset", "folder").load()(out, **({} if masked else {"masks": ""}))
        splits = self._splits(made)
        torn = sorted(person for person, found in splits.items() if len(found) > 1)
        if not torn:
            kept = Split({person: min(found) for person, found in splits.items()})
            whole(out / "splits.tsv", kept.text(self.request.name).encode())
            sets.append(f"splits={out / 'splits.tsv'}")
        sets += [f"{name}={value}" for name, value in self.dataset.preparation.items()]
        return StrippedFolder(out, len(made.files), split, tuple(sets), torn[0] if torn else "")

    def _splits(self, made: Any) -> dict[str, set[str]]:
        """Person, as `folder` understands names -> the splits that their cases are in."""
        of = {safe(case): self.dataset.split(case) for case in self.dataset.files}
        splits: dict[str, set[str]] = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # `folder` warns whoever reads it
            for case, files in made.files.items():
                split = of.get(stem_of(files[0]))
                if split is not None:
                    splits.setdefault(made.person(case), set()).add(split)
        return splits


def strip_dataset(
    request: StripRequest, told: Told | None = None
) -> tuple[list[StrippedCase], StrippedFolder]:
    """Write every case without its skull, and who is in which split; see `Stripping`.

    What is interrupted is whole as far as it came, and the same request goes on from there.
    """
    stripping = Stripping(request)
    try:
        done = stripping.run(told)
    finally:
        folder = stripping.finish()
    return done, folder


def _dataset(request: StripRequest) -> tuple[VolumeDataset, dict[str, Any]]:
    from benchmark.images.volumes import VolumeDataset

    dataset, options = dataset_with(request.name, request.root, request.sets)
    labels = index.get("dataset", request.name).declared["truth"] == "label"
    if not isinstance(dataset, VolumeDataset) or labels:
        classes = "its pictures come in classes, which a folder has none of"
        raise InputError(
            f"to strip {request.name}",
            classes if labels else "it has no volumes",
            "a data set of volumes, such as lgg, ms, nfbs or folder",
        )
    folder = dataset.fetch()
    if folder is not None and request.out.resolve() == folder.resolve():
        todo = f"{field('out')} with another folder"
        raise InputError(field("out", request.out), "it is the data set itself", todo)
    return dataset, options


def _find(request: StripRequest) -> tuple[Find, str]:
    """What finds a brain, and its name as the folder keeps it."""
    from benchmark.networks.strip import brain_of, size_of

    if request.by == CLASSICAL:
        return lambda scan: brain_of(scan, None), CLASSICAL
    from benchmark.networks.checkpoints import find_checkpoint

    checkpoint = find_checkpoint(request.by, request.name, force=request.force)
    _check_marks_brains(request, checkpoint)
    from benchmark.device import resolve_device
    from benchmark.networks.network import load_network

    size, planes = size_of(checkpoint.card, field("by", request.by), request.size), request.planes
    network = load_network(checkpoint, device=resolve_device(request.device))
    name = f"{checkpoint.name} {checkpoint.hash}, size {size}"
    if planes:
        name += f", planes {planes}"
    return lambda scan: brain_of(scan, network, size, planes), name


def _check_marks_brains(request: StripRequest, checkpoint: Checkpoint) -> None:
    if checkpoint.task != "mask" or checkpoint.target != "brain":
        masks = f"was trained to mark {checkpoint.target}s"
        raise InputError(
            field("by", request.by),
            f"it {masks if checkpoint.task == 'mask' else 'answers with a class'}, not brains",
            f"{field('by', CLASSICAL)}, or {TRAINED}",
        )
    if request.planes < 0 or (request.planes and checkpoint.dims != 3):
        raise InputError(
            field("planes", request.planes),
            "it reads slice by slice" if request.planes > 0 else "it must be at least 1",
            f"leave out {field('planes')}, or a network of volumes with {field('planes', 32)}",
        )


def _cases(request: StripRequest, dataset: VolumeDataset) -> dict[str, str]:
    """Name of the files -> case, of the chosen ones."""
    chosen = []
    for case in dataset.files:
        if request.split in ("all", dataset.split(case)):
            chosen.append(case)
    chosen = chosen[: request.limit]
    if not chosen:
        raise InputError(
            f"to strip {request.name} with {field('split', request.split)}",
            f"none of {len(dataset.files)} cases is in it",
            field("split", "all"),
        )
    names = {safe(case): case for case in chosen}
    if len({name.casefold() for name in names}) < len(chosen):
        found = "two cases have names that no files can tell apart"
        raise InputError(f"to strip {request.name}", found, "rename one of them")
    return names


def _lesion_outside(scan: Scan, brain: np.ndarray) -> float:
    """The share of a case's lesion that lies outside its brain; 0 without a lesion."""
    import numpy as np

    if scan.labels is None:
        return 0.0
    lesion = np.isin(scan.labels, scan.lesion)
    return float((lesion & ~brain).sum() / lesion.sum()) if lesion.any() else 0.0

"""ATLAS: T1-weighted MRI after stroke with lesion masks, in the layouts of releases 1 to 3."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.files.volumes import planes, read_volume
from benchmark.plugins import InputError, Scan, field, register
from benchmark.plugins.datasets._atlas import folder as nilearn_folder
from benchmark.plugins.datasets._release import NIFTI, Parts, Release

# Groups: the case, and what only the name of a mask has.
BIDS = (
    r"(sub-[a-z0-9]+_ses-[a-z0-9]+)(?:_space-[a-z0-9]+)?"
    rf"(?:(_label-[a-z]+_desc-T1lesion_mask)|(?:_desc-[a-z]+)?_T1w){NIFTI}"
)
FIRST = (
    rf"(\d{{6}}|c\d{{4}}s\d{{4}}t\d{{2}})_(?:t1w(?:_deface)?|(LesionSmooth(?:_\d+)?))_stx{NIFTI}"
)


@register.dataset("atlas", requires=("nibabel", "zlib_ng", "nilearn"))
class Atlas(Release):
    """ATLAS: 655 T1-weighted MRIs after stroke (release 2.0), in MNI space, with masks of the
    lesions.

    Reads
    `Training/R001/sub-r001s001/ses-1/anat/sub-r001s001_ses-1_space-MNI152NLin2009aSym_T1w.nii.gz`
    and `..._label-L_desc-T1lesion_mask.nii.gz`, and releases 1.1 and 1.2
    (`031768_t1w_deface_stx.nii.gz` and all `031768_LesionSmooth*_stx.nii.gz`, joined). A sample is
    called sub-r001s001_ses-1-094. `drop`: planes left out at either end of the volume; 50, as prior
    work does, and `fit` pads to a square. The test set, whose masks are hidden, has no place in the
    splits: a warning counts it. Brain: that of the MNI152 template (in nilearn's wheel) on its grid
    of 197 x 233 x 189, which the images are registered to linearly; on another grid, with a
    warning, where T1w differs from the corners of its volume.
    """

    name = "atlas"
    salt = "atlas-0"
    preparation = {"slices": "largest"}
    licence = (
        "Data use agreement that is signed for access (INDI; ICPSR 36684): research, nothing"
        " handed on"
    )
    citation = (
        "Liew et al., A large, curated, open-source stroke neuroimaging dataset to improve lesion"
        " segmentation algorithms, Scientific Data 9 (2022) 320; release 1: Liew et al., Scientific"
        " Data 5 (2018) 180011"
    )
    where = "atlas"
    pattern = f"{BIDS}|{FIRST}"
    get = (
        "ask for ATLAS R2.0 at fcon_1000.projects.nitrc.org/indi/retro/atlas.html (a data use"
        " agreement), decrypt and unpack it to a folder called ATLAS_2"
    )
    wanted = ("t1",)

    def __init__(self, root: Path | None = None, *, drop: int = 50, **preparation: Any) -> None:
        if drop < 0:
            raise InputError(
                f"atlas with drop={drop}", "it must be at least 0", "drop=50, or drop=0: all planes"
            )
        super().__init__(root, preparation, drop=drop)

    def find(self) -> dict[str, Parts]:
        first = [path for path in self.found if re.fullmatch(FIRST, path.name, re.IGNORECASE)]
        if first and len(first) < len(self.found):
            raise InputError(
                f"the data set atlas in {self.folder}",
                f"release 1 ({first[0]}) beside a later one, which holds the same "
                "patients under other names",
                f"{field('root')} one of the releases",
            )
        files: dict[str, dict[str, list[Path]]] = {}
        for path in self.found:
            named = re.fullmatch(FIRST if first else BIDS, path.name, re.IGNORECASE)
            assert named is not None  # files are found by these patterns
            case = named[1]
            if case.isdigit():  # 031768_t01: its folder is the date
                case = f"{case}_{path.parent.name}"
            part = "mask" if named[2] else "t1"
            files.setdefault(case, {"t1": [], "mask": []})[part].append(path)
        found = {}
        for case, paths in files.items():
            twice = paths["t1"] if len(paths["t1"]) > 1 else []
            if len(paths["mask"]) > 1 and not first:  # release 1 has a mask a lesion
                twice = [*twice, *paths["mask"]]
            found[case] = Parts(
                {"t1": paths["t1"][0]} if paths["t1"] else {},
                paths["mask"],
                known=() if first else (0, 1),
                release="ATLAS",
                twice=twice,
            )
        return found

    def patient(self, case: str) -> str:
        """sub-r001s001 of sub-r001s001_ses-1, 031768 of 031768_t01, c0003s0002 of c0003s0002t01."""
        return re.sub(r"_ses-[a-z0-9]+$|_?t\d{2}$", "", case, flags=re.IGNORECASE)

    def person(self, case: str) -> str:
        return f"ATLAS_{self.patient(case)}"

    def numbers(self, case: str) -> Sequence[int]:
        numbers: Sequence[int] = super().numbers(case)
        return numbers[self._kept(len(numbers), case)]

    def areas(self, case: str) -> list[int]:
        areas: list[int] = super().areas(case)
        return areas[self._kept(len(areas), case)]

    def read(self, case: str) -> Scan:
        scan: Scan = super().read(case)
        assert scan.labels is not None  # a Release reads them always
        kept = self._kept(len(scan.numbers), case)
        brain = template_brain()
        fits = brain.shape == scan.shape
        notes = (
            ()
            if fits
            else (
                (
                    f"its grid of {' x '.join(map(str, scan.shape[::-1]))} voxels is not the"
                    " template's: brain is all that differs from the corners"
                ),
            )
        )
        return replace(
            scan,
            channels={name: voxels[kept] for name, voxels in scan.channels.items()},
            numbers=scan.numbers[kept],
            labels=scan.labels[kept],
            brain=brain[kept] if fits else None,
            notes=notes,
        )

    def _kept(self, depth: int, case: str) -> slice:
        drop = self.own["drop"]
        if depth <= 2 * drop:
            raise InputError(
                f"atlas {case} with drop={drop}",
                f"it has {depth} planes, and {2 * drop} would be left out",
                "drop=0",
            )
        return slice(drop, depth - drop)


@cache
def template_brain() -> np.ndarray:
    """The brain of the MNI152 template (ICBM 2009a nonlinear symmetric, skull-stripped), bool [189,
    233, 197].
    """
    return (
        planes(read_volume(nilearn_folder() / "mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"))
        > 0
    )

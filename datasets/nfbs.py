"""NFBS: T1-weighted MRI of the head with masks of the brain: skull stripping, in the layout of the
release.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmark.plugins import Scan, register
from benchmark.plugins.datasets._release import NIFTI, Parts, Release

FILE = rf"sub-([A-Z0-9]+)_ses-[A-Z0-9]+_T1w(_brainmask)?{NIFTI}"


@register.dataset("nfbs", requires=("nibabel", "zlib_ng"), truth="brain")
class Nfbs(Release):
    """NFBS (Neurofeedback Skull-stripped): 125 defaced T1-weighted MRIs of the head with masks of
    the brain, which are to be found.

    Reads `NFBS_Dataset/A00028185/sub-A00028185_ses-NFB3_T1w.nii.gz` and `..._T1w_brainmask.nii.gz`;
    the stripped `..._T1w_brain.nii.gz` is not needed. A sample is called A00028185-128. The mask is
    the brain's, and PSNR over the brain is taken inside it. Windows are over what differs from the
    corners of the volume.
    """

    name = "nfbs"
    salt = "nfbs-0"
    preparation = {"slices": "middle"}
    licence = (
        "terms of the Enhanced Nathan Kline Institute - Rockland Sample (its page names no licence"
        " of its own)"
    )
    citation = (
        "Puccio et al., The preprocessed connectomes project repository of manually corrected"
        " skull-stripped T1-weighted anatomical MRI data, GigaScience 5 (2016) 45"
    )
    where = "nfbs"
    pattern = FILE
    get = (
        "download fcp-indi.s3.amazonaws.com/data/Projects/RocklandSample/NFBS_Dataset.tar.gz (1.9"
        " GB; see preprocessed-connectomes-project.org/NFB_skullstripped for its terms) and unpack"
        " it to NFBS_Dataset"
    )
    wanted = ("t1",)

    def __init__(self, root: Path | None = None, **preparation: Any) -> None:
        super().__init__(root, preparation)

    def find(self) -> dict[str, Parts]:
        files: dict[str, dict[bool, Path]] = {}
        twice: dict[str, list[Path]] = {}
        for path in self.found:
            named = re.fullmatch(FILE, path.name, re.IGNORECASE)
            assert named is not None  # files are found by this pattern
            known = files.setdefault(named[1], {}).setdefault(bool(named[2]), path)
            if known != path:
                twice.setdefault(named[1], []).extend((known, path))
        return {
            case: Parts(
                {"t1": found[False]} if False in found else {},
                [found[True]] if True in found else [],
                release="NFBS",
                twice=twice.get(case, ()),
            )
            for case, found in files.items()
        }

    def read(self, case: str) -> Scan:
        scan: Scan = super().read(case)
        assert scan.labels is not None  # a Release reads them always
        return replace(scan, brain=scan.labels > 0)

"""open_ms_data: patients with multiple sclerosis, four channels with masks of the lesions, in the
repository's layouts.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Literal

from benchmark.plugins import InputError, register
from benchmark.plugins.datasets._release import NIFTI, Parts, Release

CHANNELS = ("t1", "t1post", "t2", "flair")
MNI = {
    "t1": r"T1_N4_.+",
    "t1post": r"T1POST_N4_.+",
    "t2": r"T2_N4_.+",
    "flair": r"FLAIR_N4_.+",
    "labels": r"GOLD_STANDARD_.+",
}
FLAIR = {
    part: rf"(?:patient\d+_)?{name}"
    for part, name in {
        "t1": "T1W",
        "t1post": "T1WKS",
        "t2": "T2W",
        "flair": "FLAIR",
        "labels": "consensus_gt",
        "brain": "brainmask",
    }.items()
}
SPACES = {"MNI": MNI, "coregistered": FLAIR, "raw": FLAIR}


@register.dataset("ms", requires=("nibabel", "zlib_ng"))
class Ms(Release):
    """open_ms_data: 30 patients with multiple sclerosis, T1 (and T1 with contrast, T2, FLAIR)
    volumes with masks of the lesions.

    Reads `cross_sectional/SPACE/patientNN`. `space`: MNI (skull-stripped, registered to the MNI152
    template at 1 mm), coregistered (with head, in FLAIR's space, with a brain mask) or raw (as
    scanned: only FLAIR lies as the mask does). Masks are the consensus of three raters. A sample is
    called patient07-094. Brain: the brain mask where the space has one, else where a channel
    differs from the corners of its volume.
    """

    name = "ms"
    # the first of ms-0, ms-1, ... by which patient07, all that a partial copy has, is in test (of
    # all 30: 19, 4, 7)
    salt = "ms-3"
    preparation = {"slices": "largest"}
    licence = "CC BY (as stated in the archive)"
    citation = (
        "Lesjak et al., A Novel Public MR Image Dataset of Multiple Sclerosis Patients With Lesion"
        " Segmentations Based on Multi-rater Consensus, Neuroinformatics 16 (2018) 51-63"
    )
    where = "open_ms_data"
    pattern = f"(?:{'|'.join((*MNI.values(), *FLAIR.values()))}){NIFTI}"
    get = (
        "git clone https://github.com/muschellij2/open_ms_data (CC BY; some GB) to a folder"
        " open_ms_data"
    )

    def __init__(
        self,
        root: Path | None = None,
        *,
        channel: Literal["t1", "t1post", "t2", "flair", "all"] = "t1",
        space: Literal["MNI", "coregistered", "raw"] = "MNI",
        **preparation: Any,
    ) -> None:
        for name, given, known in (
            ("channel", channel, (*CHANNELS, "all")),
            ("space", space, SPACES),
        ):
            if given not in known:
                raise InputError(
                    f"ms with {name}={given}", "no such choice", f"{name}={', '.join(known)}"
                )
        if space == "raw" and channel != "flair":
            raise InputError(
                f"ms with space=raw, channel={channel}",
                "raw channels lie in spaces of their own, and the mask in FLAIR's",
                "channel=flair, or space=coregistered",
            )
        super().__init__(root, preparation, channel=channel, space=space)
        self.wanted = CHANNELS if channel == "all" else (channel,)

    def find(self) -> dict[str, Parts]:
        files: dict[str, dict[str, Path]] = {}
        twice: dict[str, list[Path]] = {}
        for path in self.found:
            case, space = path.absolute().parent.name, path.absolute().parents[1].name
            for part, called in SPACES[self.own["space"]].items():
                if space == self.own["space"] and re.fullmatch(
                    called + NIFTI, path.name, re.IGNORECASE
                ):
                    if (known := files.setdefault(case, {}).setdefault(part, path)) != path:
                        twice.setdefault(case, []).extend((known, path))
        if not files:
            there = sorted({path.absolute().parents[1].name for path in self.found} & set(SPACES))
            raise InputError(
                f"ms with space={self.own['space']} in {self.folder}",
                f"no {self.own['space']}/patientNN with volumes in it",
                f"space={', '.join(there or SPACES)}",
            )
        return {
            case: Parts(
                {name: found[name] for name in CHANNELS if name in found},
                [found["labels"]] if "labels" in found else [],
                found.get("brain"),
                release="open_ms_data",
                twice=twice.get(case, ()),
            )
            for case, found in files.items()
        }

    def person(self, case: str) -> str:
        return f"open_ms_{case}"  # other releases have a patient07, too

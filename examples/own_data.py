"""Compress your own images: a folder with images/ and masks/ of equal names.

    python examples/own_data.py FOLDER       your pairs: PNG, TIFF, NIfTI, ...
    python examples/own_data.py              four made ones, in a temporary folder

Files whose names differ in a last number count as one patient (scan_1, scan_2); where yours do not,
say who is who: sets={"patient": "(.+)_\\d+"}. The network that comes along was trained on other
images, hence `force`: train one of your own before you believe a Dice, with
`python -m benchmark train --segmenter unet --dataset folder --root FOLDER`.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import benchmark as sb
from benchmark.images.splits import Split
from benchmark.plugins import index

WEIGHTS = Path(__file__).parents[1] / "segmenters" / "weights" / "unet-mni-lesion.safetensors"
PATIENTS = ("anna", "bert", "carla", "dora")


def make_pairs(folder: Path) -> Path:
    """Write PNG pairs as you may have them: images/anna.png, masks/anna.png with 0 and 255."""
    embedded = index.get("dataset", "mni-lesion").load()()
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for patient, sample_id in zip(PATIENTS, embedded.ids("test"), strict=False):
        sample = embedded.load(sample_id)
        pixels = np.rint(sample.image[..., 0] * 255).astype(np.uint8)
        mask = sample.mask.astype(np.uint8) * 255
        Image.fromarray(pixels).save(folder / "images" / f"{patient}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{patient}.png")
    return folder


def everybody_is_tested(root: Path, scratch: Path) -> Path:
    """Write who is in which split: nobody is trained on here, so all images may be tested."""
    patients = sorted(path.stem for path in (root / "images").iterdir())
    path = scratch / "splits.tsv"
    path.write_text(Split(dict.fromkeys(patients, "test")).text("folder"), encoding="utf-8")
    return path


def main(root: Path, scratch: Path, sets: dict[str, Any] | None = None, **options: Any) -> sb.Run:
    """Fit every image of the folder, print where SINCO loses, and return the run."""
    asked = {
        "dataset": "folder",
        "root": root,
        "sets": {"splits": everybody_is_tested(root, scratch), **(sets or {})},
        "segmenter": f"unet@{WEIGHTS}",
        "force": True,
        "lam": [1e-4],
        "seeds": range(3),
        "out": scratch / "run",
    }
    run = sb.run("siren", **(asked | options))
    print(run)
    print(run.underperformers().to_string(index=False))
    return run


if __name__ == "__main__":
    temporary = Path(tempfile.mkdtemp(prefix="own-data-"))
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else make_pairs(temporary / "pairs")
    main(folder, temporary).close()

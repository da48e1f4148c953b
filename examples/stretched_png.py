"""Who wins, SINCO or its plain twin, when pictures are saved by `plt.imsave(cmap="gray")` before
they are scored?

imsave maps each picture's own minimum and maximum to 0 and 255, so a bright or a dark pixel more
changes the gray of all others. This script decodes the stored files of a run, scores them as they
are and as such a PNG would have them, and prints both differences in PSNR, image by image.

    python -m benchmark run --inr siren --lambda 1e-5 --out first
    python examples/stretched_png.py first
    python examples/stretched_png.py first --csv stretched.csv
"""

from __future__ import annotations

import argparse
import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from matplotlib.image import imsave
from PIL import Image

from benchmark.bitstream import decode
from benchmark.score.metrics import image_scores
from benchmark.store.store import Store
from benchmark.store.view import Scored, is_sinco
from benchmark.types import Sample


@dataclass(frozen=True)
class Pair:
    """A SINCO fit less its plain twin, in dB of PSNR: scored as decoded, and as a stretched PNG."""

    image: str
    inr: str
    lam: float
    seed: int
    decoded_db: float
    stretched_db: float

    @property
    def turns(self) -> bool:
        """Whether stretching alone names another winner."""
        return np.sign(self.decoded_db) != np.sign(self.stretched_db)


def stretched_png(image: np.ndarray) -> np.ndarray:
    """What `plt.imsave(cmap="gray")` writes of each channel, read back: [H, W, C] -> [H, W, C]."""
    channels = []
    for channel in np.moveaxis(image, -1, 0):
        file = io.BytesIO()
        imsave(file, channel, cmap="gray", format="png")
        gray = np.asarray(Image.open(file).convert("RGB"), np.float32)[..., 0] / 255
        channels.append(gray)
    return np.stack(channels, -1)


def pairs(folder: Path) -> Iterator[Pair]:
    """Every SINCO fit of a run's slices that has a plain twin, scored both ways."""
    with Store(folder, create=False) as store:
        scored = Scored(store)
        for row in scored.rows:
            twin = scored.by_key.get(row.facts.get("twin") or "")
            if not is_sinco(row) or row.status != "ok" or twin is None or twin.status != "ok":
                continue
            sample = store.sample(row.sample_hash)
            if sample is None:
                raise SystemExit(f"{folder} holds no originals: score a run of your own")
            if sample.depth > 1:
                raise SystemExit(f"{folder} holds volumes, and a PNG holds one slice")
            sinco, plain = (
                psnr_db(sample, scored.data(row.key)),
                psnr_db(sample, scored.data(twin.key)),
            )
            facts = row.facts
            yield Pair(
                facts["sample_id"],
                facts["inr"],
                facts["lambda"],
                facts["seed"],
                sinco[0] - plain[0],
                sinco[1] - plain[1],
            )


def psnr_db(sample: Sample, data: bytes) -> tuple[float, float]:
    """PSNR of a file in dB: as it is decoded, and as a stretched PNG."""
    image = decode(data).image
    as_decoded = image_scores(sample.image, image, sample.brain)["psnr_db"]
    as_png = image_scores(sample.image, stretched_png(image), sample.brain)["psnr_db"]
    return as_decoded, as_png


def show(found: Sequence[Pair]) -> None:
    """Print the differences, and how many winners change."""
    width = max(len(pair.image) for pair in found)
    print(f"{'image':<{width}}  {'backbone':<14}  lambda  seed  decoded  stretched")
    for pair in found:
        said = "  another winner" if pair.turns else ""
        print(
            f"{pair.image:<{width}}  {pair.inr:<14}  {pair.lam:<6g}  {pair.seed:>4}"
            f"  {pair.decoded_db:>+7.2f}  {pair.stretched_db:>+9.2f}{said}"
        )
    turned = sum(pair.turns for pair in found)
    print(f"PSNR of SINCO - plain in dB; another winner in {turned} of {len(found)} pairs")


def write_csv(found: Sequence[Pair], path: Path) -> None:
    """One row a pair."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*(field.name for field in fields(Pair)), "turns"])
        for pair in found:
            image, inr, lam, seed, decoded_db, stretched_db = astuple(pair)
            differences = f"{decoded_db:.4f}", f"{stretched_db:.4f}"
            writer.writerow([image, inr, f"{lam:g}", seed, *differences, pair.turns])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="the --out of a run")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write the differences there too")
    args = parser.parse_args()
    found = sorted(pairs(args.folder), key=lambda pair: (pair.image, pair.lam, pair.seed))
    if not found:
        raise SystemExit(f"{args.folder} holds no SINCO fit with a plain twin")
    show(found)
    if args.csv:
        write_csv(found, args.csv)


if __name__ == "__main__":
    main()

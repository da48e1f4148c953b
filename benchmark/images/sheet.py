"""A contact sheet: many samples side by side, the outline of each mask, and ids to find them by."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmark.errors import InputError, field
from benchmark.files.writing import replacing
from benchmark.types import Sample

TILE, CAPTION = 256, 14  # pixels
LIGHT = (200, 200, 200)
BRIGHTEST = 97  # percentile of an image's tissue that is shown white
WINDOW = (
    f"shown from 0 to the {BRIGHTEST:g}th percentile of each image's tissue; files and scores are"
    " of the values as they are"
)
OUTLINE = np.array([255, 64, 64], np.uint8)


def contact_sheet(samples: Sequence[Sample], columns: int = 4) -> np.ndarray:
    """RGB uint8 picture of `samples` in rows: each plain and with the outline of its lesion; plain
    only where no sample has one.

    Images of one channel are gray, of three RGB; other numbers show the first. Sizes may differ:
    each is scaled to its tile, and brightened for the eye: see WINDOW.
    """
    from PIL import Image, ImageDraw

    tiles = 2 if any(sample.has_lesion for sample in samples) else 1
    columns = columns * 2 // tiles
    width, rows = tiles * TILE, -(-len(samples) // columns)
    sheet = Image.new("RGB", (columns * width, rows * (TILE + CAPTION) + CAPTION))
    draw = ImageDraw.Draw(sheet)
    for i, sample in enumerate(samples):
        x, y = i % columns * width, i // columns * (TILE + CAPTION)
        for k, picture in enumerate(_pictures(sample)[:tiles]):
            sheet.paste(Image.fromarray(picture), (x + k * TILE, y + CAPTION))
        name, facts = caption(sample)
        kept = len(name)
        while (
            kept > 4 and draw.textlength(name + facts) > width - 8
        ):  # ids are told apart by their ends as often as by their starts
            kept -= 1
            name = f"{sample.id[: kept // 2]}..{sample.id[-(kept - kept // 2) :]}"
        draw.text((x + 4, y + 1), name + facts, fill=LIGHT)
    draw.text((4, rows * (TILE + CAPTION) + 1), WINDOW, fill=LIGHT)
    return np.asarray(sheet)


def caption(sample: Sample) -> tuple[str, str]:
    """Id, and: class of a picture that has one, else slice number and lesion; size in pixels."""
    height, width = sample.mask.shape
    lesion = f"lesion {int(sample.mask.sum()):,} px" if sample.has_lesion else "no lesion"
    what = f"class {sample.label}" if sample.label else f"slice {sample.slice_index}   {lesion}"
    return sample.id, f"   {what}   {height} x {width}"


def save_sheet(samples: Sequence[Sample], path: Path, columns: int = 4) -> Path:
    """Write the contact sheet as a PNG."""
    from PIL import Image

    if path.suffix.lower() != ".png":
        raise InputError(
            field("out", path), "a contact sheet is a PNG", field("out", path.with_suffix(".png"))
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        Image.fromarray(contact_sheet(samples, columns)).save(beside)
    return path


def outline(mask: np.ndarray) -> np.ndarray:
    """The pixels of `mask` [H, W] that touch its outside, by their four neighbours."""
    padded = np.pad(mask, 1)
    inner = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    touching: np.ndarray = mask & ~inner
    return touching


def brightened(image: np.ndarray, brain: np.ndarray) -> np.ndarray:
    """[H, W, C] in [0, 1] as it is shown: see WINDOW. One factor for all channels, so that colors
    keep their hue. brain: [H, W]; where none is marked, all that is not zero.
    """
    tissue = image[brain] if brain.any() else image
    tissue = tissue[tissue > 0]
    if tissue.size == 0:
        return image
    shown: np.ndarray = np.clip(image / np.percentile(tissue, BRIGHTEST), 0, 1)
    return shown


def _pictures(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """The sample as RGB uint8 tiles, plain and with the outline."""
    channels = brightened(sample.image, sample.brain)
    if channels.shape[2] != 3:
        channels = np.repeat(channels[..., :1], 3, axis=2)
    height, width = sample.mask.shape
    side = max(height, width)
    at = np.arange(TILE) * side // TILE  # nearest pixel: what is shown is what is there
    rows, columns = np.meshgrid(at, at, indexing="ij")
    inside = (rows < height) & (columns < width)
    rows, columns = np.minimum(rows, height - 1), np.minimum(columns, width - 1)
    plain = np.round(channels[rows, columns] * 255 * inside[..., None]).astype(np.uint8)
    marked = plain.copy()
    marked[outline(sample.mask[rows, columns] & inside)] = OUTLINE
    return plain, marked

"""`--bpp`: the size and bit width that meet a rate in real bytes with the best PSNR.

For each bit width the largest network that fits is known exactly, since files have fixed-length
weights. Which of them is best depends on the backbone, the recipe and the image size, so it is
measured: each candidate is fitted at lambda 0 to pilot images of the train split, written, decoded
and scored. The choice is stored, and made once.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from benchmark.bitstream import Header, decode, encode, file_bytes
from benchmark.errors import InputError, field
from benchmark.fit.engine import Member, fit
from benchmark.fit.render import build
from benchmark.images.grid import dims
from benchmark.plan.cells import FIT_VERSION, Cell
from benchmark.plugins import index
from benchmark.plugins.choice import Choice
from benchmark.runner.failures import reason_of
from benchmark.score.metrics import image_scores
from benchmark.store.store import Store
from benchmark.types import GridKind, Recipe, Sample, extent

LOG = logging.getLogger("benchmark")
BIT_WIDTHS = range(6, 17)
CANDIDATES = 4  # how many (size, bits) are measured
PILOTS = 2


@dataclass(frozen=True)
class Sized:
    """A backbone with its size and bit width settled, and the bytes of its files (a seed above 127
    adds 1 to 4).
    """

    inr: Choice
    bits: int
    bytes: int


def header_for(inr: Choice, bits: int, sample: Sample, seed: int, grid: GridKind) -> Header:
    height, width, channels = sample.image.shape
    return Header(
        name=inr.name,
        args=dict(inr.args),
        height=height // sample.depth,
        width=width,
        channels=channels,
        bits=bits,
        seed=seed,
        window=sample.window,
        grid=grid,
        depth=sample.depth,
    )


def settle(
    cell: Cell,
    sample: Sample,
    pilots: Callable[[], Sequence[Sample]],
    store: Store,
    *,
    device: str,
    say: Callable[[str], None],
    kernel: str = "auto",
) -> Sized:
    """The size and bit width of a cell's backbone; measured where several would do, and then
    remembered in the store.

    A candidate whose pilots fail loses to every other. Raises InputError where no size of the
    backbone is small enough.
    """
    candidates = _candidates(cell, sample)
    if len(candidates) == 1:
        return candidates[0]
    images = pilots()
    # Pilots have no penalty, and twins of one fit must agree on its size.
    recipe = replace(cell.recipe, penalty_every=1)
    what = _question(cell, recipe, images)
    key = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:24]
    found = store.recall("rates", key)
    if found is None:
        say(
            f"{cell.inr.name}: measuring {len(candidates)} pairs of size and bit width at"
            f" {cell.rate.bpp} bpp"
        )
        # A pilot that stops at a target says nothing of its size.
        whole = replace(cell, recipe=replace(recipe, stop_at_db=None, patience=None))
        psnr = [_pilot_psnr(one, whole, images, device, kernel) for one in candidates]
        found = _answer(candidates, psnr, what)
        if any(value is not None for value in psnr):
            # Where every pilot failed, the next run may know better.
            store.remember("rates", key, found)
    return candidates[int(found["best"])]


def _question(cell: Cell, recipe: Recipe, pilots: Sequence[Sample]) -> dict[str, Any]:
    """All that the choice of a size depends on."""
    what = {
        "inr": asdict(cell.inr),
        "rate": asdict(cell.rate),
        "recipe": asdict(recipe),
        "fidelity": cell.fidelity,
        "shape": cell.shape,
        "pilots": [sample.hash for sample in pilots],
        "fit_version": FIT_VERSION,
    }
    if cell.depth > 1:
        what["depth"] = cell.depth
    return what


def _answer(
    candidates: Sequence[Sized], psnr: Sequence[float | None], what: dict[str, Any]
) -> dict[str, Any]:
    """What the store remembers: the best candidate, and what all of them reached."""
    reached, sizes, bits, lengths = [], [], [], []
    for one, value in zip(candidates, psnr, strict=True):
        reached.append(-np.inf if value is None else value)
        sizes.append(dict(one.inr.args))
        bits.append(one.bits)
        lengths.append(one.bytes)
    return {
        "best": int(np.argmax(reached)),
        "psnr_db": psnr,
        "sizes": sizes,
        "bits": bits,
        "bytes": lengths,
        "what": what,
    }


def _candidates(cell: Cell, sample: Sample) -> list[Sized]:
    """Sizes that meet the rate, largest bit width first; one only where size or bit width leave no
    choice.
    """
    declared = index.get("inr", cell.inr.name).declared
    size, rate = declared["size"], cell.rate
    widths = [rate.bits] if rate.bits is not None else list(BIT_WIDTHS)
    if size is None or size in dict(cell.inr.args):
        sized = [_at(cell, cell.inr, bits, sample) for bits in widths]
        if rate.bpp is None:
            return sized[-1:]
        budget = _budget(rate.bpp, sample)
        fitting = [one for one in sized if one.bytes <= budget]
        if not fitting:
            raise _too_small(cell, sample, sized[0])
        return fitting[-1:]
    best: dict[Any, Sized] = {}  # of each size the most bits: fewer would only be worse
    for bits in widths:
        found = largest(cell, sample, bits)
        if found is not None:
            best[dict(found.inr.args)[size]] = found
    if not best:
        smallest = _with_size(cell.inr, declared["sizes"][0])
        raise _too_small(cell, sample, _at(cell, smallest, widths[0], sample))
    # The winners lay at 8 to 10 bits.
    middle = sorted(best.values(), key=lambda one: (abs(one.bits - 9.5), one.bits))
    return sorted(middle[:CANDIDATES], key=lambda one: -one.bits)


def _at(cell: Cell, inr: Choice, bits: int, sample: Sample) -> Sized:
    """A backbone at a bit width, with the length of its files."""
    header = header_for(inr, bits, sample, 0, cell.recipe.grid)
    return Sized(inr, bits, file_bytes(_tensors(inr, sample), header))


def largest(cell: Cell, sample: Sample, bits: int) -> Sized | None:
    """The largest size whose file stays within the rate, by bisection; None where even the smallest
    does not.
    """
    low, high = index.get("inr", cell.inr.name).declared["sizes"]
    assert cell.rate.bpp is not None
    budget = _budget(cell.rate.bpp, sample)
    found = None
    while low <= high:
        middle = (low + high) // 2
        sized = _at(cell, _with_size(cell.inr, middle), bits, sample)
        if sized.bytes <= budget:
            found, low = sized, middle + 1
        else:
            high = middle - 1
    return found


def _with_size(inr: Choice, value: int) -> Choice:
    size = index.get("inr", inr.name).declared["size"]
    args = {**dict(inr.args), size: value}
    return Choice(inr.kind, inr.name, tuple(sorted(args.items())), inr.source)


def _tensors(inr: Choice, sample: Sample) -> list[int]:
    """Numbers in each parameter of a backbone for such a sample."""
    module = build(inr, sample.image.shape[2], 0, dims(sample.depth))
    return [p.numel() for p in module.parameters()]


def _budget(bpp: float, sample: Sample) -> int:
    return int(bpp * sample.image.shape[0] * sample.image.shape[1] / 8)


def _too_small(cell: Cell, sample: Sample, smallest: Sized) -> InputError:
    pixels = sample.image.shape[0] * sample.image.shape[1]
    return InputError(
        f"{cell.inr.name} at {cell.rate.bpp} bpp on {extent(sample.image.shape, sample.depth)}",
        f"its smallest file has {smallest.bytes} bytes, {8 * smallest.bytes / pixels:.2f} bpp",
        f"{field('bpp', round(8 * smallest.bytes / pixels + 0.01, 2))} or more",
    )


def _pilot_psnr(
    candidate: Sized, cell: Cell, pilots: Sequence[Sample], device: str, kernel: str
) -> float | None:
    """Mean PSNR (dB) of the decoded pilots; None where one fails, for whatever reason: the fits
    that follow will say which.
    """
    try:
        fitted = fit(
            candidate.inr,
            [Member(sample) for sample in pilots],
            cell.recipe,
            fidelity=cell.fidelity,
            device=device,
            kernel=kernel,
        )
        scores = []
        for sample, state in zip(pilots, fitted.states, strict=True):
            header = header_for(candidate.inr, candidate.bits, sample, 0, cell.recipe.grid)
            image = decode(encode(header, state)).image
            found = image_scores(sample.image, image, sample.brain, sample.depth)
            scores.append(found["psnr_db"])
    except (Exception, SystemExit) as error:  # a plug-in may raise anything, or leave
        reason_of(error, f"a pilot of {cell.inr.name}")
        return None
    return float(np.mean(scores)) if np.isfinite(scores).all() else None

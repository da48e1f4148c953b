"""`--bpp`: the size and bit width that meet a rate in real bytes with the best PSNR.

For each bit width the largest network that fits is known exactly, since files have fixed-length
weights. Which of them is best depends on the backbone, the recipe and the image size, so it is
measured: each candidate is fitted at lambda 0 to pilot images of the train split, written, decoded
and scored. The choice is stored, and made once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from benchmark.bitstream import Header, decode, encode, file_bytes
from benchmark.errors import InputError
from benchmark.fit.engine import Member, fit
from benchmark.fit.render import build
from benchmark.images.grid import dims
from benchmark.plan.cells import FIT_VERSION, Cell
from benchmark.plugins import index
from benchmark.plugins.choice import Choice
from benchmark.runner.failures import reason_of
from benchmark.score.metrics import image_scores
from benchmark.store.store import Store
from benchmark.types import GridKind, Sample, extent

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
    recipe = replace(
        cell.recipe, penalty_every=1
    )  # pilots have no penalty, and twins of one fit must agree on its size
    what = {
        "inr": asdict(cell.inr),
        "rate": asdict(cell.rate),
        "recipe": asdict(recipe),
        "fidelity": cell.fidelity,
        "shape": cell.shape,
        "pilots": [sample.hash for sample in images],
        "fit_version": FIT_VERSION,
    }
    if cell.depth > 1:
        what["depth"] = cell.depth
    key = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:24]
    found = store.recall("rates", key)
    if found is None:
        say(
            f"{cell.inr.name}: measuring {len(candidates)} pairs of size and bit width at"
            f" {cell.rate.bpp} bpp"
        )
        whole = replace(
            recipe, stop_at_db=None, patience=None
        )  # a pilot that stops at a target says nothing of its size
        psnr = [
            _pilot_psnr(candidate, replace(cell, recipe=whole), images, device, kernel)
            for candidate in candidates
        ]
        best = int(np.argmax([-np.inf if value is None else value for value in psnr]))
        found = {
            "best": best,
            "psnr_db": psnr,
            "sizes": [dict(c.inr.args) for c in candidates],
            "bits": [c.bits for c in candidates],
            "bytes": [c.bytes for c in candidates],
            "what": what,
        }
        if any(
            value is not None for value in psnr
        ):  # where every pilot failed, the next run may know better
            store.remember("rates", key, found)
    return candidates[found["best"]]


def _candidates(cell: Cell, sample: Sample) -> list[Sized]:
    """Sizes that meet the rate, largest bit width first; one only where size or bit width leave no
    choice.
    """
    size = index.get("inr", cell.inr.name).declared["size"]
    rate, grid = cell.rate, cell.recipe.grid
    widths = [rate.bits] if rate.bits is not None else list(BIT_WIDTHS)
    if size is None or size in dict(cell.inr.args):
        tensors = _tensors(cell.inr, sample)
        sized = [
            Sized(cell.inr, bits, file_bytes(tensors, header_for(cell.inr, bits, sample, 0, grid)))
            for bits in widths
        ]
        fitting = [s for s in sized if rate.bpp is None or s.bytes <= _budget(rate.bpp, sample)]
        if not fitting:
            raise _too_small(cell, sample, sized[0])
        return fitting[-1:]
    best: dict[Any, Sized] = {}  # of each size the most bits: fewer would only be worse
    for bits in widths:
        if (found := largest(cell, sample, bits)) is not None:
            best[dict(found.inr.args)[size]] = found
    if not best:
        low = index.get("inr", cell.inr.name).declared["sizes"][0]
        smallest = _with_size(cell.inr, low)
        raise _too_small(
            cell,
            sample,
            Sized(
                smallest,
                widths[0],
                file_bytes(
                    _tensors(smallest, sample), header_for(smallest, widths[0], sample, 0, grid)
                ),
            ),
        )
    middle = sorted(
        best.values(), key=lambda s: (abs(s.bits - 9.5), s.bits)
    )  # the winners lay at 8 to 10 bits
    return sorted(middle[:CANDIDATES], key=lambda s: -s.bits)


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
        inr = _with_size(cell.inr, middle)
        length = file_bytes(
            _tensors(inr, sample), header_for(inr, bits, sample, 0, cell.recipe.grid)
        )
        if length <= budget:
            found, low = Sized(inr, bits, length), middle + 1
        else:
            high = middle - 1
    return found


def _with_size(inr: Choice, value: int) -> Choice:
    size = index.get("inr", inr.name).declared["size"]
    return Choice(
        inr.kind, inr.name, tuple(sorted({**dict(inr.args), size: value}.items())), inr.source
    )


def _tensors(inr: Choice, sample: Sample) -> list[int]:
    return [
        p.numel() for p in build(inr, sample.image.shape[2], 0, dims(sample.depth)).parameters()
    ]


def _budget(bpp: float, sample: Sample) -> int:
    return int(bpp * sample.image.shape[0] * sample.image.shape[1] / 8)


def _too_small(cell: Cell, sample: Sample, smallest: Sized) -> InputError:
    pixels = sample.image.shape[0] * sample.image.shape[1]
    return InputError(
        f"{cell.inr.name} at {cell.rate.bpp} bpp on {extent(sample.image.shape, sample.depth)}",
        f"its smallest file has {smallest.bytes} bytes, {8 * smallest.bytes / pixels:.2f} bpp",
        f"--bpp {8 * smallest.bytes / pixels + 0.01:.2f} or more",
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
            data = encode(
                header_for(candidate.inr, candidate.bits, sample, 0, cell.recipe.grid), state
            )
            scores.append(
                image_scores(sample.image, decode(data).image, sample.brain, sample.depth)[
                    "psnr_db"
                ]
            )
    except (Exception, SystemExit) as error:  # a plug-in may raise anything, or leave
        reason_of(error, f"a pilot of {cell.inr.name}")
        return None
    return float(np.mean(scores)) if np.isfinite(scores).all() else None

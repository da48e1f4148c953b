"""What is stored of a fit: its file, what it was and what it cost, and whether it went wrong."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmark.bitstream import encode
from benchmark.errors import CellFailed
from benchmark.fit.engine import Fitted, lost
from benchmark.plan.cells import Cell
from benchmark.plan.recipes import lr_tuned
from benchmark.plugins import index
from benchmark.runner.rate import Sized, header_for
from benchmark.store.store import Row
from benchmark.types import LOST_DB, Sample


def facts_of(cell: Cell, sized: Sized | None) -> dict[str, Any]:
    """What a cell is, as plain values; `sized`: its settled size and bit width, where it came so
    far.
    """
    pixels = int(np.prod(cell.shape))
    return {
        "dataset": cell.dataset,
        "sample_id": cell.sample_id,
        "patient": cell.patient,
        "method": cell.method,
        "inr": cell.inr.name,
        "inr_args": dict(sized.inr.args if sized else cell.inr.args),
        "codec": cell.codec.name if cell.codec else None,
        "lambda": cell.lam,
        "lambda_mean_equivalent": cell.lam / pixels if cell.fidelity == "sum" else cell.lam,
        "null": cell.null,
        "seed": cell.seed,
        "fidelity": cell.fidelity,
        "segmenter": cell.segmenter,
        "segmenter_hash": cell.segmenter_hash,
        "regularizer": cell.regularizer.name if cell.regularizer else None,
        "precision": cell.precision,
        "recipe": asdict(cell.recipe),
        "lr_tuned": lr_tuned(index.get("inr", cell.inr.name), dict(cell.inr.args), cell.recipe),
        "bpp_requested": cell.rate.bpp,
        "bits": sized.bits if sized else cell.rate.bits,
        "twin": cell.twin,
        "identity": cell.identity(),
        **({"depth": cell.depth} if cell.depth > 1 else {}),
        **(
            {"init": cell.init, "init_bytes": cell.init_bytes}
            if cell.init and not cell.codec
            else {}
        ),
    }


def failed_row(
    cell: Cell, sized: Sized | None, reason: str, status: str = "failed", **facts: Any
) -> Row:
    """The row of a cell without a file."""
    return Row(cell.key, status, reason, cell.sample_hash, facts_of(cell, sized) | facts)


def fit_row(
    cell: Cell, sample: Sample, sized: Sized, fitted: Fitted, k: int, *, device: str, restarts: int
) -> Row:
    """The row of member k of a fitted batch, with its file where it has one."""
    start, batch_size = time.perf_counter(), len(fitted.states)
    costs = {
        "device": device,
        "kernel": fitted.kernel,
        "batch_size": batch_size,
        "restarts": restarts,
        "steps": int(fitted.steps[k]),
        "evaluations": int(fitted.evaluations[k]),
        "fit_seconds": fitted.seconds / batch_size,
        "spent": {part: seconds / batch_size for part, seconds in fitted.spent.items()},
    }
    if not fitted.finite[k]:
        return failed_row(
            cell, sized, _again("the fit stopped being finite", restarts), "diverged", **costs
        )
    try:
        data = encode(
            header_for(sized.inr, sized.bits, sample, cell.seed, cell.recipe.grid), fitted.states[k]
        )
    except CellFailed as error:
        return failed_row(cell, sized, error.found, "diverged", **costs)
    fidelity, penalty = float(fitted.fidelity[k]), float(fitted.penalty[k])
    pixels = sample.image.shape[0] * sample.image.shape[1]
    facts = (
        facts_of(cell, sized)
        | costs
        | {
            "bpp": 8 * len(data) / pixels,
            "n_parameters": sum(a.size for a in fitted.states[k].values()),
            "fidelity_end": fidelity,
            "penalty_end": penalty,
            "penalty_share": cell.lam * penalty / fidelity if fidelity > 0 else None,
            "encode_seconds": time.perf_counter() - start,
        }
    )
    wrong = went_wrong(cell, sample, fidelity, penalty, float(fitted.best[k]))
    return Row(
        cell.key,
        "diverged" if wrong else "ok",
        _again(wrong, restarts) if wrong else "",
        cell.sample_hash,
        facts,
        data,
    )


def went_wrong(cell: Cell, sample: Sample, fidelity: float, penalty: float, best: float) -> str:
    """What is wrong with the end of a fit whose fidelity had once been `best`; empty where nothing
    is.

    A Dice penalty is at most 1, so the total loss was at most best + lambda where the fidelity was
    best, and flat + lambda is easily had. A KL divergence may be larger; what it has above 1 is not
    held against the fit.
    """
    flat = float(sample.image.var()) * (1.0 if cell.fidelity == "mean" else sample.image.size)
    end = fidelity - cell.lam * max(0.0, 1.0 - penalty)
    if end > flat:
        return "it ended worse than a flat image"
    if lost(end, best):
        return f"it ended {LOST_DB:g} dB below what it had reached on the way"
    return ""


def _again(why: str, restarts: int) -> str:
    return (
        f"{why} (started {restarts + 1} times, each at half the rate of the one before)"
        if restarts
        else why
    )

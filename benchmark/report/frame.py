"""The store as one tidy table: a row a cell, columns with units in their names."""

from __future__ import annotations

import json
import math
from typing import Any

import pandas as pd

from benchmark.store.store import Row
from benchmark.store.view import Scored, is_sinco
from benchmark.types import IMAGE_METRICS, LABEL_METRICS, MASK_METRICS

FACTS = (
    "dataset",
    "sample_id",
    "patient",
    "method",
    "inr",
    "codec",
    "lambda",
    "lambda_mean_equivalent",
    "null",
    "seed",
    "fidelity",
    "segmenter",
    "segmenter_hash",
    "regularizer",
    "precision",
    "bpp_requested",
    "bpp",
    "bits",
    "n_parameters",
    "penalty_share",
    "fit_seconds",
    "encode_seconds",
    "device",
    "kernel",
    "batch_size",
    "steps",
    "evaluations",
    "restarts",
    "twin",
    "init",
    "init_bytes",
    "inr_args",
    "recipe",
)


def frame(scored: Scored) -> pd.DataFrame:
    """One row a cell, failed ones included, in the order of their keys.

    `dice`, `dice_original` and `fp_area_px` are those of the network in the loss (for plain fits
    and codecs: of the run's first), their `_eval` columns the mean of the run's other readers, and
    `METRIC_READER` those of each reader. So are those of networks of labels, where there are such:
    label_kept, kl, label_right, label_right_original.
    """
    return pd.DataFrame([_cell(scored, row) for row in scored.rows])


def _cell(scored: Scored, row: Row) -> dict[str, Any]:
    loss = row.facts["segmenter_hash"] if is_sinco(row) else next(iter(scored.losses), None)
    others = scored.others(loss, [row.key])
    out: dict[str, Any] = {
        "key": row.key,
        "status": row.status,
        "reason": row.reason,
        "sample_hash": row.sample_hash,
    }
    for name in FACTS:
        out[name] = _plain(row.facts.get(name))
    for metric in IMAGE_METRICS:
        out[metric] = scored.value(row.key, metric, None)
    labels = scored.label_readers
    masks = not labels or any(reader not in labels for reader in scored.readers)
    for metric in (*(MASK_METRICS if masks else ()), *(LABEL_METRICS if labels else ())):
        out[metric] = scored.value(row.key, metric, loss)
        out[f"{metric}_eval"] = scored.value(row.key, f"{metric}_eval", loss, others)
    for reader in scored.readers:
        for metric in LABEL_METRICS if reader in labels else MASK_METRICS:
            out[f"{metric}_{scored.name(reader)}"] = scored.value(row.key, metric, reader)
    for name, value in out.items():
        if isinstance(value, float) and math.isnan(value):
            out[name] = None
    return out


def _plain(value: Any) -> Any:
    return json.dumps(value, sort_keys=True) if isinstance(value, dict | list) else value

"""Volumes slice by slice: each fit beside its plain twin, plane by plane."""

from __future__ import annotations

import math
from typing import Any

from benchmark.store.view import Scored, is_fit
from benchmark.types import at_plane


def slices(scored: Scored) -> list[dict[str, Any]]:
    """One row a plane of every fit of a volume that has a plain twin (null twins too); [] where
    there are no volumes.

    METRIC_fit and METRIC_twin: psnr_db, and for each reader dice_READER where the plane has a
    lesion, fp_area_px_READER where it has none; nan where that was not measured. plane counts from
    0.
    """
    columns = {"psnr_db": ("psnr_db", "")} | {
        f"{metric}_{scored.name(reader)}": (metric, reader)
        for reader in scored.readers_of("dice", scored.readers)
        for metric in ("dice", "fp_area_px")
    }
    out = []
    for row in scored.rows:
        if (
            not is_fit(row)
            or "depth" not in row.facts
            or row.facts["twin"] not in scored.by_key
            or row.status != "ok"
        ):
            continue
        facts = {
            name: row.facts[name]
            for name in ("dataset", "sample_id", "patient", "inr", "lambda", "null", "seed")
        }
        pair = {
            "fit": scored.values.get(row.key, {}),
            "twin": scored.values.get(row.facts["twin"], {}),
        }
        for z in range(row.facts["depth"]):
            values = {
                f"{name}_{which}": found.get((at_plane(metric, z), reader), math.nan)
                for name, (metric, reader) in columns.items()
                for which, found in pair.items()
            }
            out.append(facts | {"plane": z} | values | {"key": row.key})
    return out

"""Volumes slice by slice: each fit beside its plain twin, plane by plane."""

from __future__ import annotations

import math
from typing import Any

from benchmark.store.view import Scored, is_fit
from benchmark.types import at_plane

FACTS = ("dataset", "sample_id", "patient", "inr", "lambda", "null", "seed")


def slices(scored: Scored) -> list[dict[str, Any]]:
    """One row a plane of every fit of a volume that has a plain twin (null twins too); [] where
    there are no volumes.

    METRIC_fit and METRIC_twin: psnr_db, and for each reader dice_READER where the plane has a
    lesion, fp_area_px_READER where it has none; nan where that was not measured. plane counts from
    0.
    """
    columns = {"psnr_db": ("psnr_db", "")}
    for reader in scored.readers_of("dice", scored.readers):
        for metric in ("dice", "fp_area_px"):
            columns[f"{metric}_{scored.name(reader)}"] = metric, reader
    out = []
    for row in scored.rows:
        if not is_fit(row) or "depth" not in row.facts or row.status != "ok":
            continue
        twin = row.facts["twin"]
        if twin not in scored.by_key:
            continue
        fits = {"fit": scored.values.get(row.key, {}), "twin": scored.values.get(twin, {})}
        for z in range(row.facts["depth"]):
            line = {name: row.facts[name] for name in FACTS} | {"plane": z}
            for name, (metric, reader) in columns.items():
                for which, values in fits.items():
                    value = values.get((at_plane(metric, z), reader), math.nan)
                    line[f"{name}_{which}"] = value
            out.append(line | {"key": row.key})
    return out

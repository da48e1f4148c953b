"""How often scoring the stretched PNG names another winner by PSNR than scoring the decoded image
does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from benchmark.stats.compare import Group, compare
from benchmark.store.view import Scored, once


@dataclass(frozen=True)
class Flips:
    """Of the pairs of one comparison, those where the two ways of scoring disagree."""

    group: Group
    pairs: int
    flips: int


@once
def flips(scored: Scored) -> list[Flips]:
    """For each comparison: pairs (plain, SINCO) scored both ways, and those whose PSNR difference
    changes its sign.
    """
    decoded, stretched = (scored.values_as[score_as] for score_as in ("decoded", "stretched-png"))
    out = []
    for comparison in compare(scored) if stretched else ():
        pairs = [pair for image in comparison.images for pair in image.pairs]
        ways = np.array(
            [
                [
                    [values.get(key, {}).get(("psnr_db", ""), math.nan) for key in pair]
                    for pair in pairs
                ]
                for values in (decoded, stretched)
            ]
        ).reshape(2, -1, 2)
        first, second = np.sign(
            np.subtract(*np.moveaxis(ways[:, np.isfinite(ways).all((0, 2))], -1, 0))
        )
        if first.size:
            out.append(Flips(comparison.group, first.size, int(np.sum(first != second))))
    return out

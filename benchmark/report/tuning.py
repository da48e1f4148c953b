"""What a search of `tune` found: the rule that chooses, and the tables, from its rows alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from benchmark.report.table import Table
from benchmark.report.words import lambda_text, number, plain, plural
from benchmark.search.tune import BITS, BPPS, STEPS, Candidate, Row
from benchmark.types import LOST_DB

# the smallest step of the grid is 1.33; a default between two rates of the grid does not make the
# margin smaller
MARGIN = 1.3
RULE = (
    "Chosen (bold) is the highest mean PSNR among the candidates of which no fit went wrong, and"
    " none either at the next higher rates of the same optimizer and steps, up to the first that"
    f" is {MARGIN:g} times higher: a step of the grid to the cliff. So the highest rate is never"
    " chosen."
)
ALL_SIZES = "all sizes"


@dataclass(frozen=True)
class Standing:
    """One candidate over some fits: mean PSNR (nan where a fit is not finite), how many went wrong,
    median seconds a fit.

    worst_gap_db: the farthest, over the images, from the best that any candidate reached there (nan
    likewise).
    """

    candidate: Candidate
    psnr_db: float
    worst_gap_db: float
    gone_wrong: int
    fits: int
    seconds: float


@dataclass(frozen=True)
class Tuned:
    """The outcome for a backbone at one size, or at all of them pooled: all standings, the chosen
    one, and the shipped default.
    """

    inr: str
    size: str
    n_parameters: int
    bpp: float
    standings: list[Standing]
    chosen: Standing | None
    default: Standing | None


def standings(rows: Sequence[Row]) -> list[Standing]:
    """Every candidate of `rows`: by steps, optimizer and rate."""
    best: dict[tuple[str, str], float] = {}
    groups: dict[Candidate, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.candidate, []).append(row)
        where = row.size, row.image
        best[where] = float(np.fmax(best.get(where, math.nan), row.psnr_db))
    out = []
    for candidate in sorted(groups, key=lambda one: (one.steps, one.optimizer, one.lr)):
        psnr, gaps, seconds, wrong = [], [], [], 0
        for row in groups[candidate]:
            psnr.append(row.psnr_db)
            gaps.append(best[row.size, row.image] - row.psnr_db)
            seconds.append(row.seconds)
            wrong += bool(row.went_wrong)
        mean, gap, median = float(np.mean(psnr)), float(np.max(gaps)), float(np.median(seconds))
        out.append(Standing(candidate, mean, gap, wrong, len(psnr), median))
    return out


def choose(found: Sequence[Standing]) -> Standing | None:
    """The standing that RULE names; None where none is safe."""
    safe = [one for one in found if _is_safe(one, found)]
    return max(safe, key=lambda one: one.psnr_db, default=None)


def _is_safe(one: Standing, found: Sequence[Standing]) -> bool:
    """Whether no fit went wrong, up to the first rate that is MARGIN times higher."""
    above, edges = [], []
    for other in found:
        rate = other.candidate.lr
        same = replace(other.candidate, lr=one.candidate.lr) == one.candidate
        if same and rate > one.candidate.lr:
            above.append(other)
            if rate >= MARGIN * one.candidate.lr:
                edges.append(rate)
    if not edges:
        return False
    for other in [one, *above]:
        if other.candidate.lr <= min(edges) and other.gone_wrong:
            return False
    return True


def outcomes(rows: Sequence[Row], defaults: dict[str, Candidate]) -> list[Tuned]:
    """By backbone and size, smallest first, and pooled over the sizes of a backbone where there are
    several.
    """
    backbones: dict[str, list[Row]] = {}
    for row in rows:
        backbones.setdefault(row.inr, []).append(row)
    out = []
    for inr, own in backbones.items():
        for size, group in _by_size(own).items():
            found = standings(group)
            default = next((one for one in found if one.candidate == defaults.get(inr)), None)
            largest = max(row.n_parameters for row in group)
            chosen = choose(found)
            out.append(Tuned(inr, size, largest, group[0].bpp, found, chosen, default))
    return out


def _by_size(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of one backbone by its size, and all of them together where there are several."""
    sizes: dict[str, list[Row]] = {}
    for row in rows:
        sizes.setdefault(row.size, []).append(row)
    groups = dict(sorted(sizes.items(), key=lambda item: item[1][0].bpp))
    if len(groups) > 1:
        groups[ALL_SIZES] = list(rows)
    return groups


def as_json(tuned: Tuned) -> dict[str, Any]:
    """Plain values, with None where a number is not finite."""
    facts = asdict(tuned)
    if tuned.size == ALL_SIZES:
        facts |= {"n_parameters": None, "bpp": None}
    values: dict[str, Any] = plain(facts)
    return values


def markdown(rows: Sequence[Row], tuned: Sequence[Tuned], command: str) -> str:
    """The whole page: how it was made, what was chosen beside the shipped defaults, then every
    candidate.
    """
    parts = ["# Tuning", _made(rows, command), "## Chosen, and what ships", RULE]
    parts.append(summary(tuned).markdown())
    for one in tuned:
        title = f"## {one.inr}, {one.size}"
        if one.size != ALL_SIZES:
            title += f" ({one.n_parameters:,} parameters, {one.bpp:.2f} bpp)"
        parts += [title, _candidates(one)]
    wrong = [row for row in rows if row.went_wrong]
    parts += [f"## Gone wrong: {len(wrong)} of {plural(len(rows), 'fit')}", _wrong(wrong)]
    return "\n\n".join(filter(None, parts)) + "\n"


def _made(rows: Sequence[Row], command: str) -> str:
    patients, images, kernels, datasets = set(), set(), set(), set()
    for row in rows:
        patients.add(row.patient)
        images.add(row.image)
        datasets.add(row.dataset)
        if row.kernel:
            kernels.add(row.kernel)
    longer = "; ".join(
        f"{name} gets {factor:g} times the steps of the preset" for name, factor in STEPS.items()
    )
    return (
        f"`{command}`\n\n{plural(len(rows), 'fit')} at lambda 0 of {plural(len(images), 'image')}"
        f" of {plural(len(patients), 'patient')}, train split of {', '.join(sorted(datasets))};"
        f" seed 0; kernel {', '.join(sorted(kernels))}. PSNR is"
        f" that of the float weights. Sizes: the largest whose files at {BITS} bits stay within"
        f" {', '.join(map('{:g}'.format, BPPS))} bpp. The grid is the same for all backbones and"
        " sizes, with the shipped default added where it lacks it; schedule cosine. Seconds are"
        " medians of a fit's share of its batch. They are too noisy to give every optimizer the"
        f" same number of them, so {longer}: compare the last columns. A fit has gone wrong that is"
        f" not finite, is worse than a flat image, or ends more than {LOST_DB:g} dB below its best"
        " on the way."
    )


def _label(candidate: Candidate) -> str:
    return f"{candidate.optimizer} {lambda_text(candidate.lr)}, {candidate.steps} steps"


def summary(tuned: Sequence[Tuned]) -> Table:
    """What was chosen beside the shipped default."""
    heads = ["backbone, size", "chosen", "dB", "default", "dB", "chosen - default dB"]
    rows = []
    for one in tuned:
        chosen, default = _psnr(one.chosen), _psnr(one.default)
        rows.append(
            [
                f"{one.inr}, {one.size}",
                _label(one.chosen.candidate) if one.chosen else "none is safe",
                number(chosen, 2),
                _label(one.default.candidate) if one.default else "not fitted",
                number(default, 2),
                number(chosen - default, 2, sign=True),
                f"{one.default.gone_wrong} of {one.default.fits}" if one.default else "-",
            ]
        )
    return Table([*heads, "default gone wrong"], rows)


def _psnr(standing: Standing | None) -> float:
    return math.nan if standing is None else standing.psnr_db


def _candidates(tuned: Tuned) -> str:
    rows = []
    for one in tuned.standings:
        default = " (default)" if one is tuned.default else ""
        row = [
            f"{_label(one.candidate)}{default}",
            number(one.psnr_db, 2),
            number(one.worst_gap_db, 2),
            f"{one.gone_wrong} of {one.fits}",
            number(one.seconds, 2),
        ]
        if one is tuned.chosen:
            row = [f"**{cell}**" for cell in row]
        rows.append(row)
    heads = ["candidate", "mean dB", "worst image below its best, dB", "gone wrong", "seconds"]
    return Table(heads, rows).markdown()


def _wrong(wrong: Sequence[Row]) -> str:
    """How each candidate of a backbone and size went wrong, each way counted."""
    counts: Counter[tuple[str, str, str]] = Counter()
    for row in wrong:
        how = row.went_wrong
        if how.startswith("ended"):
            how = f"ended over {LOST_DB:g} dB below its best"
        counts[f"{row.inr}, {row.size}", _label(row.candidate), how] += 1
    if not counts:
        return ""
    rows = [[*name, str(n)] for name, n in counts.items()]
    return Table(["backbone, size", "candidate", "how", "fits"], rows).markdown()

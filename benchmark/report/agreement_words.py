"""The agreement of two recipes in words: verdicts and tables, for the leaderboard and the terminal
alike.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence

from benchmark.report.agreement import Agreement
from benchmark.report.agreement_numbers import Conclusion, Delta, Disagreement, Quality
from benchmark.report.table import Table
from benchmark.report.words import LABELS, UNITS, interval, lambda_text, measured, number, plural

PSNR_LIMIT_DB = -0.1  # equal quality: the mean PSNR is not further below the reference's

_READING = (
    "Two recipes (A, B) on the same images, with the same backbone, size, bits and network in the"
    " loss. Means are over patients, of each patient's images, of each image's seeds. A seed sets"
    " the initial weights and moves both recipes alike, so an image's means are of the seeds that"
    " both recipes have there (*paired*); fits of other seeds are left out. **Equal** is: A's mean"
    " PSNR at most 0.1 dB below B's{read}, at the same bytes. The null band holds 95 % of what"
    " chance makes of the difference of the means: t sqrt(s_A² f_A + s_B² f_B), where s² is half"
    " the mean square of a recipe's null differences (of its plain fits of all seeds, at every"
    " lambda), and f the sum of w² / paired seeds over the images, each with its weight w in the"
    " mean. A wide band, of few seeds or images, calls more things equal. Seconds are those stored,"
    " on whatever else the machine did."
)
_LEGEND = """\
  B is the reference.  band: 95 % of what chance makes of A - B
  of an image, both recipes' means are over the seeds that both have
  equal: PSNR at most 0.1 dB below B's,{read} the same bytes"""
CONCLUDING = (
    "Who wins, SINCO or its plain twins, image by image beyond the null band, by each recipe on its"
    " own, over the paired seeds. An image near the edge of its band is a tie or not by chance; a"
    " win of one recipe that is a loss of the other (*opposite*) should not be. Totals are means"
    " over patients with their 95 % interval: a win or loss where it leaves out 0, else open."
)


def reading(found: Sequence[Agreement]) -> str:
    """How these agreements are to be read, in terms of what their networks read."""
    metrics: list[str] = []
    for agreement in found:
        metrics += agreement.metrics
    names = _read(metrics)
    return _READING.format(read=f" and its mean {names} inside the null band" if names else "")


def legend(agreement: Agreement) -> str:
    """The lines below an agreement's table."""
    names = _read(agreement.metrics)
    return _LEGEND.format(read=f" {names} inside the band," if names else "")


def _read(metrics: Sequence[str]) -> str:
    """ "Dice", "KL" or "Dice and KL": what networks read."""
    names: dict[str, None] = {}
    for metric in metrics:
        if metric != "psnr_db":
            names[LABELS[metric].partition(" ")[0]] = None
    return " and ".join(names)


def title(agreement: Agreement) -> str:
    setting = agreement.setting
    loss = f", {setting.segmenter} in the loss" if setting.segmenter else ""
    return (
        f"{setting.dataset}: {setting.inr}{loss}, A {agreement.labels[0]} against B"
        f" {agreement.labels[1]}"
    )


def sizes(agreement: Agreement) -> str:
    """The backbone's arguments and bits, as far as the images have the same; "several sizes" where
    not.
    """
    if len(agreement.sizes) > 1:
        return f"{len(agreement.sizes)} sizes of the backbone, each compared with itself"
    ((args, bits),) = agreement.sizes
    said = ""
    for name, value in (json.loads(args) or {}).items():
        said += f"{name} {value}, "
    return f"{said}{bits} bits a weight"


def verdict(quality: Quality, metrics: Sequence[str] = ("psnr_db", "dice", "dice_eval")) -> str:
    """Whether the first recipe reaches the reference's quality, and what it lacks. metrics: those
    of the agreement.
    """
    short, open_ = [], []
    first, second = quality.costs
    if not quality.same_bytes:
        short.append(f"not at the same bytes: {first.bpp:.3g} against {second.bpp:.3g} bpp")
    psnr = quality.deltas.get("psnr_db")
    if psnr is None:
        open_.append("no PSNR")
    elif psnr.difference < PSNR_LIMIT_DB - 1e-9:
        short.append(
            f"PSNR {psnr.difference:+.2f} dB is {PSNR_LIMIT_DB - psnr.difference:.2f} beyond the"
            f" limit of {PSNR_LIMIT_DB:g}"
        )
    for metric in metrics[1:]:
        delta = quality.deltas.get(metric)
        if delta is None:
            open_.append(f"no {LABELS[metric]}")
        elif math.isnan(delta.band):
            open_.append(f"no null band for {LABELS[metric]} (fewer than 3 null twins)")
        elif abs(delta.difference) > delta.band:
            over = abs(delta.difference) - delta.band
            short.append(
                f"{LABELS[metric]} {delta.difference:+.3f} is {over:.3f} outside the band of"
                f" {delta.band:.3f}"
            )
    if not quality.seeds.paired:
        open_.append("the seeds differ, and what they do is in it")
    lost = first.lost + second.lost
    more = f"; {plural(lost, 'fit')} in no mean" if lost else ""
    if short or open_:
        name = "not equal" if short and quality.seeds.paired else "undecided"
        return f"{name}: {'; '.join(short + open_)}{more}"
    assert psnr is not None
    return (
        f"equal: PSNR {psnr.difference:+.2f} dB (limit {PSNR_LIMIT_DB:g}), {_roles(metrics[1:])}"
        f" inside the band{more}"
    )


def _roles(metrics: Sequence[str]) -> str:
    """Dice (loss) and (eval), KL (loss) and (eval)."""
    roles: dict[str, list[str]] = {}
    for metric in metrics:
        name, _, role = LABELS[metric].partition(" ")
        roles.setdefault(name, []).append(role)
    return ", ".join(f"{name} {' and '.join(said)}" for name, said in roles.items())


def ratio(quality: Quality) -> str:
    """How many times as fast the first recipe is."""
    first, second = quality.costs
    known = first.seconds > 0 and not math.isnan(second.seconds)
    return f"{second.seconds / first.seconds:.3g}" if known else "-"


def quality_table(agreement: Agreement) -> Table:
    """One row a lambda."""
    heads = ["lambda", "images (patients)", "seeds paired", "fits A / B", "left out A / B"]
    heads.append("PSNR dB A / B")
    for metric in agreement.metrics:
        heads += [f"{LABELS[metric]}{UNITS.get(metric, '')} A - B [95 %]", "null band"]
    heads += ["bpp A / B", "seconds a fit A / B", "B / A", "kernel A / B", "in no mean A / B"]
    rows = []
    for q in agreement.qualities:
        psnr = q.deltas.get("psnr_db")
        a, b = q.costs
        row = [
            lambda_text(q.lam),
            f"{q.images} ({q.patients})",
            str(len(q.seeds.paired) or "none"),
            f"{a.fits} / {b.fits}",
            f"{q.seeds.left_out[0]} / {q.seeds.left_out[1]}",
            f"{number(psnr.means[0], 2)} / {number(psnr.means[1], 2)}" if psnr else "-",
        ]
        for metric in agreement.metrics:
            row += _delta(metric, q.deltas.get(metric))
        row += [
            f"{number(a.bpp, 3)} / {number(b.bpp, 3)}",
            f"{number(a.seconds, 2)} / {number(b.seconds, 2)}",
            ratio(q),
            f"{a.kernels} / {b.kernels}",
            f"{a.lost} / {b.lost}",
        ]
        rows.append(row)
    return Table(heads, rows)


def _delta(metric: str, found: Delta | None) -> list[str]:
    """The difference with its interval, and the band."""
    if found is None:
        return ["-", "-"]
    difference = measured(metric, found.difference, sign=True)
    if not math.isnan(found.low):
        difference += f" {interval(metric, found.low, found.high)}"
    return [difference, measured(metric, found.band)]


def total(conclusion: Conclusion, side: int) -> str:
    """win, loss, open or unknown, and the mean with its interval."""
    mean, low, high = conclusion.totals[side]
    return (
        f"{conclusion.total(side)} {measured(conclusion.metric, mean, sign=True)}"
        f" {interval(conclusion.metric, low, high)}"
    )


def conclusions_table(agreement: Agreement) -> Table:
    """One row a lambda and metric."""
    heads = ["lambda", "metric", "images", "same verdict", "one a tie", "opposite", "no band"]
    heads += ["total A", "total B", "same total"]
    rows = []
    for c in agreement.conclusions:
        counts = (c.images, c.same, c.count("tie"), c.count("opposite"), c.count("unknown"))
        rows.append(
            [
                lambda_text(c.lam),
                LABELS[c.metric] + UNITS.get(c.metric, ""),
                *map(str, counts),
                total(c, 0),
                total(c, 1),
                "yes" if c.same_total else "**no**",
            ]
        )
    return Table(heads, rows)


def concluded(agreement: Agreement) -> str:
    """One sentence on all conclusions together."""
    images, same, same_totals = 0, 0, 0
    how: Counter[str] = Counter()
    for conclusion in agreement.conclusions:
        images += conclusion.images
        same += conclusion.same
        same_totals += conclusion.same_total
        how.update(one.how for one in conclusion.disagreements)
    text = (
        f"{same} of {plural(images, 'verdict')} the same, {how['tie']} a tie of one recipe only,"
        f" {how['opposite']} opposite"
    )
    if how["unknown"]:
        text += f", {how['unknown']} without a band"
    totals = plural(len(agreement.conclusions), "total")
    return f"{text}; {same_totals} of {totals} the same"


def disagreements(agreement: Agreement) -> list[tuple[Conclusion, Disagreement]]:
    """All of them, opposite verdicts first; those without a band are counted in the table, and in
    the JSON.
    """
    found = []
    for conclusion in agreement.conclusions:
        for one in conclusion.disagreements:
            if one.how != "unknown":
                found.append((conclusion, one))
    return sorted(found, key=lambda pair: pair[1].how != "opposite")


def disagreement(conclusion: Conclusion, one: Disagreement) -> list[str]:
    """The cells of one of them: image, lambda, metric, kind, and each recipe's verdict with
    difference and band.
    """
    metric = conclusion.metric
    cells = [
        one.sample_id,
        lambda_text(conclusion.lam),
        LABELS[metric] + UNITS.get(metric, ""),
        "opposite" if one.how == "opposite" else "one a tie",
    ]
    for said, difference, band in zip(one.verdicts, one.differences, one.bands, strict=True):
        gap = measured(metric, difference, sign=True)
        cells.append(f"{said} {gap} (band {measured(metric, band)})")
    return cells

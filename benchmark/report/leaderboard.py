"""The leaderboard as Markdown: who is where, does the segmenter help, where does SINCO lose, and
how it was made.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from benchmark.report import agreement_words, cross
from benchmark.report.agreement import Agreement, agreements
from benchmark.report.codecs import codecs_of
from benchmark.report.made import how_it_was_made
from benchmark.report.methods import Method, Section, ranking, sections
from benchmark.report.numbered import recipe_legend, recipe_numbers
from benchmark.report.per_image import Line, lines, underperformers
from benchmark.report.second import second_network
from benchmark.report.table import Table
from benchmark.report.words import (
    LABELS,
    UNITS,
    group_labels,
    interval,
    lambda_text,
    learned_inits,
    measured,
    number,
    plural,
)
from benchmark.stats.compare import METRICS, Comparison, Group, compare, failures, metrics_of
from benchmark.store.view import Scored

MOST_FAILURES = 30
MOST_DISAGREEMENTS = 100
ASIDE = {
    "fp_area_px": "false area px (loss)",
    "fp_area_px_eval": "false area px (eval)",  # on slices without lesion
    "label_right": "right (loss)",
    "label_right_eval": "right (eval)",
}  # where the class is known


def leaderboard(scored: Scored) -> str:
    """The whole page; everything in it is read from the store."""
    comparisons = compare(scored)
    labels = group_labels([comparison.group for comparison in comparisons], recipe_numbers(scored))
    found: list[Line] = []
    for comparison in comparisons:
        found += lines(scored, comparison)
    parts = ["# Leaderboard", _reading(scored)]
    for said in learned_inits(scored):
        parts.append(f"{said}.")
    legend = recipe_legend(scored)
    if legend:
        parts.append("\n".join(f"- {line}" for line in legend))
    for section in sections(scored):
        parts.append(_section(scored, section))
    parts += [
        _question(scored, comparisons, labels),
        _crossed(scored),
        _losses(scored, found),
        _agreements(agreements(scored)),
        _failures(scored),
        how_it_was_made(scored),
    ]
    return "\n\n".join(filter(None, parts)) + "\n"


def _reading(scored: Scored) -> str:
    """How the numbers are to be read."""
    labels = _is_read(scored, "kl")
    masks = _is_read(scored, "dice")
    loss, eval_ = "**(loss)**", "**(eval)**"
    if masks and not labels:
        loss, eval_ = "**Dice (loss)**", "**Dice (eval)**"
    kept = ""
    if labels:
        kept = (
            "**Kept** is the share of images whose most probable class is that of the original,"
            " **right** of those where it is the true one; **KL** is the divergence of a"
            " classifier's answer on the file from that on the original, KL(original || decoded)"
            " in nats: lower is better. "
        )
    sent = _codecs_with_masks(scored) if masks else ""
    return (
        "Every number comes from decoded files. Means are over patients, of each patient's"
        f" images, of each image's seeds. {kept}{loss} is read by the network in the loss, {eval_}"
        " by networks that were not in it: an image optimized through a network is also an"
        " adversarial example for it, so only the second can say that an image reads better. bpp"
        f" is the length of the file in bits over the pixels, header included. {sent}`~` marks a"
        " method whose paired difference to the one above it has a 95 % interval over patients"
        " that includes 0: a tie, whatever the order. `?`: a single patient, no interval."
    )


def _is_read(scored: Scored, metric: str) -> bool:
    """Whether any network gives a metric, in the loss or not."""
    known = metrics_of(scored)
    return metric in known or f"{metric}_eval" in known


def _codecs_with_masks(scored: Scored) -> str:
    """A sentence on the codecs that send the true mask, where the store has files of one."""
    names = [f"`{codec.name}`" for codec in codecs_of(scored) if codec.sends_mask]
    if not names:
        return ""
    verb, whose = ("sends", "its") if len(names) == 1 else ("send", "their")
    return (
        f"{' and '.join(names)} {verb} the true mask beside the image, since SINCO's encoder sees"
        f" it too; {whose} Dice is that of the mask sent. "
    )


def _section(scored: Scored, section: Section) -> str:
    title = f"## {section.dataset}, {section.rate}"
    if section.loss is not None:
        title += f"\n\nNetwork in the loss: {scored.name(section.loss)}."
        for metric, said in (("dice", "Dice (eval)"), ("kl", "Kept, KL and right (eval)")):
            if _is_read(scored, metric):
                readers = map(scored.name, scored.readers_of(metric, section.readers))
                title += f" {said}: {_read_by(scored, section, ', '.join(readers))}."
    parts = [title, _overview(section)]
    for metric in METRICS:
        if _has(section, metric):
            parts.append(_ranking(section, metric))
    return "\n\n".join(parts)


def _read_by(scored: Scored, section: Section, readers: str) -> str:
    """Whose mean it is, or what to type where no network read but the one in the loss."""
    if readers:
        return f"mean of {readers}"
    assert section.loss is not None
    command = second_network(section.dataset, scored.name(section.loss))
    return f"none, for no second network read; train one with `{command}` and run again"


def _has(section: Section, metric: str) -> bool:
    """Whether any method has a value of a metric."""
    return any(method.values.get(metric) for method in section.methods)


def _overview(section: Section) -> str:
    """Every method with the mean of every metric."""
    metrics = [metric for metric in (*METRICS, *ASIDE) if _has(section, metric)]
    heads, bound = ["method", "bpp"], ["*original image (bound)*", "-"]
    for metric in metrics:
        heads.append(ASIDE.get(metric) or LABELS[metric] + UNITS.get(metric, ""))
        bound.append(measured(metric, section.original.get(metric)))
    heads += ["seconds a file", "images", "cells failed"]
    rows = [_overview_row(method, metrics) for method in section.methods]
    text = Table(heads, [*rows, [*bound, "-", "-", "-"]]).markdown()
    if len({len(method.keys) for method in section.methods}) > 1:
        text += (
            "\n\nMethods have different numbers of images here: means are each of its own images,"
            " the rankings' differences of those that both have."
        )
    return text


def _overview_row(method: Method, metrics: Sequence[str]) -> list[str]:
    row = [method.label, number(method.bpp, 3)]
    for metric in metrics:
        row.append(measured(metric, method.mean(metric)))
    return [*row, number(method.seconds, 2), str(len(method.keys)), str(method.failed)]


def _ranking(section: Section, metric: str) -> str:
    """The methods by one metric, best first."""
    unit = UNITS.get(metric, "")
    rows = []
    for place, found in enumerate(ranking(section, metric), 1):
        tie, behind = "", "-"
        if place > 1:
            tie = {True: "~", False: "", None: "?"}[found.tied]
            behind = measured(metric, found.behind, sign=True)
            if not math.isnan(found.low):
                behind += f" {interval(metric, found.low, found.high)}"
        mean = measured(metric, found.mean)
        rows.append([found.method.label, str(place), tie, mean, behind, str(found.images)])
    heads = ["method", "rank", "tie", f"mean{unit}", f"to the one above{unit} [95 %]", "images"]
    return f"### By {LABELS[metric]}\n\n{Table(heads, rows).markdown()}"


def _question(scored: Scored, comparisons: Sequence[Comparison], labels: dict[Group, str]) -> str:
    """SINCO against its plain twins, a row for each comparison and metric."""
    title = "## Does the segmenter in the loss help?"
    rows, verdicts = [], 0
    for comparison in comparisons:
        for metric, s in comparison.summaries.items():
            verdicts += s.wins + s.ties + s.losses
            counts = (s.images, s.patients, s.wins, s.ties, s.losses, s.unknown)
            rows.append(
                [
                    labels[comparison.group],
                    LABELS[metric] + UNITS.get(metric, ""),
                    *map(str, counts),
                    measured(metric, s.mean, sign=True),
                    "-" if math.isnan(s.low) else interval(metric, s.low, s.high),
                    measured(metric, s.floor),
                    str(s.nulls),
                    str(comparison.failed),
                    str(comparison.unpaired),
                ]
            )
    if not rows:
        return f"{title}\n\nNothing to compare: no stored fit has a lambda above 0."
    heads = [
        "SINCO",
        "metric",
        "images",
        "patients",
        "wins",
        "ties",
        "losses",
        "unknown",
        "mean difference",
        "95 % over patients",
        "noise floor",
        "null twins",
        "failed",
        "without twin",
    ]
    lower = " A lower KL is a win." if scored.label_readers else ""
    said = (
        "SINCO minus its lambda = 0 twin (same image, seed, rate, recipe), mean over seeds. A"
        " win or loss lies beyond the image's null band: what twins whose initial weights"
        " differ by 1e-7 differ by. The noise floor is the root mean square of single null"
        " differences. The band holds 95 % of what chance does where images are alike, so of"
        f" these {plural(verdicts, 'verdict')} about {math.ceil(0.05 * verdicts)} may be"
        f" chance.{lower}"
    )
    return "\n\n".join([title, said, Table(heads, rows).markdown()])


def _crossed(scored: Scored) -> str:
    """Network in the loss x network that reads; nothing where one network was in the loss."""
    found = cross.crossings(scored)
    parts = ["## Does it help when another network reads?", cross.READING] if found else []
    for crossing in found:
        parts += [f"### {crossing.title}", cross.full_table(scored, crossing).markdown()]
    return "\n\n".join(parts)


def _losses(scored: Scored, found: Sequence[Line]) -> str:
    """The images on which SINCO is worse than its plain twins, beyond the null band."""
    if not found:
        return ""
    worse = underperformers(list(found))
    beyond = [row for row in worse if row["beyond_band"]]
    text = (
        f"## Where SINCO loses\n\n{plural(len(beyond), 'loss')} beyond the null band, listed here;"
        f" {len(worse) - len(beyond)} further differences"
        f" {'for the worse' if scored.label_readers else 'below zero'} lie within it or have no"
        " band: underperformers.csv has them all."
    )
    if not beyond:
        return text
    rows = []
    for row in beyond:
        metric = row["metric"]
        rows.append(
            [
                row["sample_id"],
                row["inr"],
                row["segmenter"],
                lambda_text(row["lambda"]),
                LABELS[metric] + UNITS.get(metric, ""),
                measured(metric, row["plain"]),
                measured(metric, row["sinco"]),
                measured(metric, row["difference"], sign=True),
                measured(metric, row["band"]),
                str(row["seeds"]),
            ]
        )
    heads = ["image", "network", "segmenter", "lambda", "metric"]
    heads += ["plain", "SINCO", "difference", "null band", "seeds"]
    return f"{text}\n\n{Table(heads, rows).markdown()}"


def _agreements(found: Sequence[Agreement]) -> str:
    """Every pair of recipes that the store holds; nothing where there is one recipe."""
    if not found:
        return ""
    parts = ["## Do two recipes agree?", agreement_words.reading(found), agreement_words.CONCLUDING]
    for agreement in found:
        parts += _agreement(agreement)
    return "\n\n".join(parts)


def _agreement(agreement: Agreement) -> list[str]:
    parts = [
        f"### {agreement_words.title(agreement)}",
        f"{agreement_words.sizes(agreement)}.",
        agreement_words.quality_table(agreement).markdown(),
    ]
    verdicts = []
    for quality in agreement.qualities:
        said = agreement_words.verdict(quality, agreement.metrics)
        verdicts.append(f"- lambda {lambda_text(quality.lam)}: {said}")
    parts.append("\n".join(verdicts))
    if agreement.conclusions:
        parts.append(f"Who wins: {agreement_words.concluded(agreement)}.")
        parts.append(agreement_words.conclusions_table(agreement).markdown())
    disagreed = agreement_words.disagreements(agreement)
    if disagreed:
        heads = ["image", "lambda", "metric", "disagreement", "A", "B"]
        rows = [agreement_words.disagreement(*pair) for pair in disagreed[:MOST_DISAGREEMENTS]]
        parts.append(Table(heads, rows).markdown())
    more = len(disagreed) - MOST_DISAGREEMENTS
    if more > 0:
        parts.append(f"and {more} more: `python -m benchmark report --json`")
    if agreement.notes:
        parts.append("\n".join(f"- Note: {note}." for note in agreement.notes))
    return parts


def _failures(scored: Scored) -> str:
    rows = failures(scored)
    total = len(scored.rows)
    if not rows:
        return f"## Failures\n\nNone of {total} cells failed or diverged."
    listed = []
    for row in rows[:MOST_FAILURES]:
        listed.append(
            [
                str(row.facts.get("method")),
                str(row.facts.get("sample_id")),
                lambda_text(row.facts.get("lambda", 0)),
                str(row.facts.get("seed", "-")),
                row.status,
                row.reason,
            ]
        )
    heads = ["method", "image", "lambda", "seed", "status", "reason"]
    text = (
        f"## Failures\n\n{len(rows)} of {total} cells failed or diverged. They are in no"
        f" mean above.\n\n{Table(heads, listed).markdown()}"
    )
    if len(rows) > MOST_FAILURES:
        text += f"\n\nand {len(rows) - MOST_FAILURES} more: rows.csv"
    return text

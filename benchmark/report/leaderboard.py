"""The leaderboard as Markdown: who is where, does the segmenter help, where does SINCO lose, and
how it was made.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from benchmark.errors import InputError
from benchmark.plugins import index
from benchmark.report import agreement_words, cross
from benchmark.report.agreement import Agreement, agreements
from benchmark.report.flips import Flips, flips
from benchmark.report.methods import Method, Section, ranking, sections
from benchmark.report.per_image import Line, lines, underperformers
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
    labels = group_labels([comparison.group for comparison in comparisons])
    found = [line for comparison in comparisons for line in lines(scored, comparison)]
    parts = ["# Leaderboard", _reading(scored)]
    parts += [f"{said}." for said in learned_inits(scored)]
    parts += [_section(scored, section) for section in sections(scored)]
    parts += [
        _question(scored, comparisons, labels),
        _crossed(scored),
        _losses(scored, found),
        _agreements(agreements(scored)),
        _flips(flips(scored)),
        _failures(scored),
        _made(scored),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is left-aligned, the others right-aligned."""
    rule = ["---", *["---:"] * (len(heads) - 1)]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"
        for row in [heads, rule, *rows]
    )


def _reading(scored: Scored) -> str:
    as_ = (
        "" if scored.score_as == "decoded" else f", scored as {scored.score_as} and not as they are"
    )
    labels, masks = (
        bool({metric, f"{metric}_eval"} & set(metrics_of(scored))) for metric in ("kl", "dice")
    )
    loss, eval_ = (
        ("**Dice (loss)**", "**Dice (eval)**")
        if masks and not labels
        else ("**(loss)**", "**(eval)**")
    )
    kept = (
        "**Kept** is the share of images whose most probable class is that of the original,"
        " **right** of those where it is the true one; **KL** is the divergence of a classifier's"
        " answer on the file from that on the original, KL(original || decoded) in nats: lower is"
        " better. "
        if labels
        else ""
    )
    mask = (
        "`jpeg2000+mask` sends the true mask beside the image, since SINCO's encoder sees it too;"
        " its Dice is that of the mask sent. "
        if masks
        else ""
    )
    return (
        f"Every number comes from decoded files{as_}. Means are over patients, of each patient's"
        f" images, of each image's seeds. {kept}{loss} is read by the network in the loss, {eval_}"
        " by networks that were not in it: an image optimized through a network is also an"
        " adversarial example for it, so only the second can say that an image reads better. bpp"
        f" is the length of the file in bits over the pixels, header included. {mask}`~` marks a"
        " method whose paired difference to the one above it has a 95 % interval over patients"
        " that includes 0: a tie, whatever the order. `?`: a single patient, no interval."
    )


def _section(scored: Scored, section: Section) -> str:
    title = f"## {section.dataset}, {section.rate}"
    if section.loss is not None:
        title += f"\n\nNetwork in the loss: {scored.name(section.loss)}."
        for metric, said in (("dice", "Dice (eval)"), ("kl", "Kept, KL and right (eval)")):
            if {metric, f"{metric}_eval"} & set(metrics_of(scored)):
                title += (
                    f" {said}: mean of"
                    f" {', '.join(map(scored.name, scored.readers_of(metric, section.readers))) or 'none'}."
                )
    parts = [title, _overview(section)]
    parts += [
        _ranking(section, metric)
        for metric in METRICS
        if any(m.values.get(metric) for m in section.methods)
    ]
    return "\n\n".join(parts)


def _overview(section: Section) -> str:
    metrics = [
        m for m in (*METRICS, *ASIDE) if any(method.values.get(m) for method in section.methods)
    ]

    def row(method: Method) -> list[str]:
        means = [measured(m, method.mean(m)) for m in metrics]
        return [
            method.label,
            number(method.bpp, 3),
            *means,
            number(method.seconds, 2),
            str(len(method.keys)),
            str(method.failed),
        ]

    rows = [row(method) for method in section.methods]
    bound = [measured(m, section.original[m]) if m in section.original else "-" for m in metrics]
    rows.append(["*original image (bound)*", "-", *bound, "-", "-", "-"])
    names = [ASIDE[m] if m in ASIDE else LABELS[m] + UNITS.get(m, "") for m in metrics]
    heads = ["method", "bpp", *names, "seconds a file", "images", "cells failed"]
    text = table(heads, rows)
    if len({len(method.keys) for method in section.methods}) > 1:
        text += (
            "\n\nMethods have different numbers of images here: means are each of its own images,"
            " the rankings' differences of those that both have."
        )
    return text


def _ranking(section: Section, metric: str) -> str:
    unit = UNITS.get(metric, "")
    rows = []
    for place, found in enumerate(ranking(section, metric), 1):
        tie = "" if place == 1 else {True: "~", False: "", None: "?"}[found.tied]
        behind = (
            "-"
            if place == 1
            else f"{measured(metric, found.behind, sign=True)}"
            + ("" if math.isnan(found.low) else f" {interval(metric, found.low, found.high)}")
        )
        rows.append(
            [
                found.method.label,
                str(place),
                tie,
                measured(metric, found.mean),
                behind,
                str(found.images),
            ]
        )
    heads = ["method", "rank", "tie", f"mean{unit}", f"to the one above{unit} [95 %]", "images"]
    return f"### By {LABELS[metric]}\n\n{table(heads, rows)}"


def _question(scored: Scored, comparisons: Sequence[Comparison], labels: dict[Group, str]) -> str:
    """SINCO against its plain twins, a row for each comparison and metric."""
    rows = []
    for comparison in comparisons:
        for metric, s in comparison.summaries.items():
            rows.append(
                [
                    labels[comparison.group],
                    LABELS[metric] + UNITS.get(metric, ""),
                    str(s.images),
                    str(s.patients),
                    str(s.wins),
                    str(s.ties),
                    str(s.losses),
                    str(s.unknown),
                    measured(metric, s.mean, sign=True),
                    "-" if math.isnan(s.low) else interval(metric, s.low, s.high),
                    measured(metric, s.floor),
                    str(s.nulls),
                    str(comparison.failed),
                    str(comparison.unpaired),
                ]
            )
    if not rows:
        return (
            "## Does the segmenter in the loss help?\n\nNothing to compare: no stored fit has a"
            " lambda above 0."
        )
    verdicts = sum(s.wins + s.ties + s.losses for c in comparisons for s in c.summaries.values())
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
    return "\n\n".join(
        [
            "## Does the segmenter in the loss help?",
            "SINCO minus its lambda = 0 twin (same image, seed, rate, recipe), mean over seeds. A"
            " win or loss lies beyond the image's null band: what twins whose initial weights"
            " differ by 1e-7 differ by. The noise floor is the root mean square of single null"
            " differences. The band holds 95 % of what chance does where images are alike, so of"
            f" these {plural(verdicts, 'verdict')} about {math.ceil(0.05 * verdicts)} may be"
            " chance." + (" A lower KL is a win." if scored.label_readers else ""),
            table(heads, rows),
        ]
    )


def _crossed(scored: Scored) -> str:
    """Network in the loss x network that reads; nothing where one network was in the loss."""
    found = cross.crossings(scored)
    parts = ["## Does it help when another network reads?", cross.READING] if found else []
    for crossing in found:
        parts += [f"### {crossing.title}", table(*cross.rows(scored, crossing))]
    return "\n\n".join(parts)


def _losses(scored: Scored, found: Sequence[Line]) -> str:
    worse = underperformers(list(found))
    if not found:
        return ""
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
        values = [
            measured(metric, row[name], sign=name == "difference")
            for name in ("plain", "sinco", "difference", "band")
        ]
        rows.append(
            [
                row["sample_id"],
                row["inr"],
                row["segmenter"],
                lambda_text(row["lambda"]),
                LABELS[metric] + UNITS.get(metric, ""),
                *values,
                str(row["seeds"]),
            ]
        )
    heads = [
        "image",
        "network",
        "segmenter",
        "lambda",
        "metric",
        "plain",
        "SINCO",
        "difference",
        "null band",
        "seeds",
    ]
    return f"{text}\n\n{table(heads, rows)}"


def _agreements(found: Sequence[Agreement]) -> str:
    """Every pair of recipes that the store holds; nothing where there is one recipe."""
    if not found:
        return ""
    parts = ["## Do two recipes agree?", agreement_words.reading(found), agreement_words.CONCLUDING]
    for agreement in found:
        parts += [
            f"### {agreement_words.title(agreement)}",
            f"{agreement_words.sizes(agreement)}.",
            table(*agreement_words.quality_table(agreement)),
            "\n".join(
                f"- lambda {lambda_text(q.lam)}: {agreement_words.verdict(q, agreement.metrics)}"
                for q in agreement.qualities
            ),
        ]
        if agreement.conclusions:
            parts += [
                f"Who wins: {agreement_words.concluded(agreement)}.",
                table(*agreement_words.conclusions_table(agreement)),
            ]
        listed = [
            agreement_words.disagreement(*pair) for pair in agreement_words.disagreements(agreement)
        ]
        if listed:
            parts.append(
                table(
                    ["image", "lambda", "metric", "disagreement", "A", "B"],
                    listed[:MOST_DISAGREEMENTS],
                )
            )
        if len(listed) > MOST_DISAGREEMENTS:
            parts.append(
                f"and {len(listed) - MOST_DISAGREEMENTS} more: `python -m benchmark report --json`"
            )
        if agreement.notes:
            parts.append("\n".join(f"- Note: {note}." for note in agreement.notes))
    return "\n\n".join(parts)


def _flips(flipped: Sequence[Flips]) -> str:
    if not flipped:
        return ""
    labels = group_labels([flip.group for flip in flipped])
    rows = [
        [
            labels[flip.group],
            str(flip.pairs),
            str(flip.flips),
            f"{100 * flip.flips / flip.pairs:.0f} %",
        ]
        for flip in flipped
    ]
    return (
        "## What stretching alone changes\n\nPairs (plain, SINCO) whose winner by PSNR changes when"
        " each picture is first stretched to its own minimum and maximum and saved as an 8-bit"
        " PNG.\n\n" + table(["SINCO", "pairs", "other winner", "share"], rows)
    )


def _failures(scored: Scored) -> str:
    rows = failures(scored)
    if not rows:
        return f"## Failures\n\nNone of {len(scored.rows)} cells failed or diverged."
    listed = [
        [
            str(row.facts.get("method")),
            str(row.facts.get("sample_id")),
            lambda_text(row.facts.get("lambda", 0)),
            str(row.facts.get("seed", "-")),
            row.status,
            row.reason,
        ]
        for row in rows[:MOST_FAILURES]
    ]
    more = (
        f"\n\nand {len(rows) - MOST_FAILURES} more: rows.csv" if len(rows) > MOST_FAILURES else ""
    )
    return (
        f"## Failures\n\n{len(rows)} of {len(scored.rows)} cells failed or diverged. They are in no"
        " mean above.\n\n"
        + table(["method", "image", "lambda", "seed", "status", "reason"], listed)
        + more
    )


def _made(scored: Scored) -> str:
    run = scored.run
    parts = ["## How it was made"]
    if command := run.get("command"):
        parts.append(f"```\npython -m benchmark {' '.join(map(str, command))}\n```")
    facts = _recipes(scored) + _environment(run.get("environment") or {})
    parts.append("\n".join(f"- {fact}" for fact in facts))
    roles = {reader["hash"]: reader.get("role", "-") for reader in run.get("readers") or []}
    readers = [
        [scored.name(hash_), hash_, roles.get(hash_, "-")]
        for hash_ in dict.fromkeys([*scored.losses, *scored.readers])
    ]
    if readers:
        parts.append(table(["reader", "hash", "role in the latest run"], readers))
    datasets = sorted({row.facts["dataset"] for row in scored.rows if "dataset" in row.facts})
    parts.append("Data: " + "; ".join(f"{name}: {_licence(name, run)}" for name in datasets))
    prepared = [
        (name, [f"{key} {value}" for key, value in json.loads(options).items() if value != ""])
        for name, options in sorted(scored.store.preparations())
    ]
    parts.append(
        "\n".join(f"- {name} prepared with {', '.join(options)}" for name, options in prepared)
    )
    return "\n\n".join(part for part in parts if part)


def _recipes(scored: Scored) -> list[str]:
    """Each distinct recipe, backbone by backbone, with what came out of it."""
    out: dict[str, None] = {}
    for row in scored.rows:
        recipe = row.facts.get("recipe")
        if recipe and not row.facts.get("codec"):
            words = ", ".join(
                f"{name} {json.dumps(value)}" for name, value in sorted(recipe.items())
            )
            sizes = ", ".join(
                f"{name} {value}"
                for name, value in sorted((row.facts.get("inr_args") or {}).items())
            )
            out[f"{row.facts['inr']} ({sizes}), {row.facts.get('bits')} bits a weight; {words}"] = (
                None
            )
    return list(out)


def _environment(environment: dict[str, Any]) -> list[str]:
    out = []
    for name, value in environment.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {inner}" for key, inner in value.items())
        out.append(f"{name}: {value}")
    return out


def _licence(name: str, run: dict[str, Any]) -> str:
    """What the run recorded, else what the data set's plug-in says."""
    recorded = run.get("dataset") or {}
    if recorded.get("name") == name:
        return f"{recorded.get('licence')}; {recorded.get('citation')}"
    try:
        plugin = index.get("dataset", name).load()
    except InputError:
        return "licence not recorded, and no plug-in of that name is here"
    return f"{plugin.licence}; {plugin.citation}"

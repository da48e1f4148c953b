"""The tables of a run on a terminal: fewer columns where it is narrow, plain aligned lines where
there is none.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from benchmark.report import cross
from benchmark.report.agreement import agreements
from benchmark.report.agreement_terminal import agreement_lines
from benchmark.report.codecs import CodecNames, codecs_of
from benchmark.report.columns import (
    Column,
    choose,
    dimmed,
    drawn,
    folded,
    left_out,
    not_shown,
)
from benchmark.report.numbered import recipe_legend, recipe_numbers
from benchmark.report.per_image import Line, lines
from benchmark.report.second import second_network
from benchmark.report.words import (
    DICE_LEGEND,
    DIGITS,
    LABEL_LEGEND,
    LABELS,
    LEGEND,
    TOGETHER,
    UNITS,
    group_labels,
    interval,
    learned_inits,
    mark,
    measured,
    number,
    plural,
)
from benchmark.stats.compare import METRICS, Comparison, Summary, compare, failures, metrics_of
from benchmark.store.view import Scored

MOST_LINES = 40
STYLES = {"loss": "bold red", "win": "green", "unknown": "dim", "tie": ""}
FULL_WIDTH = 10_000  # nothing is left out where there is no terminal
CODEC, CODEC_WITH_MASK = "a codec", "a codec that sends the mask"
# What a narrow terminal shows first, by (metric, column): the rest is added from left to right as
# long as it fits.
FIRST = (
    ("psnr_db", "diff"),
    ("dice", "diff"),
    ("dice_eval", "diff"),
    ("kl", "diff"),
    ("kl_eval", "diff"),
    ("psnr_db", "plain"),
    ("psnr_db", "SINCO"),
    ("dice", "plain"),
    ("dice", "SINCO"),
    ("kl", "plain"),
    ("kl", "SINCO"),
    ("label_kept", "diff"),
    ("label_kept", "plain"),
    ("label_kept", "SINCO"),
    ("psnr_db", CODEC),
    ("", "bpp"),
    ("dice_eval", "plain"),
    ("dice_eval", "SINCO"),
    ("kl_eval", "plain"),
    ("kl_eval", "SINCO"),
    ("label_kept_eval", "diff"),
    ("label_kept_eval", "plain"),
    ("label_kept_eval", "SINCO"),
    ("dice", CODEC),
    ("dice_eval", CODEC),
    ("kl", CODEC),
    ("label_kept", CODEC),
    ("kl_eval", CODEC),
    ("label_kept_eval", CODEC),
    ("ssim", "diff"),
    ("ssim", "plain"),
    ("ssim", "SINCO"),
    ("ssim", CODEC),
    ("dice", CODEC_WITH_MASK),
    ("dice_eval", CODEC_WITH_MASK),
    ("psnr_db", CODEC_WITH_MASK),
    ("ssim", CODEC_WITH_MASK),
    ("kl_eval", CODEC_WITH_MASK),
    ("label_kept_eval", CODEC_WITH_MASK),
)


def print_tables(scored: Scored, console: Console) -> None:
    """Print every comparison's table and summary, the agreement of recipes and the failures."""
    width = console.width if console.is_terminal else FULL_WIDTH
    for text in render(scored, width=width):
        console.print(text, soft_wrap=True, highlight=False)


def render(scored: Scored, *, width: int) -> list[Text]:
    """The lines that `print_tables` prints."""
    comparisons = compare(scored)
    labels = group_labels([comparison.group for comparison in comparisons], recipe_numbers(scored))
    codecs = codecs_of(scored)
    out: list[Text] = []
    missing: dict[str, list[str]] = {}
    for comparison in comparisons:
        out += folded([Text(labels[comparison.group], "bold")], width)
        table, hidden = _table(lines(scored, comparison), codecs, width)
        missing |= hidden
        out += [*table, Text("")]
    if comparisons:
        out += not_shown(missing, width, "per_image.csv")
        out += dimmed(_legend(scored, comparisons))
        out += folded([Text(line, "dim") for line in recipe_legend(scored)], width)
        out.append(Text(""))
    else:
        out.append(Text("nothing to compare: no stored fit has a lambda above 0"))
    for comparison in comparisons:
        out += folded(summary(comparison, labels[comparison.group]), width)
    for crossing in cross.crossings(scored):
        head = f"{crossing.title}: Dice, SINCO - plain, by each reader; in brackets what was in"
        out.append(Text(f"{head} the loss", "bold"))
        for line in cross.terminal_table(scored, crossing).lines():
            out.append(Text(f"  {line}"))
    for agreement in agreements(scored):
        out += agreement_lines(agreement, width)
    return out + folded([*_problems(scored), *_notes(scored)], width)


def _notes(scored: Scored) -> list[Text]:
    notes = list(map(Text, learned_inits(scored)))
    shown = len(scored.rows)
    if shown < scored.stored:
        said = f"these are the {shown} cells of the latest run; the store holds {scored.stored}"
        notes.append(Text(said))
    return notes


def _legend(scored: Scored, comparisons: Sequence[Comparison]) -> list[str]:
    """The lines below the tables that say how they are read, of what is in them."""
    out = LEGEND.splitlines()
    codecs = ";  ".join(map(_codec_legend, codecs_of(scored)))
    if codecs:
        out.append(codecs)
    readers: set[str] = set()
    losses: set[str] = set()
    for comparison in comparisons:
        readers.update(comparison.readers)
        losses.add(comparison.group.segmenter_hash)
    others = sorted(readers, key=scored.name)
    for metric, legend in (("dice", DICE_LEGEND), ("kl", LABEL_LEGEND)):
        if metric not in metrics_of(scored) and f"{metric}_eval" not in metrics_of(scored):
            continue
        names = ", ".join(map(scored.name, scored.readers_of(metric, others)))
        if len(losses) > 1:  # each was in the loss of some tables, and reads the others
            names = f"those of {names}"
        if names:
            out += legend.format(others=names).splitlines()
        else:
            out += _read_by_one(metric, comparisons)
    return out


def _read_by_one(metric: str, comparisons: Sequence[Comparison]) -> list[str]:
    """What to know where the network in the loss alone reads, and what to type for another."""
    group = comparisons[0].group
    return [
        f"{LABELS[metric]}: by the network in the loss. No second network read: whether an image",
        "  reads better for others is open. Train one, and run again:",
        f"  {second_network(group.dataset, group.segmenter)}",
    ]


def _codec_legend(codec: CodecNames) -> str:
    if codec.sends_mask:
        return f"{codec.label}: with the true mask sent too"
    return f"{codec.label}: {codec.name} at the bytes of the fits"


def summary(comparison: Comparison, label: str) -> list[Text]:
    """What a comparison comes to: a heading, and for PSNR and what networks read (SSIM is in the
    files) one line each.
    """
    images = len(comparison.images)
    patients = len({image.patient for image in comparison.images})
    head = (
        f"{label}: {plural(images, 'image')} of {plural(patients, 'patient')},"
        f" {plural(comparison.seeds, 'seed')}"
    )
    if comparison.failed:
        head += f"; {plural(comparison.failed, 'SINCO cell')} failed"
    if comparison.unpaired:
        head += f"; {plural(comparison.unpaired, 'SINCO cell')} without a plain twin"
    style = "bold red" if comparison.failed or comparison.unpaired else "bold"
    out = [Text(head, style)]
    for metric, found in comparison.summaries.items():
        if metric != "ssim":
            out.append(_summary_line(found))
    return out


def _summary_line(s: Summary) -> Text:
    unit = UNITS.get(s.metric, "")
    counts = ", ".join([plural(s.wins, "win"), plural(s.ties, "tie"), plural(s.losses, "loss")])
    if s.unknown:
        counts += f", {s.unknown} unknown"
    floor = "no noise floor: no null twins"
    if s.nulls:
        floor = f"noise floor {measured(s.metric, s.floor)}{unit}"
    mean = f"{measured(s.metric, s.mean, sign=True)}{unit} {interval(s.metric, s.low, s.high)}"
    return Text(
        f"  {LABELS[s.metric]:<11} n {s.images}: {counts}; mean {mean};"
        f" {floor.replace(' ', TOGETHER)}"
    )


def _problems(scored: Scored) -> list[Text]:
    rows = failures(scored)
    if not rows:
        return []
    head = (
        f"{len(rows)} of {len(scored.rows)} cells failed or diverged (each has its row in"
        " rows.csv):"
    )
    reasons = Counter(f"{row.status}: {row.reason}" for row in rows)
    out = [Text(head, "bold red")]
    for reason, count in reasons.most_common():
        out.append(Text(f"  {count} x {reason}"))
    return out


def _table(
    found: Sequence[Line], codecs: Sequence[CodecNames], width: int
) -> tuple[list[Text], dict[str, list[str]]]:
    """The lines of a comparison's table, and the columns that did not fit: see `left_out`."""
    shown = found[:MOST_LINES]
    longest = max(len(line.image.sample_id) for line in shown)
    widest = max(5, min(longest, 24 if width < 160 else 40))
    names = [_shortened(line.image.sample_id, widest) for line in shown]
    known = _columns(shown, codecs)
    columns = choose(known, width - widest, _first(codecs))
    out = drawn(names, columns, "image", widest)
    if len(found) > len(shown):
        more = f"and {len(found) - len(shown)} more images, less harmed: per_image.csv"
        out.append(Text(more, "dim"))
    return out, left_out(known, columns)


def _shortened(name: str, widest: int) -> str:
    """Samples are told apart by the end of their name as often as by its start."""
    if len(name) <= widest:
        return name
    return name[:6] + ".." + name[len(name) - widest + 8 :]


def _first(codecs: Sequence[CodecNames]) -> list[tuple[str, str]]:
    """FIRST, with the names of the codecs."""
    kinds: dict[str, list[str]] = {CODEC: [], CODEC_WITH_MASK: []}
    for codec in codecs:
        kinds[CODEC_WITH_MASK if codec.sends_mask else CODEC].append(codec.name)
    out = []
    for metric, name in FIRST:
        for each in kinds.get(name, [name]):
            out.append((metric, each))
    return out


def _columns(shown: Sequence[Line], codecs: Sequence[CodecNames]) -> list[Column]:
    """Every column that has a value, metric by metric."""
    # The column's name, what stands above it, and the method whose values it shows.
    methods = [("plain", "plain", "plain"), ("SINCO", "SINCO", "sinco")]
    for codec in codecs:
        methods.append((codec.name, codec.label, codec.name))
    out = []
    for metric in METRICS:
        for name, head, method in methods:
            cells = _values(shown, method, metric)
            if cells:
                out.append(Column(metric, name, head, cells))
        if any(metric in line.image.differences for line in shown):
            cells = [_difference(line, metric) for line in shown]
            out.append(Column(metric, "diff", "diff", cells))
    cells = [(number(line.values["sinco"]["bpp"], 2), "") for line in shown]
    out.append(Column("", "bpp", "bpp", cells))
    return out


def _values(shown: Sequence[Line], method: str, metric: str) -> list[tuple[str, str]]:
    """A cell for each image; none where no image has a value."""
    cells, some = [], False
    for line in shown:
        value = line.values.get(method, {}).get(metric, math.nan)
        some = some or not math.isnan(value)
        cells.append((measured(metric, value), ""))
    return cells if some else []


def _difference(line: Line, metric: str) -> tuple[str, str]:
    """A cell of the column `diff`: the number with its mark, and its style."""
    found = line.image.differences.get(metric)
    if found is None:
        if metric != "psnr_db" or line.image.pairs:
            return "-  ", ""
        return "failed" if line.image.failed else "no twin", "bold red"
    style = STYLES[found.verdict]
    if found.verdict == "tie" and found.gain < 0:
        style = "yellow"
    difference = number(found.difference, DIGITS[metric], sign=True)
    return f"{difference}{mark(found.gain, found.verdict):<2}", style

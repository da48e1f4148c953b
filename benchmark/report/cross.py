"""Network in the loss x network that reads: does what SINCO gains with one network remain when
another reads the file?
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark.files.writing import replacing
from benchmark.report.numbered import recipe_numbers
from benchmark.report.style import figure, save
from benchmark.report.table import Table
from benchmark.report.words import backbone, interval, lambda_text, measured, told_apart
from benchmark.stats.compare import Comparison, Summary, compare, patient_interval, read_by
from benchmark.store.view import Scored

Which = tuple[str, str, tuple[tuple[str, str], ...], float]  # data set, backbone, settings, lambda
HEADS = [
    "dataset",
    "setting",
    "lambda",
    "in the loss",
    "read by",
    "kin",
    "images",
    "patients",
    "wins",
    "ties",
    "losses",
    "plain",
    "difference",
    "low",
    "high",
    "floor",
    "original",
]


@dataclass(frozen=True)
class Cell:
    """One network reads what was fitted with one in the loss: Dice of SINCO less that of its plain
    twin.
    """

    summary: Summary
    plain: float  # mean Dice of the plain twins, over patients
    original: float  # and of the original images
    in_loss: bool  # the reader was in the loss, alone or in an ensemble


@dataclass(frozen=True, eq=False)
class Crossing:
    """All networks in the loss of one data set, backbone, recipe and lambda; cells by (in the loss,
    reader).
    """

    dataset: str
    setting: str
    lam: float
    losses: list[str]
    readers: list[str]
    cells: dict[tuple[str, str], Cell]
    others: dict[str, Summary]  # in the loss -> mean of all readers that were not in it

    @property
    def title(self) -> str:
        return f"{self.setting} on {self.dataset}, lambda {lambda_text(self.lam)}"


def crossings(scored: Scored) -> list[Crossing]:
    """A crossing wherever several networks were in the loss of otherwise equal fits; [] where one
    was.
    """
    members: dict[Which, list[Comparison]] = defaultdict(list)
    for comparison in compare(scored):
        group = comparison.group
        # The precision is chosen for each network: it does not part them.
        settings = tuple(setting for setting in group.settings if setting[0] != "precision")
        members[group.dataset, group.inr, settings, group.lam].append(comparison)
    crossed: dict[Which, list[Comparison]] = {}
    names, told = [], []
    for which, found in members.items():
        if len({c.group.segmenter_hash for c in found}) > 1:
            dataset, inr, settings, _ = which
            crossed[which] = found
            names.append(f"{dataset} {backbone(inr, dict(settings))}")
            told.append(dict(settings))
    out = []
    labels = told_apart(names, told, recipe_numbers(scored))
    for (which, found), label in zip(crossed.items(), labels, strict=True):
        dataset, _, _, lam = which
        crossing = _crossing(scored, dataset, label.partition(" ")[2], lam, found)
        if crossing.cells:  # what classifiers read has no Dice
            out.append(crossing)
    return out


def _crossing(
    scored: Scored, dataset: str, setting: str, lam: float, comparisons: list[Comparison]
) -> Crossing:
    losses = [comparison.group.segmenter_hash for comparison in comparisons]
    readers = list(dict.fromkeys([*losses, *scored.readers]))
    cells: dict[tuple[str, str], Cell] = {}
    others = {}
    for comparison in comparisons:
        loss = comparison.group.segmenter_hash
        for reader in readers:
            cell = _cell(scored, comparison, reader)
            if cell is not None:
                cells[loss, reader] = cell
        if "dice_eval" in comparison.summaries:
            others[loss] = comparison.summaries["dice_eval"]
    having = {reader for _, reader in cells}
    shown = [reader for reader in readers if reader in having]
    return Crossing(dataset, setting, lam, losses, shown, cells, others)


def _cell(scored: Scored, comparison: Comparison, reader: str) -> Cell | None:
    summary, images = read_by(scored, comparison, reader)
    if not summary.images:
        return None
    plain, original = [], []
    for image in images:
        if "dice" in image.differences:
            plain.append((image.differences["dice"].plain, image.patient))
        if image.pairs:
            value = scored.value(image.pairs[0][0], "dice_original", reader)
            original.append((value, image.patient))
    in_loss = scored.kin(comparison.group.segmenter_hash, reader)
    return Cell(summary, _mean(plain), _mean(original), in_loss)


def _mean(values: Iterable[tuple[float, str]]) -> float:
    """The mean over patients of (value, patient), without what is nan."""
    having, patients = [], []
    for value, patient in values:
        if not math.isnan(value):
            having.append(value)
            patients.append(patient)
    return patient_interval(having, patients)[0]


def text(summary: Summary) -> str:
    """+0.123 [+0.034, +0.212] 9/6/1: mean difference, interval over patients, wins, ties and
    losses.
    """
    bounds = "" if math.isnan(summary.low) else f" {interval('dice', summary.low, summary.high)}"
    unknown = f"/{summary.unknown}?" if summary.unknown else ""
    return (
        f"{measured('dice', summary.mean, sign=True)}{bounds}"
        f" {summary.wins}/{summary.ties}/{summary.losses}{unknown}"
    )


def full_table(scored: Scored, crossing: Crossing) -> Table:
    """The table of the leaderboard; readers that were in the loss in brackets."""
    heads = ["in the loss"]
    plain, original = ["*Dice of the plain fits*"], ["*Dice of the originals*"]
    for reader in crossing.readers:
        heads.append(f"read by {scored.name(reader)}")
        on_plain, on_original = [], []
        for (loss, other), cell in crossing.cells.items():
            if other == reader:
                on_plain.append((cell.plain, loss))
                on_original.append((cell.original, loss))
        plain.append(measured("dice", _mean(on_plain)))
        original.append(measured("dice", _mean(on_original)))
    rows = []
    for loss in crossing.losses:
        row = [scored.name(loss)]
        for reader in crossing.readers:
            row.append(_full(crossing.cells.get((loss, reader))))
        row.append(text(crossing.others[loss]) if loss in crossing.others else "-")
        rows.append(row)
    rows += [[*plain, "-"], [*original, "-"]]
    return Table([*heads, "mean of those not in it"], rows)


def _full(cell: Cell | None) -> str:
    if cell is None:
        return "-"
    return f"({text(cell.summary)})" if cell.in_loss else text(cell.summary)


def terminal_table(scored: Scored, crossing: Crossing) -> Table:
    """The table for a terminal: mean differences, and images won/tied/lost; a reader that was in
    the loss in brackets.
    """
    rows = []
    for loss in crossing.losses:
        row = [scored.name(loss)]
        for reader in crossing.readers:
            row.append(_short(crossing.cells.get((loss, reader))))
        rows.append(row)
    return Table(["in the loss \\ read by", *map(scored.name, crossing.readers)], rows)


def _short(cell: Cell | None) -> str:
    if cell is None:
        return "-"
    s = cell.summary
    said = f"{measured('dice', s.mean, sign=True)} {s.wins}/{s.ties}/{s.losses}"
    return f"({said})" if cell.in_loss else f"{said} "


READING = (
    "Dice of SINCO less that of its plain twin, read by each network: mean over patients [95 %"
    " interval over patients], then images won, tied and lost beyond the null band of that reader."
    " In brackets: the reader was in the loss, so what it sees is in part an adversarial example"
    " for it. Only what other networks see is a picture that reads better."
)


def write_cross(scored: Scored, folder: Path) -> list[Path]:
    """cross.csv and cross.png of all crossings; nothing where there is none."""
    found = crossings(scored)
    if not found:
        return []
    lines = []
    for crossing in found:
        for (loss, reader), cell in crossing.cells.items():
            s = cell.summary
            lines.append(
                [
                    crossing.dataset,
                    crossing.setting,
                    crossing.lam,
                    scored.name(loss),
                    scored.name(reader),
                    cell.in_loss,
                    s.images,
                    s.patients,
                    s.wins,
                    s.ties,
                    s.losses,
                    cell.plain,
                    s.mean,
                    s.low,
                    s.high,
                    s.floor,
                    cell.original,
                ]
            )
    with replacing(folder / "cross.csv") as beside:
        table = pd.DataFrame(lines, columns=HEADS)
        table.to_csv(beside, index=False, float_format="%.6g", lineterminator="\n")
    _draw(scored, found, folder / "cross.png")
    return [folder / "cross.csv", folder / "cross.png"]


def _draw(scored: Scored, found: list[Crossing], path: Path) -> None:
    """A square a pair, colored by the mean difference; framed: the reader was in the loss; bold:
    the interval leaves out 0.
    """
    most, widest, tallest = 0.0, 0, 0
    for crossing in found:
        widest = max(widest, len(crossing.readers))
        tallest = max(tallest, len(crossing.losses))
        for cell in crossing.cells.values():
            most = max(most, abs(cell.summary.mean))
    drawn, axes = figure(1, len(found), (1.5 + 1.0 * widest, 1.3 + 0.75 * tallest))
    for axis, crossing in zip(axes[0], found, strict=True):
        _draw_one(axis, scored, crossing, most or 1.0)
    axes[0, 0].set_ylabel("in the loss")
    drawn.suptitle(
        "Dice, SINCO - plain: mean over patients, and images won/tied/lost beyond the null band\n"
        "framed: the reader was in the loss; bold: the 95 % interval leaves out 0",
        fontsize=8,
    )
    save(drawn, path)


def _draw_one(axis: Any, scored: Scored, crossing: Crossing, most: float) -> None:
    """One crossing; most: the difference at which the colors end."""
    grid = np.full((len(crossing.losses), len(crossing.readers)), math.nan)
    for y, loss in enumerate(crossing.losses):
        for x, reader in enumerate(crossing.readers):
            cell = crossing.cells.get((loss, reader))
            if cell is None:
                continue
            s = cell.summary
            grid[y, x] = s.mean
            sure = not (math.isnan(s.low) or s.low <= 0 <= s.high)
            axis.text(
                x,
                y,
                f"{s.mean:+.3f}\n{s.wins}/{s.ties}/{s.losses}",
                ha="center",
                va="center",
                fontsize=8,
                fontweight="bold" if sure else "normal",
            )
            if cell.in_loss:
                axis.add_patch(_frame(x, y))
    # Pale enough for black figures.
    axis.imshow(grid, cmap="PuOr_r", vmin=-1.6 * most, vmax=1.6 * most)
    readers = list(map(scored.name, crossing.readers))
    axis.set_xticks(range(len(readers)), readers, rotation=30, ha="right", fontsize=8)
    axis.set_yticks(range(len(crossing.losses)), map(scored.name, crossing.losses), fontsize=8)
    axis.set_xlabel("read by")
    axis.set_title(crossing.title, fontsize=9)


def _frame(x: float, y: float) -> object:
    from matplotlib.patches import Rectangle

    return Rectangle((x - 0.47, y - 0.47), 0.94, 0.94, fill=False, lw=1.5, edgecolor="black")

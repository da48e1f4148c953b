"""The tables of the pages, made from committed CSV files.

In a page of docs/ (and in README.md) the lines between `<!-- figure: NAME -->` and `<!-- end -->`
are what the function NAME of FIGURES returns.

    python docs/figures.py            rewrites these lines in every page
    python docs/figures.py --check    changes nothing; exit code 1 and a line for each stale page

Needs numpy and scipy only. Means are over patients: first the mean of a patient's images, then the
mean of the patients, with a 95 % t interval.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from figure_helpers import (
    ROOT,
    Record,
    by_lambda,
    counts,
    groups,
    half_width,
    interval,
    lambda_text,
    null_differences,
    null_pairs,
    over_patients,
    recipe_band,
    records,
    rms,
    table,
)

BLOCK = re.compile(r"(<!-- figure: ([^\n]*?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
MARKER = re.compile(r"<!-- (?:figure:.*?|end) -->")


LGG_METRICS = (
    ("PSNR dB", "psnr_db", 2),
    ("Dice (loss)", "dice", 3),
    ("Dice (eval)", "dice_eval", 3),
)


def lgg_verdicts() -> str:
    """SINCO minus plain by backbone and lambda: wins / ties / losses, mean and interval."""
    lines = []
    for inr, lam, rows in by_lambda(records("lgg/per_image.csv"), "inr"):
        line = [inr, lambda_text(lam)]
        for _, metric, digits in LGG_METRICS:
            differences = [(row["patient"], float(row[f"{metric}_difference"])) for row in rows]
            line.append(f"{counts(rows, metric)}, {interval(over_patients(differences), digits)}")
        lines.append(line)
    return table(["backbone", "lambda", *(title for title, _, _ in LGG_METRICS)], lines)


def lgg_counts() -> str:
    """How many of all verdicts leave the band, by lambda, all backbones and metrics together."""
    lines = []
    for _, lam, rows in by_lambda(records("lgg/per_image.csv"), "dataset"):
        verdicts = [row[f"{metric}_verdict"] for row in rows for _, metric, _ in LGG_METRICS]
        wins, losses = verdicts.count("win"), verdicts.count("loss")
        chance = f"{0.05 * len(verdicts):.0f}"
        lines.append([lambda_text(lam), str(len(verdicts)), str(wins), str(losses), chance])
    head = ["lambda", "verdicts", "wins", "losses", "beyond the band by chance, about"]
    return table(head, lines)


def lgg_floors() -> str:
    """The noise floor: root mean square of (null twin - plain twin)."""
    lines = []
    rows = records("lgg/rows.csv")
    for (inr,), pairs in sorted(_nulls_by_backbone(rows).items()):
        line = [inr]
        for metric, digits in (("psnr_db", 2), ("dice_unet", 3), ("dice_dilated", 3)):
            line.append(f"{rms(null_differences(pairs, metric)):.{digits}f}")
        lines.append(line)
    return table(["backbone", "PSNR dB", "Dice by `unet`", "Dice by `dilated`"], lines)


def _nulls_by_backbone(rows: list[Record]) -> dict[tuple[str, ...], list[tuple[Record, Record]]]:
    found: dict[tuple[str, ...], list[tuple[Record, Record]]] = defaultdict(list)
    for null, plain in null_pairs(rows):
        found[null["inr"],].append((null, plain))
    return found


def lgg_methods() -> str:
    """Every method's mean over patients, JPEG 2000 and the original included."""
    fits = [row for row in records("lgg/rows.csv") if row["null"] != "True"]
    lines = []
    for method, lam, rows in by_lambda(fits, "method"):
        name = method if float(lam) == 0 else f"{method}, lambda {lambda_text(lam)}"
        lines.append([name, *_means(rows, (("bpp", 3), *_LGG_MEANS))])
    originals = _means(fits, (("dice_original", 3), ("dice_original_eval", 3)))
    lines.append(["*original image*", "-", "-", "-", *originals])
    head = ["method", "bpp", "PSNR dB", "SSIM", "Dice by `unet`", "Dice by `dilated`"]
    return table(head, lines)


_LGG_MEANS = (("psnr_db", 2), ("ssim", 3), ("dice_unet", 3), ("dice_dilated", 3))


def _means(rows: list[Record], columns: Iterable[tuple[str, int]]) -> list[str]:
    """Means over patients, of each patient's images, of each image's fits."""
    found = []
    for column, digits in columns:
        by_image = groups((row for row in rows if row[column]), "patient", "sample_id")
        pairs = []
        for (patient, _), of_image in by_image.items():
            pairs.append((patient, float(np.mean([float(row[column]) for row in of_image]))))
        found.append(f"{over_patients(pairs)[0]:.{digits}f}")
    return found


CROSS_READERS = {
    "unet@6aa0c1": "unet",
    "unet-buda": "unet-buda",
    "unet-4": "unet-4",
    "transunet": "transunet",
    "unet@72fcac": "unet, decoded images too",
}


def cross_1e3() -> str:
    """Network in the loss x network that reads, lambda 1e-3."""
    return _cross(0.001)


def cross_1e4() -> str:
    """Network in the loss x network that reads, lambda 1e-4."""
    return _cross(0.0001)


def _cross(lam: float) -> str:
    rows = [row for row in records("cross/cross.csv") if float(row["lambda"]) == lam]
    lines = []
    for loss in (*CROSS_READERS, "unet+transunet"):
        by_reader = {row["read by"]: row for row in rows if row["in the loss"] == loss}
        if by_reader:
            cells = [_cross_cell(by_reader[reader]) for reader in CROSS_READERS]
            lines.append([CROSS_READERS.get(loss, loss), *cells])
    any_loss = {row["read by"]: row for row in rows}
    for title, column in (("*plain files*", "plain"), ("*originals*", "original")):
        lines.append([title, *(f"{float(any_loss[r][column]):.3f}" for r in CROSS_READERS)])
    return table(["in the loss", *(f"by {name}" for name in CROSS_READERS.values())], lines)


def _cross_cell(row: Record) -> str:
    counts = f"{row['wins']}/{row['ties']}/{row['losses']}"
    found = float(row["difference"]), float(row["low"]), float(row["high"])
    if row["kin"] == "True":  # the network in the loss reads itself
        return f"({found[0]:+.3f} {counts})"
    return f"{interval(found, 3)} {counts}"


def cross_cost() -> str:
    """What the penalty costs in PSNR, by network in the loss and lambda."""
    lines = []
    for network, lam, rows in by_lambda(records("cross/per_image.csv"), "segmenter"):
        pairs = [(row["patient"], float(row["psnr_db_difference"])) for row in rows]
        found = interval(over_patients(pairs), 2)
        lines.append([network, lambda_text(lam), found, counts(rows, "psnr_db")])
    return table(["in the loss", "lambda", "PSNR dB, SINCO - plain", "wins / ties / losses"], lines)


def _by_network(post: str) -> dict[str, dict[str, Record]]:
    """Network -> patient -> row, for one post-processing."""
    found: dict[str, dict[str, Record]] = defaultdict(dict)
    for row in records("networks/per_patient.csv"):
        if row["post"] == post:
            found[row["network"]][row["patient"]] = row
    return found


def networks_dice() -> str:
    """How well the networks read originals: means of patients."""
    raw = _by_network("raw")
    lines = []
    for title, column, digits in (
        ("Dice", "dice", 3),
        ("F1, all slices of a patient together", "f1", 3),
        ("recall", "recall", 3),
        ("falsely marked pixels, slices without tumor", "fp_area_px", 0),
    ):
        cells = []
        for network in CROSS_READERS:
            values = np.array([float(r[column]) for r in raw[network].values() if r[column]])
            mean, half = float(values.mean()), half_width(values)
            cells.append(interval((mean, mean - half, mean + half), digits, ""))
        lines.append([title, *cells])
    return table(["mean of 16 patients", *CROSS_READERS.values()], lines)


def networks_post() -> str:
    """What post-processing changes, paired by patient."""
    raw = _by_network("raw")
    lines = []
    for post in ("consistent", "largest", "stripped", "small"):
        after = _by_network(post)
        for title, column, digits in (("false px", "fp_area_px", 1), ("Dice", "dice", 3)):
            cells = []
            for network in CROSS_READERS:
                pairs = _paired(raw[network], after[network], column)
                cells.append(interval(over_patients(pairs), digits))
            lines.append([f"`{post}`, {title}", *cells])
        shares = [_removed(raw[network], after[network]) for network in CROSS_READERS]
        lines.append([f"`{post}`, false px removed", *shares])
    return table(["change against the raw masks", *CROSS_READERS.values()], lines)


def _paired(
    before: dict[str, Record], after: dict[str, Record], column: str
) -> list[tuple[str, float]]:
    pairs = []
    for patient in before.keys() & after.keys():
        if before[patient][column] and after[patient][column]:
            change = float(after[patient][column]) - float(before[patient][column])
            pairs.append((patient, change))
    return sorted(pairs)


def _removed(before: dict[str, Record], after: dict[str, Record]) -> str:
    """The share of the mean falsely marked area that is gone."""
    first = over_patients((p, float(r["fp_area_px"])) for p, r in before.items() if r["fp_area_px"])
    last = over_patients((p, float(r["fp_area_px"])) for p, r in after.items() if r["fp_area_px"])
    return f"{100 * (1 - last[0] / first[0]):.0f} %"


def networks_trainings() -> str:
    """Dice or BCE, one channel or three: trainings of three seeds."""
    lines = []
    for (training,), rows in groups(records("networks/trainings.csv"), "training").items():
        scored = [row for row in rows if row["dice"]]
        dice = over_patients((row["patient"], float(row["dice"])) for row in scored)
        false = over_patients(
            (row["patient"], float(row["fp_area_px"])) for row in rows if row["fp_area_px"]
        )
        seeds = []
        for _, of_seed in sorted(groups(scored, "seed").items()):
            seeds.append(f"{np.mean([float(row['dice']) for row in of_seed]):.2f}")
        name = training if "channels" in training else f"{training}, FLAIR"
        lines.append([name, interval(dice, 3, ""), ", ".join(seeds), f"{false[0]:.0f}"])
    head = [
        "loss, channels",
        "Dice, mean of 16 patients and 3 seeds",
        "Dice of each seed",
        "false px",
    ]
    return table(head, lines)


def recipes_difference() -> str:
    """400 and 600 steps of `standard` minus `adam-10k`, over seeds 1 and 2."""
    lines = []
    all_rows = [row for row in records("recipes/rows.csv") if row["method"] == "siren"]
    adam = _recipe(all_rows, 10_000, ("1", "2"))  # seed 0 is of another version of siren.py
    for steps in (400, 600):
        soap = _recipe(all_rows, steps, ("0", "1", "2", "3", "4"))
        for lam in (0.0, 1e-5, 1e-4):
            line = [f"{steps} steps", lambda_text(str(lam))]
            for column, digits in (("psnr_db", 2), ("dice_unet", 3), ("dice_dilated", 3)):
                found = _recipe_difference(soap, adam, lam, column)
                line.append(
                    f"{interval(found, digits)} ({recipe_band(soap, adam, column):.{digits}f})"
                )
            line.append(f"{_seconds(adam, lam) / _seconds(soap, lam):.0f}")
            lines.append(line)
    head = [
        "`standard`",
        "lambda",
        "PSNR dB",
        "Dice by `unet`",
        "Dice by `dilated`",
        "Adam's seconds / its",
    ]
    return table(head, lines)


def _recipe(rows: list[Record], steps: int, seeds: tuple[str, ...]) -> list[Record]:
    found = []
    for row in rows:
        if row["steps"] == str(steps) and row["seed"] in seeds:
            found.append(row)
    return found


def _recipe_difference(
    first: list[Record], second: list[Record], lam: float, column: str
) -> tuple[float, float, float]:
    """Mean over patients of the difference at equal images and seeds."""
    sides = []
    for rows in (first, second):
        side = {}
        for row in rows:
            if float(row["lambda"]) == lam and row["null"] != "True" and row[column]:
                side[row["patient"], row["sample_id"], row["seed"]] = float(row[column])
        sides.append(side)
    both = sorted(sides[0].keys() & sides[1].keys())
    return over_patients((who[0], sides[0][who] - sides[1][who]) for who in both)


def _seconds(rows: list[Record], lam: float) -> float:
    found = []
    for row in rows:
        if float(row["lambda"]) == lam and row["null"] != "True":
            found.append(float(row["fit_seconds"]))
    return float(np.mean(found))


def tuning_rates() -> str:
    """PSNR by backbone, size and learning rate; a star where a fit went wrong."""
    rows = records("tuning/fits.csv")
    rates = sorted({float(row["lr"]) for row in rows})
    lines = []
    for (inr, size), of_size in groups(rows, "inr", "size").items():
        line = [f"{inr}, {size}"]
        for rate in rates:
            fits = [row for row in of_size if float(row["lr"]) == rate]
            wrong = "*" if any(row["went_wrong"] for row in fits) else ""
            mean = f"{np.mean([float(row['psnr_db']) for row in fits]):.2f}{wrong}" if fits else "-"
            line.append(mean)
        lines.append(line)
    return table(["backbone, size", *(f"{rate:g}" for rate in rates)], lines)


_ALL: tuple[Callable[[], str], ...] = (
    lgg_verdicts,
    lgg_counts,
    lgg_floors,
    lgg_methods,
    cross_1e3,
    cross_1e4,
    cross_cost,
    networks_dice,
    networks_post,
    networks_trainings,
    recipes_difference,
    tuning_rates,
)
FIGURES = {function.__name__: function for function in _ALL}


def renewed(text: str) -> tuple[str, list[str]]:
    """A page with all its blocks made again, and what is wrong with its markers."""
    wrong: list[str] = []

    def block(match: re.Match[str]) -> str:
        start, name, old, end = match.groups()
        if MARKER.search(old):
            wrong.append(f"figure {name} has no end")
        elif name not in FIGURES:
            wrong.append(f"unknown figure {name!r}: FIGURES has {', '.join(FIGURES)}")
        else:
            return f"{start}{FIGURES[name]()}{end}"
        return match.group(0)

    page = BLOCK.sub(block, text)
    if len(MARKER.findall(text)) != 2 * len(BLOCK.findall(text)):
        wrong.append("a marker stands alone: each `figure:` needs its `end`")
    return page, wrong


def pages(root: Path) -> list[Path]:
    return [root / "README.md", *sorted((root / "docs").rglob("*.md"))]


def main(argv: list[str] | None = None, root: Path = ROOT) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing, say what is stale")
    check = parser.parse_args(argv).check
    failed = False
    for path in pages(root):
        old = path.read_text(encoding="utf-8")
        new, wrong = renewed(old)
        name = path.relative_to(root)
        for one in wrong:
            print(f"{name}: {one}", file=sys.stderr)
        failed = failed or bool(wrong)
        if new == old:
            continue
        if check:
            print(f"{name} is stale: type `python docs/figures.py`", file=sys.stderr)
            failed = True
        else:
            path.write_text(new, encoding="utf-8")
            print(f"wrote {name}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

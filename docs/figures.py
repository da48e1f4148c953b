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
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from figure_helpers import (
    ROOT,
    Found,
    Record,
    by_lambda,
    counts,
    groups,
    interval,
    lambda_text,
    null_differences,
    of_patients,
    over_patients,
    records,
    rms,
    table,
    values,
    where,
)
from scipy.special import stdtrit

BLOCK = re.compile(r"(<!-- figure: ([^\n]*?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
MARKER = re.compile(r"<!-- (?:figure:.*?|end) -->")

# --- results/lgg ---

LGG_METRICS = (
    ("PSNR dB", "psnr_db", 2),
    ("Dice (loss)", "dice", 3),
    ("Dice (eval)", "dice_eval", 3),
)


def lgg_verdicts() -> str:
    """SINCO minus plain by backbone and lambda: wins / ties / losses, mean and interval."""
    head, lines = ["backbone", "lambda"], []
    for title, _, _ in LGG_METRICS:
        head.append(title)
    for inr, lam, rows in by_lambda(records("lgg/per_image.csv"), "inr"):
        line = [inr, lambda_text(lam)]
        for _, metric, digits in LGG_METRICS:
            found = over_patients(of_patients(rows, f"{metric}_difference"))
            line.append(f"{counts(rows, metric)}, {interval(found, digits)}")
        lines.append(line)
    return table(head, lines)


def lgg_counts() -> str:
    """How many of all verdicts leave the band, by lambda, all backbones and metrics together."""
    lines = []
    for _, lam, rows in by_lambda(records("lgg/per_image.csv"), "dataset"):
        verdicts = []
        for _, metric, _ in LGG_METRICS:
            verdicts += [row[f"{metric}_verdict"] for row in rows]
        wins, losses = str(verdicts.count("win")), str(verdicts.count("loss"))
        chance = f"{0.05 * len(verdicts):.0f}"
        lines.append([lambda_text(lam), str(len(verdicts)), wins, losses, chance])
    return table(
        ["lambda", "verdicts", "wins", "losses", "beyond the band by chance, about"], lines
    )


def lgg_floors() -> str:
    """The noise floor: root mean square of (null twin - plain twin)."""
    lines = []
    for (inr,), rows in sorted(groups(records("lgg/rows.csv"), "inr").items()):
        line = [inr]
        for column, digits in (("psnr_db", 2), ("dice_unet", 3), ("dice_dilated", 3)):
            line.append(f"{rms(null_differences(rows, column)):.{digits}f}")
        lines.append(line)
    return table(["backbone", "PSNR dB", "Dice by `unet`", "Dice by `dilated`"], lines)


def lgg_methods() -> str:
    """Every method's mean over patients, JPEG 2000 and the original included."""
    fits = where(records("lgg/rows.csv"), null="False")
    columns = (("bpp", 3), ("psnr_db", 2), ("ssim", 3), ("dice_unet", 3), ("dice_dilated", 3))
    lines = []
    for method, lam, rows in by_lambda(fits, "method"):
        name = method if float(lam) == 0 else f"{method}, lambda {lambda_text(lam)}"
        lines.append([name, *_means(rows, columns)])
    originals = _means(fits, (("dice_original", 3), ("dice_original_eval", 3)))
    lines.append(["*original image*", "-", "-", "-", *originals])
    head = ["method", "bpp", "PSNR dB", "SSIM", "Dice by `unet`", "Dice by `dilated`"]
    return table(head, lines)


def _means(rows: list[Record], columns: Iterable[tuple[str, int]]) -> list[str]:
    """Means over patients, of each patient's images, of each image's fits."""
    found = []
    for column, digits in columns:
        pairs = []
        for (patient, _), of_image in groups(rows, "patient", "sample_id").items():
            if len(values(of_image, column)):
                pairs.append((patient, float(values(of_image, column).mean())))
        found.append(f"{over_patients(pairs)[0]:.{digits}f}")
    return found


# --- results/cross ---

# As the files name the networks, and as the pages do.
NETWORKS = {
    "unet@6aa0c1": "unet",
    "unet-buda": "unet-buda",
    "unet-4": "unet-4",
    "transunet": "transunet",
    "unet@72fcac": "unet, decoded images too",
}


def cross_1e3() -> str:
    """Network in the loss x network that reads, lambda 1e-3."""
    return _cross("0.001")


def cross_1e4() -> str:
    """Network in the loss x network that reads, lambda 1e-4."""
    return _cross("0.0001")


def _cross(lam: str) -> str:
    rows = where(records("cross/cross.csv"), **{"lambda": lam})
    head = ["in the loss"]
    plain, original = ["*plain files*"], ["*originals*"]
    for reader, name in NETWORKS.items():
        any_loss = where(rows, **{"read by": reader})[0]
        head.append(f"by {name}")
        plain.append(f"{float(any_loss['plain']):.3f}")
        original.append(f"{float(any_loss['original']):.3f}")
    lines = []
    for loss in (*NETWORKS, "unet+transunet"):
        line = [NETWORKS.get(loss, loss)]
        for reader in NETWORKS:
            of_pair = where(rows, **{"in the loss": loss, "read by": reader})
            line += map(_cross_cell, of_pair)
        if len(line) > 1:  # it was in the loss
            lines.append(line)
    return table(head, [*lines, plain, original])


def _cross_cell(row: Record) -> str:
    verdicts = f"{row['wins']}/{row['ties']}/{row['losses']}"
    found = float(row["difference"]), float(row["low"]), float(row["high"])
    if row["kin"] == "True":  # the network in the loss reads itself
        return f"({found[0]:+.3f} {verdicts})"
    return f"{interval(found, 3)} {verdicts}"


def cross_cost() -> str:
    """What the penalty costs in PSNR, by network in the loss and lambda."""
    lines = []
    for network, lam, rows in by_lambda(records("cross/per_image.csv"), "segmenter"):
        found = interval(over_patients(of_patients(rows, "psnr_db_difference")), 2)
        lines.append([network, lambda_text(lam), found, counts(rows, "psnr_db")])
    return table(["in the loss", "lambda", "PSNR dB, SINCO - plain", "wins / ties / losses"], lines)


# --- results/networks ---


def networks_dice() -> str:
    """How well the networks read originals: means of patients."""
    raw = where(records("networks/per_patient.csv"), post="raw")
    lines = []
    for title, column, digits in (
        ("Dice", "dice", 3),
        ("F1, all slices of a patient together", "f1", 3),
        ("recall", "recall", 3),
        ("falsely marked pixels, slices without tumor", "fp_area_px", 0),
    ):
        line = [title]
        for network in NETWORKS:
            found = over_patients(of_patients(where(raw, network=network), column))
            line.append(interval(found, digits, ""))
        lines.append(line)
    return table(["mean of 16 patients", *NETWORKS.values()], lines)


def networks_post() -> str:
    """What post-processing changes, paired by patient."""
    rows = records("networks/per_patient.csv")
    lines = []
    for post in ("consistent", "largest", "stripped", "small"):
        false, share, overlap = [f"`{post}`, false px"], [f"`{post}`, removed"], [f"`{post}`, Dice"]
        for network in NETWORKS:
            before = where(rows, network=network, post="raw")
            after = where(rows, network=network, post=post)
            false.append(interval(_change(before, after, "fp_area_px"), 1))
            overlap.append(interval(_change(before, after, "dice"), 3))
            kept = values(after, "fp_area_px").mean() / values(before, "fp_area_px").mean()
            share.append(f"{100 * (1 - kept):.0f} %")
        lines += [false, share, overlap]
    return table(["change against the raw masks", *NETWORKS.values()], lines)


def _change(before: list[Record], after: list[Record], column: str) -> Found:
    """Mean of the differences of the same patients."""
    first, pairs = dict(of_patients(before, column)), []
    for patient, value in of_patients(after, column):
        if patient in first:
            pairs.append((patient, value - first[patient]))
    return over_patients(pairs)


def networks_trainings() -> str:
    """Dice or BCE, one channel or three: trainings of three seeds."""
    lines = []
    for (training,), rows in groups(records("networks/trainings.csv"), "training").items():
        seeds = []
        for _, of_seed in sorted(groups(rows, "seed").items()):
            seeds.append(f"{values(of_seed, 'dice').mean():.2f}")
        name = training if "channels" in training else f"{training}, FLAIR"
        found = interval(over_patients(of_patients(rows, "dice")), 3, "")
        false = over_patients(of_patients(rows, "fp_area_px"))[0]
        lines.append([name, found, ", ".join(seeds), f"{false:.0f}"])
    head = ["loss, channels", "Dice, mean of 16 patients and 3 seeds", "Dice of each seed"]
    return table([*head, "false px"], lines)


# --- results/recipes and results/tuning ---


def recipes_difference() -> str:
    """400 and 600 steps of `standard` minus `adam-10k`, over seeds 1 and 2."""
    rows = where(records("recipes/rows.csv"), method="siren")
    adam = []
    for seed in ("1", "2"):  # seed 0 is of another version of siren.py
        adam += where(rows, steps="10000", seed=seed)
    lines = []
    for steps in ("400", "600"):
        soap = where(rows, steps=steps)
        for lam in ("0", "1e-05", "0.0001"):
            fits, others = _fits(soap, lam), _fits(adam, lam)
            line = [f"{steps} steps", lambda_text(lam)]
            for column, digits in (("psnr_db", 2), ("dice_unet", 3), ("dice_dilated", 3)):
                found = interval(_recipe_difference(fits, others, column), digits)
                line.append(f"{found} ({_recipe_band(soap, adam, column):.{digits}f})")
            seconds = values(others, "fit_seconds").mean() / values(fits, "fit_seconds").mean()
            lines.append([*line, f"{seconds:.0f}"])
    head = ["`standard`", "lambda", "PSNR dB", "Dice by `unet`", "Dice by `dilated`"]
    return table([*head, "Adam's seconds / its"], lines)


def _fits(rows: list[Record], lam: str) -> list[Record]:
    return where(rows, null="False", **{"lambda": lam})


def _recipe_difference(first: list[Record], second: list[Record], column: str) -> Found:
    """Mean over patients of the difference at equal images and seeds."""
    others, pairs = groups(second, "sample_id", "seed"), []
    for who, (row,) in groups(first, "sample_id", "seed").items():
        if who in others and row[column] and others[who][0][column]:
            difference = float(row[column]) - float(others[who][0][column])
            pairs.append((row["patient"], difference))
    return over_patients(pairs)


def _recipe_band(first: list[Record], second: list[Record], column: str) -> float:
    """Half of the 95 % band of chance: see `difference_band` of benchmark/report/agreement.py.

    All null twins of a recipe tell its noise; the means are of the seeds that both recipes have.
    """
    seeds = len(groups(first, "seed").keys() & groups(second, "seed").keys())
    total, squares = 0.0, 0.0
    for rows in (first, second):
        nulls = null_differences(rows, column)
        variance = float(np.mean(np.square(nulls))) / 2 / len(groups(rows, "patient")) / seeds
        total += variance
        squares += variance**2 / len(nulls)
    freedom = int(total**2 / squares + 1e-9)
    return float(stdtrit(freedom, 0.975)) * total**0.5


def tuning_rates() -> str:
    """PSNR by backbone, size and learning rate; a star where a fit went wrong."""
    rows = records("tuning/fits.csv")
    rates = sorted(set(values(rows, "lr")))
    lines = []
    for (inr, size), of_size in groups(rows, "inr", "size").items():
        by_rate = groups(of_size, "lr")
        line = [f"{inr}, {size}"]
        for rate in rates:
            fits = by_rate.get((f"{rate:g}",), [])
            wrong = "*" if len(where(fits, went_wrong="")) < len(fits) else ""
            line.append(f"{values(fits, 'psnr_db').mean():.2f}{wrong}" if fits else "-")
        lines.append(line)
    return table(["backbone, size", *map("{:g}".format, rates)], lines)


# --- the pages ---

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

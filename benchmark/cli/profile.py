"""Where the time of a run goes, part by part, and how long the whole of it takes on this machine.

Takes the options of `run` and does one batch of each kind of its files (plain fits, fits with a
segmenter in the loss, classical codecs) in a temporary folder: nothing is read from --out or
written to it. Then it says what the selection takes in full, and what 484 images x 5 lambdas x 5
seeds of it would.

examples:
  python -m benchmark profile
  python -m benchmark profile --dataset lgg --root FOLDER --preset standard --lambda 0,1e-5,1e-4,1e-3
  python -m benchmark profile --inr siren --inr fourier --kernel torch --json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING, Any

from benchmark.cli.parser import Parser
from benchmark.cli.selection import add_selection, selection_of
from benchmark.errors import InputError

if TYPE_CHECKING:
    from benchmark.plan.job import Job
    from benchmark.runner.profile import Backbone, Column, Profile

LABELS = {
    "inr": "fit: INR",
    "network": "fit: network",
    "optimizer": "fit: optimizer",
    "fit": "fit: start, end",
}


def add_arguments(parser: Parser) -> None:
    add_selection(parser)


def run(args: argparse.Namespace) -> int:
    """Measure and print; what is measured is thrown away."""
    from benchmark.plan.job import resolve

    if args.batch is not None and args.batch < 1:
        raise InputError(f"--batch {args.batch}", "it must be at least 1", "--batch 8")
    start = time.perf_counter()
    job = resolve(selection_of(args))
    reading = time.perf_counter() - start

    from benchmark.cli.progress import progress_for
    from benchmark.device import resolve_device
    from benchmark.runner.environment import environment
    from benchmark.runner.profile import measure

    device = resolve_device(args.device)
    with progress_for(sys.stderr, quiet=args.json) as progress:
        progress.say(
            "measuring one batch of each kind in a temporary folder; kernels that were never"
            " compiled are compiled first"
        )
        profile = measure(job, progress, device=device, batch=args.batch, kernel=args.kernel)
    profile.once[f"read {len(job.samples)} images"] = reading
    machine = environment(device)
    if args.json:
        print(json.dumps(as_json(profile, job, machine), indent=2))
        return 0
    print(
        f"{machine['device_name']}: {device}, {machine['threads']} of {machine['cores']} cores;"
        f" {job.dataset_name}, preset {job.preset}"
    )
    for backbone in profile.backbones:
        _print_backbone(backbone)
    print(
        "\nonce a run:"
        + "".join(f"\n{seconds:>8.1f} s  {what}" for what, seconds in profile.once.items())
    )
    for line in estimates(profile, job):
        print("\n" + _estimate_text(line))
    print(
        "\nEstimates are of images of this size and of batches as full as these, every lambda at"
        " the mean of those measured;\nwhat is done once, tables and pictures come on top."
    )
    return 0


def estimates(profile: Profile, job: Job) -> list[dict[str, Any]]:
    """What the job takes in full and, of each backbone, the reference run; seconds without what is
    done once, None where unknown.
    """
    from benchmark.runner.profile import IMAGES, LAMBDAS, SEEDS, files_of, files_of_reference

    codecs = len({cell.codec.name for cell in job.cells if cell.codec})
    asked = [("this selection", len(job.samples), files_of(job.cells))]
    asked += [
        (
            f"{IMAGES} images x {LAMBDAS} lambdas x {SEEDS} seeds of {backbone.name}",
            IMAGES,
            files_of_reference(backbone.name, codecs),
        )
        for backbone in profile.backbones
    ]
    columns = {backbone.name: backbone.columns for backbone in profile.backbones}
    return [
        {
            "what": what,
            "images": images,
            "seconds": profile.seconds_of(files, images),
            "original_seconds": profile.original_seconds,
            "files": [
                {
                    "inr": name,
                    "kind": kind,
                    "files": n,
                    "seconds_each": (
                        columns[name][kind].seconds_each if kind in columns[name] else None
                    ),
                }
                for (name, kind), n in files.items()
            ],
        }
        for what, images, files in asked
    ]


def _estimate_text(line: dict[str, Any]) -> str:
    if line["seconds"] is None:
        return f"{line['what']}: unknown, as no lambda above 0 was measured (give --lambda 1e-5)"
    terms = [
        f"{part['files']:,} x {part['seconds_each']:.3g} s ({part['kind']}, {part['inr']})"
        for part in line["files"]
    ]
    terms.append(f"{line['images']:,} x {line['original_seconds']:.2g} s (reading originals)")
    return f"{line['what']}: about {_duration(line['seconds'])}\n  = " + "\n  + ".join(terms)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def _print_backbone(backbone: Backbone) -> None:
    from benchmark.types import extent

    recipe, fits = (
        backbone.recipe,
        {kind: column for kind, column in backbone.columns.items() if column.kernel},
    )
    args = ", ".join(f"{name}={value}" for name, value in backbone.args.items())
    print(
        f"\n{backbone.name}: {extent(backbone.shape, backbone.depth)}, {recipe['steps']} steps of"
        f" {recipe['optimizer']}, {backbone.bits} bits\n{args}"
    )
    for kind, column in fits.items():
        each = (
            "" if column.evaluation_ms is None else f", {column.evaluation_ms:.1f} ms an evaluation"
        )
        print(
            f"{kind}: K = {column.files} fits at once, kernel {column.kernel}"
            + (f", network in {column.precision}{each}" if column.precision else "")
        )
        for lam, count in column.evaluations.items():
            print(
                f"  lambda {lam:g}: a fresh gradient of the network on {count:.0f} of"
                f" {column.image_steps / column.files:.0f} steps, held between them"
            )
    _print_table(backbone)


def _print_table(backbone: Backbone) -> None:
    """A row a part: seconds a file, share of them and, of fits, milliseconds an image-step. At most
    80 columns wide.
    """
    from rich.console import Console

    from benchmark.runner.profile import PARTS

    parts = [
        part for part in PARTS if any(part in column.parts for column in backbone.columns.values())
    ]
    lines = [
        [
            label.ljust(15)
            for label in ("", "part", *(LABELS.get(part, part) for part in parts), "all")
        ]
    ]
    for kind, column in backbone.columns.items():
        unit, steps = ("fit", "  ms/step") if column.image_steps else ("file", "")
        rows = [
            f"{f's/{unit}':>6}  share{steps}",
            *(_row(column, part) for part in parts),
            f"{_seconds(column.seconds_each)}   100%" + " " * len(steps),
        ]
        lines.append([kind.center(len(rows[0])), *rows])
    console = Console(soft_wrap=True, highlight=False)
    for i, line in enumerate(zip(*lines, strict=True)):
        console.print(
            "  ".join(line).rstrip(), style="bold" if i in (0, 1, len(parts) + 2) else None
        )


def _row(column: Column, part: str) -> str:
    a_step = column.ms_a_step(part)
    steps = "" if not column.image_steps else " " * 9 if a_step is None else f"{a_step:>9.2f}"
    if part not in column.parts:
        return " " * 13 + steps
    share = f"{100 * column.parts[part] / column.seconds:.1f}%"
    return f"{_seconds(column.parts[part] / column.files)}  {share:>5}{steps}"


def _seconds(seconds: float) -> str:
    return f"{seconds:>6.3f}" if seconds < 10 else f"{seconds:>6.1f}"


def as_json(profile: Profile, job: Job, machine: dict[str, Any]) -> dict[str, Any]:
    """Everything measured, as plain values."""
    from dataclasses import asdict

    backbones = [
        asdict(backbone)
        | {
            "columns": {
                kind: (
                    asdict(column)
                    | {
                        "seconds_each": column.seconds_each,
                        "ms_a_step": {
                            part: ms
                            for part in column.parts
                            if (ms := column.ms_a_step(part)) is not None
                        },
                    }
                )
                for kind, column in backbone.columns.items()
            }
        }
        for backbone in profile.backbones
    ]
    return {
        "machine": machine,
        "dataset": job.dataset_name,
        "preset": job.preset,
        "backbones": backbones,
        "once": profile.once,
        "original_seconds": profile.original_seconds,
        "estimates": estimates(profile, job),
    }

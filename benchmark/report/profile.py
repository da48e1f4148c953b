"""A profile as a person reads it: a table a backbone, and what the whole would take."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Console

from benchmark.runner.duration import Duration, Profiled
from benchmark.runner.profile import PARTS, Backbone, Column
from benchmark.types import extent

LABELS = {
    "inr": "fit: INR",
    "network": "fit: network",
    "optimizer": "fit: optimizer",
    "fit": "fit: start, end",
}
ESTIMATES = (
    "Estimates are of images of this size and of batches as full as these, every lambda at"
    " the mean of those measured;\nwhat is done once, tables and pictures come on top."
)


def print_profile(found: Profiled, console: Console | None = None) -> None:
    """Print the machine, a table a backbone, what is done once, and how long the whole takes."""
    console = console or Console(soft_wrap=True, highlight=False)
    machine, job = found.machine, found.job
    cores = f"{machine['threads']} of {machine['cores']} cores"
    where = f"{machine['device_name']}: {machine['device']}, {cores}"
    _say(console, f"{where}; {job.dataset_name}, preset {job.preset}")
    for backbone in found.profile.backbones:
        _print_backbone(backbone, console)
    _say(console, "\nonce a run:")
    for what, seconds in found.profile.once.items():
        _say(console, f"{seconds:>8.1f} s  {what}")
    for duration in found.durations:
        _say(console, "\n" + duration_text(duration))
    _say(console, "\n" + ESTIMATES)


def _say(console: Console, text: str, style: str | None = None) -> None:
    console.print(text, style=style, markup=False, emoji=False)


def duration_text(found: Duration) -> str:
    """How long, and the sum that it comes from."""
    if found.seconds is None:
        return f"{found.what}: unknown, as no lambda above 0 was measured (give --lambda 1e-5)"
    terms = []
    for part in found.files:
        terms.append(f"{part.files:,} x {part.seconds_each:.3g} s ({part.kind}, {part.inr})")
    terms.append(f"{found.images:,} x {found.original_seconds:.2g} s (reading originals)")
    return f"{found.what}: about {_duration(found.seconds)}\n  = " + "\n  + ".join(terms)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"


def _print_backbone(backbone: Backbone, console: Console) -> None:
    recipe = backbone.recipe
    args = ", ".join(f"{name}={value}" for name, value in backbone.args.items())
    size = extent(backbone.shape, backbone.depth)
    how = f"{recipe['steps']} steps of {recipe['optimizer']}, {backbone.bits} bits"
    _say(console, f"\n{backbone.name}: {size}, {how}\n{args}")
    for kind, column in backbone.columns.items():
        if not column.kernel:
            continue
        said = f"{kind}: K = {column.files} fits at once, kernel {column.kernel}"
        if column.precision:
            said += f", network in {column.precision}"
            if column.evaluation_ms is not None:
                said += f", {column.evaluation_ms:.1f} ms an evaluation"
        _say(console, said)
        for lam, count in column.evaluations.items():
            steps = column.image_steps / column.files
            fresh = f"a fresh gradient of the network on {count:.0f} of {steps:.0f} steps"
            _say(console, f"  lambda {lam:g}: {fresh}, held between them")
    _print_table(backbone, console)


def _print_table(backbone: Backbone, console: Console) -> None:
    """A row a part: seconds a file, share of them and, of fits, milliseconds an image-step. At most
    80 columns wide.
    """
    measured: set[str] = set()
    for column in backbone.columns.values():
        measured |= set(column.parts)
    parts = [part for part in PARTS if part in measured]
    labels = ["", "part", *(LABELS.get(part, part) for part in parts), "all"]
    columns = [[label.ljust(15) for label in labels]]
    for kind, column in backbone.columns.items():
        columns.append(_column(kind, column, parts))
    for i, cells in enumerate(zip(*columns, strict=True)):
        head = i in (0, 1, len(parts) + 2)
        _say(console, "  ".join(cells).rstrip(), "bold" if head else None)


def _column(kind: str, column: Column, parts: list[str]) -> list[str]:
    unit, steps = ("fit", "  ms/step") if column.image_steps else ("file", "")
    head = f"{f's/{unit}':>6}  share{steps}"
    rows = [_row(column, part) for part in parts]
    total = f"{_seconds(column.seconds_each)}   100%" + " " * len(steps)
    return [kind.center(len(head)), head, *rows, total]


def _row(column: Column, part: str) -> str:
    a_step = column.ms_a_step(part)
    steps = "" if not column.image_steps else " " * 9 if a_step is None else f"{a_step:>9.2f}"
    if part not in column.parts:
        return " " * 13 + steps
    share = f"{100 * column.parts[part] / column.seconds:.1f}%"
    return f"{_seconds(column.parts[part] / column.files)}  {share:>5}{steps}"


def _seconds(seconds: float) -> str:
    return f"{seconds:>6.3f}" if seconds < 10 else f"{seconds:>6.1f}"


def as_json(found: Profiled) -> dict[str, Any]:
    """Everything measured, as plain values."""
    backbones = []
    for backbone in found.profile.backbones:
        columns = {kind: _as_plain(column) for kind, column in backbone.columns.items()}
        backbones.append(asdict(backbone) | {"columns": columns})
    return {
        "machine": found.machine,
        "dataset": found.job.dataset_name,
        "preset": found.job.preset,
        "backbones": backbones,
        "once": found.profile.once,
        "original_seconds": found.profile.original_seconds,
        "estimates": [asdict(duration) for duration in found.durations],
    }


def _as_plain(column: Column) -> dict[str, Any]:
    a_step = {}
    for part in column.parts:
        milliseconds = column.ms_a_step(part)
        if milliseconds is not None:
            a_step[part] = milliseconds
    return asdict(column) | {"seconds_each": column.seconds_each, "ms_a_step": a_step}

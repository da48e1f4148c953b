"""How well trained networks read originals: scores by image and patient, post-processing,
calibration, the worst images.

This is the bound that every score on compressed images is read against. Give several networks to
have them side by side. A network that answers with a class gets accuracy, recall by class and a
confusion matrix instead. Intervals are over patients. Writes evaluation.md, per_patient.csv,
per_image.csv, calibration.png and worst.png.

post-processing (--post), each scored apart beside the raw masks; several steps at once with a plus:
  largest      the largest component of the volume (slices whose numbers follow one another)
  small        without objects below 40 mm2
  consistent   without objects that overlap nothing in the slices before and after
  stripped     the network reads the image without skull (--strip says how that is found)

examples:
  python -m benchmark evaluate --segmenter unet --dataset mni-lesion
  python -m benchmark evaluate --segmenter unet --segmenter dilated --dataset lgg --set slices=all
  python -m benchmark evaluate --segmenter unet --dataset lgg --set slices=all --post largest,small,consistent,stripped,stripped+largest
  python -m benchmark evaluate --segmenter unet+dilated --dataset lgg --json
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.cli.parser import Parser, add_plugins
from benchmark.cli.selection import add_images, check_strip, split
from benchmark.errors import InputError
from benchmark.folders import check_writable
from benchmark.plugins import index

if TYPE_CHECKING:
    from benchmark.networks.checkpoints import Checkpoint
    from benchmark.networks.evaluate import LabelReading, Reading, Strip
    from benchmark.plan.selection import Selection
    from benchmark.types import Sample

STRIP_HELP = (
    "how `stripped` finds the brain: classical (default), or a network that marks brains, NAME@FILE"
)


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add(
        "--segmenter",
        action="append",
        metavar="NAME[@FILE]",
        required=True,
        help="a trained network; may be repeated, NAME+NAME is an ensemble",
    )
    add_images(parser, dims="which networks of volumes read whole")
    add(
        "--set",
        dest="sets",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of the data set: slices=all",
    )
    add(
        "--post",
        action="append",
        metavar="STEPS",
        help="post-processing to be scored apart: largest, small, consistent, stripped, or a+b",
    )
    add("--strip", default="classical", metavar="HOW", help=STRIP_HELP)
    add(
        "--force",
        action="store_true",
        help="use a checkpoint on a data set that it was not trained on",
    )
    add(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="where tables and pictures go (default results/runs/DATASET-evaluation)",
    )
    add("--device", default="auto", metavar="D", help="auto (CUDA when there), cpu or cuda")
    add_plugins(parser)
    add("--json", action="store_true", help="print JSON instead of tables")


def run(args: argparse.Namespace) -> int:
    """Read, print, write; exit code 1 when an image could not be read."""
    from benchmark.networks.checkpoints import split_ensemble

    for spec in split(args.segmenter):  # a mistyped name is told before data are read
        for part in split_ensemble(spec):
            index.get("segmenter", part.partition("@")[0])
    index.get("dataset", args.dataset)
    check_strip(args.strip, "classical")
    check_writable(_out(args), f"to write tables into {_out(args)}")
    from benchmark.images.postprocess import NAMES, parse_chain
    from benchmark.plan.job import parse_sets
    from benchmark.plan.selection import Selection

    if args.limit is not None and args.limit < 1:
        raise InputError(f"--limit {args.limit}", "it must be at least 1", "--limit 6")
    if args.post and not split(args.post):
        raise InputError(
            "--post ''", "no step is named", f"--post {','.join(NAMES)}, or leave it out"
        )
    chains = [parse_chain(text) for text in split(args.post)]
    options = parse_sets(args.sets, [("dataset", args.dataset)]).get(("dataset", args.dataset), {})
    selection = Selection(
        dataset=args.dataset,
        root=args.root,
        split=args.split,
        limit=args.limit,
        image=tuple(args.image or ()),
        dims=args.dims,
        force=args.force,
    )
    return _evaluate(args, selection, chains, options)


def _evaluate(
    args: argparse.Namespace,
    selection: Selection,
    chains: Sequence[tuple[str, ...]],
    options: dict[str, Any],
) -> int:
    from benchmark.cli.progress import progress_for
    from benchmark.plan.samples import channels_of, check_sizes, load_samples, marked, trained_on

    entry = index.get("dataset", args.dataset)
    with progress_for(sys.stderr, quiet=args.json) as progress:
        by_hash, unreadable = load_samples(entry.load()(args.root, **options), selection)
        channels = channels_of(by_hash)
        checkpoints = [
            find(spec, args.dataset, channels, args.force) for spec in split(args.segmenter)
        ]
        task = task_of(checkpoints)
        if task == "label" and chains:
            raise InputError(
                f"--post {args.post[0]}",
                "the networks answer with a class: there is no mask to work on",
                "leave out --post",
            )
        if task == "mask" and entry.declared["truth"] == "label":
            raise InputError(
                f"masks on {args.dataset}",
                "its images come with labels: there is no mask to score them by",
                "a network of labels: python -m benchmark list segmenter",
            )
        check_sizes(by_hash, checkpoints)
        samples = list(marked(by_hash, checkpoints).values())
        from benchmark.device import resolve_device
        from benchmark.networks.evaluate import prepared_otherwise

        notes = trained_on(samples, checkpoints)
        notes += [
            note
            for one in checkpoints
            for note in prepared_otherwise(one, args.dataset, {**entry.defaults, **options})
        ]
        device = resolve_device(args.device)
        work = _labels if task == "label" else _masks
        readings, slices, more = work(args, checkpoints, samples, chains, device, progress.say)
    return _tell(args, readings, slices, [*notes, *more], unreadable)


def _out(args: argparse.Namespace) -> Path:
    out: Path = args.out or Path("results") / "runs" / f"{args.dataset}-evaluation"
    return out


def find(spec: str, dataset: str, channels: Sequence[str] | None, force: bool) -> Checkpoint:
    from benchmark.networks.checkpoints import find_checkpoint

    return find_checkpoint(spec, dataset, channels=channels, force=force)


def task_of(checkpoints: Sequence[Checkpoint]) -> str:
    """mask or label; raises InputError for both together."""
    names = {checkpoint.task: checkpoint.name for checkpoint in checkpoints}
    if len(names) > 1:
        raise InputError(
            "masks and labels in one table",
            f"{names['mask']} marks masks, {names['label']} answers with a class",
            f"two calls of `evaluate`, one with --segmenter {names['mask']}",
        )
    return next(iter(names))


def strip_of(how: str, dataset: str, channels: Sequence[str], device: str) -> Strip:
    """What --strip names; raises InputError for a network that was not trained to mark brains."""
    from benchmark.networks.evaluate import by_network, classical
    from benchmark.networks.network import load_network

    if how == "classical":
        return classical
    checkpoint = find(
        how, dataset, channels, force=True
    )  # brains are brains, whatever data set they were learned from
    if checkpoint.target != "brain":
        raise InputError(
            f"--strip {how}",
            f"{checkpoint.path} was trained to mark {checkpoint.target}s, not brains",
            "--strip classical, or a network of `train --target brain`",
        )
    return by_network(load_network(checkpoint, device=device))


def _masks(
    args: argparse.Namespace,
    checkpoints: Sequence[Checkpoint],
    samples: Sequence[Sample],
    chains: Sequence[tuple[str, ...]],
    device: str,
    say: Any,
) -> tuple[list[Reading], dict[str, Sample], list[str]]:
    from benchmark.networks.evaluate import read_masks, remarks, stacks_of
    from benchmark.networks.network import load_network

    scans = stacks_of(samples)
    strip = cache(
        strip_of(args.strip, args.dataset, checkpoints[0].channels, device)
    )  # the same brains for all networks
    say(
        f"{sum(len(scan.slices) for scan in scans)} images of"
        f" {len({scan.patient for scan in scans})} patients"
    )
    readings = []
    for name, checkpoint in zip(named(checkpoints), checkpoints, strict=True):
        readings.append(
            read_masks(
                load_network(checkpoint, device=device), checkpoint, name, scans, chains, strip
            )
        )
        say(f"{name} has read them")
    return (
        readings,
        {sample.id: sample for scan in scans for sample in scan.slices},
        remarks(samples, scans, chains, args.dataset),
    )


def _labels(
    args: argparse.Namespace,
    checkpoints: Sequence[Checkpoint],
    samples: Sequence[Sample],
    chains: Sequence[tuple[str, ...]],
    device: str,
    say: Any,
) -> tuple[list[LabelReading], dict[str, Sample], list[str]]:
    from benchmark.networks.evaluate import read_labels
    from benchmark.networks.network import LabelNetwork, load_network

    readings = []
    for name, checkpoint in zip(named(checkpoints), checkpoints, strict=True):
        network = load_network(checkpoint, device=device)
        assert isinstance(network, LabelNetwork)
        readings.append(read_labels(network, checkpoint, name, samples))
        say(f"{name} has read {len(samples)} images")
    return readings, {sample.id: sample for sample in samples}, []


def named(checkpoints: Sequence[Checkpoint]) -> list[str]:
    """Names for tables; where two are the same, with the start of their hashes."""
    names = [checkpoint.name for checkpoint in checkpoints]
    return [
        name if names.count(name) == 1 else f"{name}@{one.hash[:6]}"
        for name, one in zip(names, checkpoints, strict=True)
    ]


def _tell(
    args: argparse.Namespace,
    readings: Sequence[Any],
    slices: dict[str, Sample],
    notes: Sequence[str],
    unreadable: dict[str, str],
) -> int:
    from benchmark.networks.evaluate import LabelReading
    from benchmark.report import evaluation, gallery

    out = _out(args)
    out.mkdir(parents=True, exist_ok=True)
    labels = isinstance(readings[0], LabelReading)
    whole = evaluation.label_tables(readings) if labels else evaluation.tables(readings)
    failed = [f"not read: {name}: {why}" for name, why in unreadable.items()]
    paths = [
        out / "evaluation.md",
        evaluation.write_csv(
            out / "per_image.csv", [row for one in readings for row in one.images]
        ),
    ]
    if not labels:
        paths.append(
            evaluation.write_csv(out / "per_patient.csv", evaluation.patient_rows(readings))
        )
    paths.append(gallery.write_calibration(readings, out / "calibration.png"))
    paths.append(
        (gallery.write_worst_labels if labels else gallery.write_worst)(
            readings, slices, out / "worst.png"
        )
    )
    paths[0].write_text(
        _markdown(args, readings, whole, [*notes, *failed], labels), encoding="utf-8"
    )
    if args.json:
        print(
            json.dumps(
                {
                    "networks": evaluation.as_json(readings),
                    "images": len(slices),
                    "notes": list(notes),
                    "unreadable": unreadable,
                    "files": [str(path) for path in paths],
                },
                indent=2,
            )
        )
    else:
        shown = whole if labels else evaluation.tables(readings, short=True)
        print("\n\n".join(table.text() for table in shown))
        print(
            "\n"
            + "\n".join(
                [
                    *(f"note: {note}" for note in notes),
                    *failed,
                    "wrote " + "\n      ".join(map(str, paths)),
                ]
            )
        )
    return 1 if unreadable else 0


def _markdown(
    args: argparse.Namespace,
    readings: Sequence[Any],
    whole: Sequence[Any],
    notes: Sequence[str],
    labels: bool,
) -> str:
    from benchmark.report.evaluation import LEGEND

    words = [
        f"python -m benchmark evaluate --dataset {args.dataset} --split {args.split}"
        + " --dims 3" * (args.dims == 3),
        *(f"--segmenter {shlex.quote(_travels(spec))}" for spec in split(args.segmenter)),
        *(f"--set {shlex.quote(text)}" for text in args.sets),
        *([f"--post {','.join(split(args.post))}"] if args.post else []),
        *([f"--strip {shlex.quote(_travels(args.strip))}"] if args.strip != "classical" else []),
        *([f"--limit {args.limit}"] if args.limit else []),
        *(f"--image {name}" for name in args.image or ()),
    ]
    lines = [
        f"# How networks read originals: {args.dataset}, split {args.split}",
        "",
        f"`{' '.join(words)}`",
        "",
    ]
    lines += [
        f"- {one.name}: weights {one.checkpoint.hash}, trained on {one.checkpoint.card['dataset']}"
        for one in readings
    ]
    lines += [f"- {note}" for note in notes]
    return (
        "\n".join(
            [
                *lines,
                "",
                *(table.markdown() + "\n" for table in whole),
                *([] if labels else [LEGEND]),
            ]
        )
        + "\n"
    )


def _travels(spec: str) -> str:
    """NAME@FILE without its folder: a table travels, folders do not (the hashes below say which
    weights).
    """
    from benchmark.networks.checkpoints import split_ensemble

    parts = [part.partition("@") for part in split_ensemble(spec)]
    return "+".join(f"{name}{at}{Path(file).name}" for name, at, file in parts)

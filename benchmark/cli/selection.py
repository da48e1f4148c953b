"""The options that `run`, `plan` and `profile` share, and `evaluate` in part: arguments -> a
Selection of plain values.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, Literal

from benchmark.cli.parser import Parser, add_plugins
from benchmark.errors import InputError
from benchmark.plan.selection import CODECS, INR, REGULARIZERS, SEGMENTER, Selection

Group = argparse._ArgumentGroup  # what add_argument_group returns


def add_selection(parser: Parser) -> None:
    """Add every option that selects cells; lists repeat (`--inr a --inr b`) or take commas
    (`--lambda 0,1e-5`).
    """
    _add_what(parser)
    add_images(
        parser,
        dims=(
            "each fitted as one by a backbone with three inputs, read plane by plane; bpp then"
            " counts bits a voxel"
        ),
        limit=" (6 of mni-lesion where nothing is said)",
    )
    how = parser.add_argument_group("how to fit")
    _add_recipe(how)
    _add_rate_and_options(how)
    _add_machine(parser)


def _add_what(parser: Parser) -> None:
    """Backbones, lambdas, seeds, networks and codecs."""
    what = parser.add_argument_group("what to compare (each may be repeated, or given with commas)")
    what.add_argument(
        "--inr",
        action="append",
        metavar="NAME",
        help=f"backbone (default {INR}); `list inr` shows them",
    )
    what.add_argument(
        "--lambda",
        dest="lam",
        action="append",
        metavar="L",
        help="weight of the penalty (default 1e-5); each brings its twins at 0",
    )
    what.add_argument(
        "--seed", action="append", metavar="N", help="seed of the initial weights (default 0)"
    )
    what.add_argument(
        "--segmenter",
        action="append",
        metavar="NAME[@FILE]",
        help=(
            f"network in the loss (default {SEGMENTER}), several in turn; NAME+NAME averages their"
            " probabilities"
        ),
    )
    what.add_argument(
        "--reader",
        action="append",
        metavar="NAME[@FILE]",
        help="networks that only read (default: every other one with weights for the data set)",
    )
    what.add_argument(
        "--codec",
        action="append",
        metavar="NAME",
        help=(
            "classical codec beside the fits, at their bytes; none: no codec (default"
            f" {', '.join(CODECS)}; one that sends the mask only where a loss sees it)"
        ),
    )


def _add_recipe(how: Group) -> None:
    """What a recipe is made of."""
    how.add_argument(
        "--preset",
        metavar="NAME",
        help="quick, standard, adam-10k or reproduction; every option wins over it",
    )
    how.add_argument(
        "--fidelity", default="mean", metavar="KIND", help="mean (default) or sum of squared errors"
    )
    how.add_argument(
        "--regularizer",
        metavar="NAME",
        help=(
            "penalty in the loss (default: what fits the network,"
            f" {' or '.join(REGULARIZERS.values())}); `list regularizer` shows them"
        ),
    )
    how.add_argument("--optimizer", metavar="NAME", help="adam or soap")
    how.add_argument("--lr", type=_number, metavar="RATE", help="learning rate at its highest")
    how.add_argument("--steps", type=whole, metavar="N", help="steps of each fit")
    how.add_argument(
        "--stop-at",
        dest="stop_at_db",
        type=_number,
        metavar="DB",
        help="stop each fit once its PSNR, of the weights before they are written, is this",
    )
    how.add_argument(
        "--patience",
        type=whole,
        metavar="N",
        help="stop each fit once N steps have gained less than 0.01 dB",
    )
    how.add_argument(
        "--penalty-every",
        type=_whole_or_auto,
        metavar="N",
        help=(
            "a fresh penalty gradient on every N-th step, held between; auto: 1 to 8, by how fast"
            " it changes"
        ),
    )


def _add_rate_and_options(how: Group) -> None:
    """The bytes of a file, the options of plug-ins, and where a fit starts."""
    how.add_argument(
        "--bpp",
        type=_number,
        metavar="B",
        help="bits a pixel to stay below (default 0.6): picks size and bit width",
    )
    how.add_argument("--bits", type=whole, metavar="N", help="bits a weight, 6 to 16")
    how.add_argument(
        "--set",
        dest="sets",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of a selected plug-in: omega_0=60, or with its name, PLUGIN.omega_0=60",
    )
    how.add_argument(
        "--init",
        metavar="learned|FILE",
        help=(
            "start every fit from the state that `learn` wrote for the backbone at this size"
            " (--set); then seeds differ only where they set a backbone's constants, and null twins"
            " measure the noise"
        ),
    )
    how.add_argument(
        "--precision",
        default="auto",
        metavar="P",
        help=(
            "of the network in the loss: auto (bf16 where it is native and agrees with float32),"
            " float32 or bf16"
        ),
    )
    how.add_argument(
        "--force",
        action="store_true",
        help="use a checkpoint on a data set that it was not trained on",
    )


def _add_machine(parser: Parser) -> None:
    """Where it is kept, on what it runs, and what is printed."""
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="where results are kept (default results/runs/DATASET)",
    )
    parser.add_argument(
        "--device", default="auto", metavar="D", help="auto (CUDA when there), cpu or cuda"
    )
    parser.add_argument(
        "--kernel",
        choices=("auto", "torch", "fused", "graphs"),
        default="auto",
        help=(
            "of the backbone: auto (compiled where that pays and it describes itself), torch,"
            " fused, graphs"
        ),
    )
    parser.add_argument(
        "--batch",
        type=whole,
        metavar="K",
        help="fits at once (default: about 131,072 pixels; on CUDA by its memory)",
    )
    add_plugins(parser)
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="fit the selected cells again (at the rate that they ended with)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")


def add_images(parser: Parser, *, dims: str, limit: str = "") -> None:
    """Add the options that select images. dims: what becomes of volumes; limit: what holds without
    --limit.
    """
    data = parser.add_argument_group("on which images")
    data.add_argument(
        "--dataset",
        default="mni-lesion",
        metavar="NAME",
        help="data set (default mni-lesion, embedded)",
    )
    data.add_argument(
        "--root",
        type=Path,
        metavar="FOLDER",
        help="its folder (default: looked for in $SINCO_BENCH_DATA)",
    )
    data.add_argument(
        "--split",
        choices=("train", "val", "test"),
        default="test",
        help="by patient (default test)",
    )
    data.add_argument(
        "--dims",
        type=int,
        choices=(2, 3),
        default=2,
        help=f"2: slices (default); 3: volumes, {dims}",
    )
    data.add_argument(
        "--limit",
        type=whole,
        metavar="N",
        help=f"only N images, of as many patients as can be{limit}",
    )
    data.add_argument("--image", action="append", metavar="ID", help="only this image")


def selection_of(args: argparse.Namespace) -> Selection:
    """The Selection that parsed arguments ask for; raises InputError on what is no number."""
    limit = (
        6 if args.limit is None and args.dataset == "mni-lesion" and not args.image else args.limit
    )
    return Selection(
        inr=split(args.inr) or (INR,),
        lam=numbers("--lambda", args.lam, float) or (1e-5,),
        dataset=args.dataset,
        root=args.root,
        split=args.split,
        limit=limit,
        image=tuple(args.image or ()),
        segmenter=split(args.segmenter) or (SEGMENTER,),
        reader=split(args.reader),
        codec=split(args.codec) or None,
        regularizer=args.regularizer,
        fidelity=args.fidelity,
        optimizer=args.optimizer,
        lr=args.lr,
        steps=args.steps,
        seed=numbers("--seed", args.seed, int) or (0,),
        bits=args.bits,
        bpp=args.bpp,
        dims=args.dims,
        sets=tuple(args.sets),
        precision=args.precision,
        preset=args.preset,
        penalty_every=args.penalty_every,
        stop_at_db=args.stop_at_db,
        patience=args.patience,
        init=args.init,
        force=args.force,
    )


def default_out(args: argparse.Namespace) -> Path:
    """--out, or results/runs/DATASET below the current folder, DATASET-volumes with --dims 3."""
    given: Path | None = args.out
    volumes = "-volumes" if args.dims == 3 else ""
    return given or Path("results", "runs", args.dataset + volumes)


def split(values: list[str] | None) -> tuple[str, ...]:
    """Repeated and comma-separated values, each once, in order."""
    return tuple(
        dict.fromkeys(
            part.strip() for value in values or [] for part in value.split(",") if part.strip()
        )
    )


def numbers(option: str, values: list[str] | None, kind: type) -> tuple[Any, ...]:
    try:
        return tuple(dict.fromkeys(kind(text) for text in split(values)))
    except ValueError:
        raise InputError(
            f"{option} {' '.join(values or [])}",
            f"not {'a whole number' if kind is int else 'a number'}",
            f"{option} {'0,1,2' if kind is int else '0,1e-6,1e-5'}",
        ) from None


def whole(text: str) -> int:
    return int(text)


def _whole_or_auto(text: str) -> int | Literal["auto"]:
    return "auto" if text == "auto" else int(text)


def _number(text: str) -> float:
    return float(text)


# What argparse says it expected.
whole.__name__, _whole_or_auto.__name__, _number.__name__ = (
    "whole number",
    "whole number or auto",
    "number",
)

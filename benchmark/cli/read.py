"""Read one image: strip the skull, say which class it is, and outline the lesion where there is
one.

Takes a picture or volume (PNG, JPEG, TIFF, NPY, NPZ, NIfTI, MHA, DICOM) or a compressed file of a
run, as `decode` does. Each network reads the image at the size and window that its card says. The
numbers that networks normalise by are those of this file alone, where training had the whole
volume's. Without a classifier, the image is always segmented.

examples:
  python -m benchmark read scan.png --segment unet --dataset lgg
  python -m benchmark read scan.png --classify mobilenet-v2@CLASSES.safetensors --segment unet@TUMOR.safetensors --out steps.png
  python -m benchmark read volume.nii.gz --slice 40 --strip none --segment unet --dataset lgg
  python -m benchmark read TCGA_CS_4941_19960909_12.tif --channel green --segment unet --dataset lgg
  python -m benchmark read fit.inr --segment unet --dataset lgg --json
"""

from __future__ import annotations

import argparse
import glob
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.cli.parser import Parser, add_plugins
from benchmark.cli.selection import check_strip, whole
from benchmark.errors import InputError
from benchmark.plugins import index

if TYPE_CHECKING:
    import numpy as np

    from benchmark.networks.chain import Found, Source
    from benchmark.networks.checkpoints import Checkpoint
    from benchmark.networks.network import Network


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    add(
        "file",
        type=Path,
        metavar="IMAGE",
        help="a picture, a volume, or a file of a run (.inr, or of a codec)",
    )
    add(
        "--strip",
        default="classical",
        metavar="HOW",
        help=(
            "how the skull is stripped: classical (default), none, or a network that marks brains,"
            " NAME[@FILE]"
        ),
    )
    add("--classify", metavar="NAME[@FILE]", help="a network that answers with a class")
    add(
        "--segment",
        metavar="NAME[@FILE]",
        help="a network that marks lesions; NAME+NAME is an ensemble",
    )
    add(
        "--dataset",
        metavar="NAME",
        help="the data set whose weights a bare NAME takes; NAME@FILE needs none",
    )
    add(
        "--slice",
        type=whole,
        metavar="K",
        help="plane of a volume, from 0 (default: the middle one)",
    )
    add(
        "--channel",
        metavar="NAME",
        help="one channel of an image in color: red, green, blue, or gray (luminance)",
    )
    add(
        "--size",
        type=whole,
        metavar="N",
        help="pixels a side that networks read (default: what their cards say)",
    )
    add(
        "--out",
        type=Path,
        metavar="PNG",
        help="the picture of the steps (default IMAGE-read.png in this folder)",
    )
    add("--device", default="auto", metavar="D", help="auto (CUDA when there), cpu or cuda")
    add_plugins(parser)
    add("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Read, print, and write a picture of the steps."""
    _check(args)
    wanted = {
        "label": args.classify,
        "mask": args.segment,
        "brain": None if args.strip in ("classical", "none") else args.strip,
    }
    checkpoints = {
        use: _find(spec, args.dataset, use) for use, spec in wanted.items() if spec is not None
    }
    source = _open(args)

    from benchmark.device import resolve_device
    from benchmark.networks.chain import chain
    from benchmark.networks.network import load_network
    from benchmark.report.steps import write_steps

    device = resolve_device(args.device)
    networks: dict[str, Any] = {
        use: load_network(checkpoint, device=device) for use, checkpoint in checkpoints.items()
    }
    strip = networks.get("brain", args.strip)
    if "brain" in networks and strip.dims == 3:
        strip = _brain(args, source, strip)
    found = chain(
        source,
        strip=strip,
        classify=networks.get("label"),
        segment=networks.get("mask"),
        size=args.size,
        channel=args.channel,
    )
    _warn(args, found, checkpoints)
    out = args.out or Path(f"{args.file.name.partition('.')[0]}-read.png")
    write_steps(found, args.file.name, out)
    print(
        json.dumps(_facts(args, found, networks, out), indent=2)
        if args.json
        else _text(args, found, networks, out)
    )
    return 0


def _check(args: argparse.Namespace) -> None:
    if not args.file.exists():
        raise InputError(
            f"read {args.file}",
            "no such file",
            "a picture, a volume, or a file that `python -m benchmark run` wrote",
        )
    check_strip(args.strip, "classical", "none")
    if args.size is not None and not 16 <= args.size <= 4096:
        raise InputError(f"--size {args.size}", "it must be 16 to 4096 pixels", "--size 128")
    if args.out is not None and args.out.suffix.lower() != ".png":
        raise InputError(
            f"--out {args.out}", "the picture is a PNG", f"--out {args.out.with_suffix('.png')}"
        )
    if args.out is not None and args.out.resolve() == args.file.resolve():
        raise InputError(
            f"--out {args.out}",
            "it is the image that is read",
            f"--out {args.out.with_stem(args.out.stem + '-read')}",
        )
    if not (args.classify or args.segment) and args.strip == "none":
        raise InputError(
            f"read {args.file} --strip none",
            "no step is left",
            "--segment NAME@FILE, --classify NAME@FILE, or --strip classical",
        )


def _find(spec: str, dataset: str | None, use: str) -> Checkpoint:
    """The checkpoint for a step; a file's own card says which data set it is for."""
    from benchmark.networks.checkpoints import find_checkpoint, read_card, split_ensemble

    option = {"label": "--classify", "mask": "--segment", "brain": "--strip"}[use]
    for part in split_ensemble(spec):
        declared = index.get("segmenter", part.partition("@")[0]).declared
        if declared["task"] != ("label" if use == "label" else "mask") or (
            declared["dims"] != 2 and use != "brain"
        ):
            what = (
                "reads volumes"
                if declared["dims"] != 2
                else "answers with a class"
                if declared["task"] == "label"
                else "marks lesions"
            )
            raise InputError(
                f"{option} {spec}",
                f"{part.partition('@')[0]} {what}",
                "python -m benchmark list segmenter",
            )
    files = [part.partition("@")[2] for part in split_ensemble(spec)]
    own = next((read_card(Path(file))["dataset"] for file in files if file), dataset)
    if own is None:
        raise InputError(
            f"{option} {spec}",
            "neither a file nor a data set says which weights",
            f"--dataset NAME, or {option} {spec}@FILE",
        )
    try:
        checkpoint = find_checkpoint(spec, own)
    except InputError as error:  # `read` has no --force
        todo = error.todo.partition("; or borrow")[0].partition(", or --force")[0]
        raise InputError(error.asked, error.found, f"{todo}, or {option} NAME@FILE") from None
    from benchmark.networks.chain import PREPARED

    ways = [
        {name: (part.card.get("dataset_options") or {}).get(name) for name in ("size", *PREPARED)}
        for part in checkpoint.parts
    ]
    if other := [name for name in ways[0] if any(way[name] != ways[0][name] for way in ways)]:
        found = ", ".join(
            f"{name}={' and '.join(str(way[name]) for way in ways)}" for name in other
        )
        raise InputError(
            f"{option} {spec}",
            f"its members read images prepared otherwise: {found}",
            "members that read alike, or one",
        )
    if use != "label" and checkpoint.target != ("brain" if use == "brain" else "lesion"):
        raise InputError(
            f"{option} {spec}",
            f"its weights were trained to mark {checkpoint.target}s",
            (
                "--strip classical, or a network of `train --target brain`"
                if use == "brain"
                else f"--strip {spec}"
            ),
        )
    return checkpoint


def _compressed() -> list[str]:
    """The suffixes of files of a run: those of backbones, and what codecs declare."""
    from benchmark.plugins.index import entries

    suffixes = [entry.declared["suffix"] for entry in entries("codec").values()]
    return list(dict.fromkeys([".inr", *suffixes]))


def _open(args: argparse.Namespace) -> Source:
    from benchmark.networks.chain import FromFile, FromScan

    if args.file.suffix.lower() in _compressed():
        from benchmark.cli.decode import decode, look

        data = args.file.read_bytes()
        header, codec = look(data)
        depth = header.depth if header is not None else 1
        return FromFile(decode(data, codec).image, depth, _plane(args, depth))
    from benchmark.files.pairs import VOLUMES, is_series, suffix_of
    from benchmark.files.pictures import SUFFIXES

    path = args.file.absolute()
    if not (is_series(path) if path.is_dir() else suffix_of(path)):
        raise InputError(
            f"read {args.file}",
            (
                "a folder without a series of DICOM slices"
                if path.is_dir()
                else (
                    f"no picture and no volume: {path.suffix or 'a name without suffix'} is not"
                    " read here"
                )
            ),
            f"the image as PNG, or as another of {', '.join((*SUFFIXES, *VOLUMES, *_compressed()))}",
        )
    if path.name.startswith("."):
        raise InputError(
            f"read {args.file}",
            "a hidden file: its name begins with a dot",
            "a copy under another name",
        )
    folder = index.get("dataset", "folder").load()(
        path.parent, images=glob.escape(path.name), masks=""
    )
    scan = folder.scan(next(iter(folder.files)))
    k = _plane(args, scan.shape[0])
    if not scan.shows(k):
        raise InputError(
            f"slice {k} of {args.file}", "it is empty: one value everywhere", "another --slice"
        )
    return FromScan(scan, k, spacing_known=suffix_of(path) in VOLUMES or path.is_dir())


def _brain(args: argparse.Namespace, source: Source, network: Network) -> np.ndarray:
    """The brain [H, W] of the slice, as a network that reads the whole volume marks it."""
    from benchmark.networks.chain import FromScan
    from benchmark.networks.strip import brain_of, size_of

    if not isinstance(source, FromScan) or source.scan.shape[0] == 1:
        raise InputError(
            f"--strip {args.strip}",
            f"{network.name} reads volumes whole, and {args.file} is none",
            "a volume of several planes, or --strip classical",
        )
    scan = source.scan
    if args.channel in scan.channels:
        scan = replace(scan, channels={args.channel: scan.channels[args.channel]})
    return brain_of(scan, network, size_of(network.card, f"--strip {args.strip}", args.size))[
        source.k
    ]


def _plane(args: argparse.Namespace, depth: int) -> int:
    k: int = depth // 2 if args.slice is None else args.slice
    if not 0 <= k < depth:
        raise InputError(
            f"--slice {k} of {args.file}",
            f"it has slices 0 to {depth - 1}",
            f"--slice {depth // 2}",
        )
    return k


def _warn(args: argparse.Namespace, found: Found, checkpoints: dict[str, Checkpoint]) -> None:
    for use, checkpoint in checkpoints.items():
        if (
            use != "brain"
            and args.strip != "none"
            and (checkpoint.card.get("dataset_options") or {}).get("strip") is False
        ):
            found.notes.append(
                f"{checkpoint.name} was trained on {checkpoint.card['dataset']} as it is, without"
                " stripping: compare with --strip none"
            )


def _facts(
    args: argparse.Namespace, found: Found, networks: dict[str, Network], out: Path
) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "file": str(args.file),
        "strip": args.strip,
        "size": list(found.image.shape[:2]),
    }
    if found.brain is not None:
        facts["brain_px"] = int(found.brain.sum())
    if "label" in networks:
        facts |= {
            "classifier": networks["label"].name,
            "class": found.answered,
            "probabilities": found.probabilities,
        }
    if "mask" in networks:
        facts |= {
            "segmenter": networks["mask"].name,
            "area_px": None if found.lesion is None else int(found.lesion.sum()),
            "area_mm2": found.area_mm2,
        }
    return facts | {"notes": found.notes, "picture": str(out)}


def _text(args: argparse.Namespace, found: Found, networks: dict[str, Network], out: Path) -> str:
    lines = [
        f"image     {args.file}, read at {found.image.shape[0]} x {found.image.shape[1]} pixels"
    ]
    if found.brain is not None:
        lines.append(f"skull     {args.strip}: {found.brain.mean():.0%} of the picture is brain")
    if "label" in networks:
        lines.append(
            f"class     {found.answered}"
            f" ({', '.join(f'{name} {p:.3f}' for name, p in found.probabilities.items())})"
        )
    if found.lesion is not None:
        share = int(found.lesion.sum())
        area = (
            f", {found.area_mm2:,.0f} mm2"
            if found.area_mm2 is not None
            else ", in mm2 unknown: the file has no pixel size"
        )
        lines.append(
            "lesion   "
            f" {f'{share:,} px of {found.lesion.shape[0]} x {found.lesion.shape[1]}{area}' if share else 'none found'}"
        )
    return "\n".join([*lines, *(f"note: {note}" for note in found.notes), f"wrote     {out}"])

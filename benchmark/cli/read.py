"""Read one image: strip the skull, say which class it is, and outline the lesion where there is
one.

Takes a picture or volume (PNG, JPEG, TIFF, NPY, NPZ, NIfTI, MHA, DICOM) or a compressed file of a
run, as `decode` does. Each network reads the image at the size and window that its card says. The
numbers that networks normalise by are those of this file alone, where training had the whole
volume's. Without a classifier, the image is always segmented.

examples:
  python -m benchmark read scan.png --segment unet --dataset lgg
  python -m benchmark read scan.png --classify vgg16@MINE.safetensors --segment unet --dataset lgg
  python -m benchmark read volume.nii.gz --slice 40 --strip none --segment unet --dataset lgg
  python -m benchmark read scan.tif --channel green --segment unet --dataset lgg --out steps.png
  python -m benchmark read fit.inr --segment unet --dataset lgg --json
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from benchmark.cli.parser import Parser, add_device, add_json, add_out, add_plugins, request_of
from benchmark.cli.selection import whole
from benchmark.cli.words import as_options
from benchmark.errors import InputError


def add_arguments(parser: Parser) -> None:
    add = parser.add_argument
    file = "a picture, a volume, or a file of a run (.inr, or of a codec)"
    add("file", type=Path, metavar="IMAGE", help=file)
    skull = (
        "how the skull is stripped: classical (default), none, or a network that marks brains,"
        " NAME[@FILE]"
    )
    add("--strip", default="classical", metavar="HOW", help=skull)
    add("--classify", metavar="NAME[@FILE]", help="a network that answers with a class")
    lesions = "a network that marks lesions; NAME+NAME is an ensemble"
    add("--segment", metavar="NAME[@FILE]", help=lesions)
    weights = "the data set whose weights a bare NAME takes; NAME@FILE needs none"
    add("--dataset", metavar="NAME", help=weights)
    plane = "plane of a volume, from 0 (default: the middle one)"
    add("--slice", type=whole, metavar="K", help=plane)
    one = "one channel of an image in color: red, green, blue, or gray (luminance)"
    add("--channel", metavar="NAME", help=one)
    size = "pixels a side that networks read (default: what their cards say)"
    add("--size", type=whole, metavar="N", help=size)
    add_out(parser, "the picture of the steps (default IMAGE-read.png in this folder)", "PNG")
    add_device(parser)
    add_plugins(parser)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Read, print, and write a picture of the steps."""
    from benchmark.networks.reading import ReadRequest, check_reading, read_image

    request = request_of(ReadRequest, args)
    check_reading(request)
    _check_out(args.out, args.file)
    reading = read_image(request)

    from benchmark.report.steps import text, write_steps

    out = args.out or Path(f"{args.file.name.partition('.')[0]}-read.png")
    write_steps(reading.found, args.file.name, out)
    if args.json:
        facts = reading.facts()
        notes = [as_options(note) for note in facts["notes"]]
        print(json.dumps(facts | {"notes": notes, "picture": str(out)}, indent=2))
    else:
        notes = [f"note: {as_options(note)}" for note in reading.notes]
        print("\n".join([text(reading), *notes, f"wrote     {out}"]))
    return 0


def _check_out(out: Path | None, file: Path) -> None:
    if out is not None and out.suffix.lower() != ".png":
        todo = f"--out {out.with_suffix('.png')}"
        raise InputError(f"--out {out}", "the picture is a PNG", todo)
    if out is not None and out.resolve() == file.resolve():
        todo = f"--out {out.with_stem(out.stem + '-read')}"
        raise InputError(f"--out {out}", "it is the image that is read", todo)

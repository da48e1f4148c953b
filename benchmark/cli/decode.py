"""Turn a compressed file back into an image; without -o, print what the file says about itself.

Reads the files of a run, as `report FOLDER --files FILES` writes them out of the store: those of
backbones and of codecs, each told by its first bytes. A file needs nothing else but the plug-in
that wrote it.

examples:
  python -m benchmark decode fit.inr                       what is in it
  python -m benchmark decode fit.inr -o image.png          an 8-bit picture; three channels as RGB
  python -m benchmark decode fit.inr -o image.png --depth 16
  python -m benchmark decode fit.inr -o image.npy          float32 [rows, columns, channels]
                                                           in [0, 1]; .tif too
  python -m benchmark decode volume.inr -o volume.nii.gz   a volume: columns, rows, planes;
                                                           .npy [planes, rows, columns, channels];
                                                           in a .png its planes lie one below the
                                                           other
  python -m benchmark decode fit.inr -o image.npy --source-units
  python -m benchmark decode peer.j2k -o image.png --mask mask.png
  python -m benchmark decode fit.inr -o image.png --plugin mine.py
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.cli.parser import add_plugins
from benchmark.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import numpy as np

    from benchmark.bitstream import Header


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="a file of a run")
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="IMAGE",
        help="where the image goes: a .png, .npy, .tif or .nii.gz",
    )
    parser.add_argument(
        "--depth",
        type=int,
        choices=(8, 16),
        default=8,
        help="bits a channel in a .png (default: 8)",
    )
    parser.add_argument(
        "--source-units",
        action="store_true",
        help="intensities as in the source instead of [0, 1], in all but a .png",
    )
    parser.add_argument(
        "--mask", type=Path, metavar="IMAGE", help="where the mask goes, of a file that sends one"
    )
    parser.add_argument("--force", action="store_true", help="overwrite what is there")
    add_plugins(parser)


def run(args: argparse.Namespace) -> int:
    """Say what the file is, and write what was asked for; 0, or 2 where it cannot be."""
    from benchmark.bitstream.anyfile import decode_as

    _check(args)
    data = args.file.read_bytes()
    header, codec = look(data)
    if args.source_units and header is None:
        raise InputError(
            f"--source-units of {args.file}",
            f"{codec} holds no window of the source",
            "leave it out",
        )
    _tell(data, header, codec)
    if args.output is None and args.mask is None:
        return 0
    decoded = decode_as(data, codec)
    if args.mask is not None:
        if decoded.mask is None:
            raise InputError(
                f"--mask {args.mask}", f"{args.file} sends no mask", "leave out --mask"
            )
        _write(args.mask, decoded.mask[..., None].astype("float32"), args.depth)
    if args.output is not None:
        image = decoded.image
        if args.source_units and header is not None:
            low, high = header.window
            image = low + image * (high - low)
        _write(args.output, image, args.depth, header.depth if header is not None else 1)
    return 0


def _check(args: argparse.Namespace) -> None:
    """What can be known before the file is read."""
    from benchmark.files.decoded import FORMATS, format_of

    if not args.file.is_file():
        raise InputError(
            f"decode {args.file}", "no such file", "a file that `python -m benchmark run` wrote"
        )
    for option, path in (("-o", args.output), ("--mask", args.mask)):
        if path is None:
            continue
        if format_of(path) not in FORMATS:
            raise InputError(
                f"{option} {path}",
                f"{path.suffix or 'a name without a suffix'} is none of the formats",
                did_you_mean(format_of(path), FORMATS),
            )
        if not path.parent.is_dir():
            raise InputError(
                f"{option} {path}", f"there is no folder {path.parent}", "a folder that is there"
            )
        if path.exists() and not args.force:
            raise InputError(
                f"{option} {path}", "there is a file of that name", "another name, or --force"
            )
    if args.source_units and (args.output is None or args.output.suffix.lower() == ".png"):
        raise InputError(
            "--source-units",
            "a PNG holds whole numbers from 0 to white",
            "-o image.npy or -o image.tif",
        )


def look(data: bytes) -> tuple[Header | None, str | None]:
    """The header of a backbone's file, or the name of the codec that wrote it."""
    from benchmark.bitstream import read_header
    from benchmark.bitstream.anyfile import written_by

    codec = written_by(data)
    if codec is None:  # read_header says what is wrong with a file that nobody knows
        return read_header(data), None
    return None, codec


def _tell(data: bytes, header: Header | None, codec: str | None) -> None:
    if header is None:
        print(f"codec     {codec}\nfile      {len(data):,} bytes")
    else:
        bpp = 8 * len(data) / (header.depth * header.height * header.width)
        print(
            f"{header.describe()}\nfile      {len(data):,} bytes, {bpp:.3f} bits a"
            f" {'pixel' if header.depth == 1 else 'voxel'}, checksum right"
        )


def _write(path: Path, image: np.ndarray, bits: int, depth: int = 1) -> None:
    """Write the image and say so. image: float32 [depth * H, W, C]."""
    from benchmark.files.decoded import write_image
    from benchmark.types import extent

    write_image(path, image, bits, depth)
    channels = image.shape[2]
    print(
        f"wrote     {path}: {extent(image.shape, depth)}, {channels} channel{'s' * (channels > 1)}"
    )

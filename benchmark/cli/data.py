"""Look at a data set, or write one in another layout.

`show` writes a contact sheet: each image plain and with the outline of its mask, and its id. `task01` writes BraTS
cases as a Task01_BrainTumour folder, which the data set `decathlon` reads.

examples:
  python -m benchmark data show mni-lesion --limit 24 --out contact.png
  python -m benchmark data show lgg --root FOLDER --set slices=largest
  python -m benchmark data task01 --from-brats FOLDER --out Task01_BrainTumour
  python -m benchmark data show decathlon --root Task01_BrainTumour --set slices=largest --set labels=core
"""

from __future__ import annotations

import argparse
import inspect
from itertools import islice
from pathlib import Path

from benchmark.cli.parser import Parser
from benchmark.errors import InputError


def add_arguments(parser: Parser) -> None:
    commands = parser.add_subparsers(dest="what", required=True, metavar="{show,task01}", parser_class=Parser)
    show = commands.add_parser("show", help="write a contact sheet of a data set", description=inspect.getdoc(_show))
    show.add_argument("name", metavar="NAME", help="data set; `list dataset` shows them")
    show.add_argument("--root", type=Path, metavar="FOLDER",
                      help="its folder (default: looked for in $SINCO_BENCH_DATA)")
    show.add_argument("--split", default="test", metavar="NAME", help="train, val or test (default test)")
    show.add_argument("--limit", type=int, default=24, metavar="N", help="only the first N images (default 24)")
    show.add_argument("--set", dest="sets", action="append", default=[], metavar="NAME=VALUE",
                      help="an option of the data set: size=256; may be repeated")
    show.add_argument("--plugin", action="append", default=[], type=Path, metavar="FILE.py",
                      help="a file with plug-ins of your own")
    show.add_argument("--out", type=Path, default=Path("contact.png"), metavar="FILE",
                      help="the picture (default contact.png)")
    show.set_defaults(act=_show)
    task01 = commands.add_parser("task01", help="write BraTS cases in Task01's layout",
                                 description=inspect.getdoc(_task01))
    task01.add_argument("--from-brats", type=Path, nargs="+", required=True, metavar="FOLDER",
                        help="a case (*_flair, *_t1, *_t1ce, *_t2 and *_seg.nii.gz), or a folder of cases")
    task01.add_argument("--out", type=Path, required=True, metavar="DIR", help="the folder to write")
    task01.add_argument("--uncompressed", action="store_true",
                        help="write .nii: larger, but one slice can be read without the rest")
    task01.set_defaults(act=_task01)
    for command in (show, task01):
        command.add_argument("--debug", action="store_true", default=argparse.SUPPRESS,
                             help="show a traceback with an error")


def run(args: argparse.Namespace) -> int:
    return args.act(args)


def _show(args: argparse.Namespace) -> int:
    """Write a contact sheet of the first images of a split: plain, and with the outline of the mask.

    examples:
      python -m benchmark data show mni-lesion --set contrast=t1 --out t1.png
      python -m benchmark data show lgg --root FOLDER --split val --limit 12
    """
    from benchmark.images.sheet import save_sheet
    from benchmark.job import parse_sets
    from benchmark.plugins.index import add_plugin_file, get

    if args.limit < 1:
        raise InputError(f"--limit {args.limit}", "nothing would be shown", "--limit 24")
    for path in args.plugin:
        add_plugin_file(path)
    options = parse_sets(args.sets, [("dataset", args.name)]).get(("dataset", args.name), {})
    dataset = get("dataset", args.name).load()(args.root, **options)
    ids = dataset.ids(args.split)
    samples = [dataset.load(sample_id) for sample_id in islice(ids, args.limit)]
    if not samples:
        raise InputError(f"{args.name}, split {args.split}", "no image in it", "--split train, val or test")
    path = save_sheet(samples, args.out)
    print(f"{args.name}, split {args.split}: {len(samples)} of {len(ids)} images, written to {path}")
    return 0


def _task01(args: argparse.Namespace) -> int:
    """Write BraTS cases as Task01_BrainTumour: 4-D images, renumbered labels, dataset.json.

    example:
      python -m benchmark data task01 --from-brats Brats18_2013_21_1 --out Task01_BrainTumour
    """
    from benchmark.images.task01 import write_task01

    for name, case in write_task01(args.from_brats, args.out, compressed=not args.uncompressed).items():
        print(f"{name}  from {case}")
    print(f"written to {args.out}; look at it: python -m benchmark data show decathlon --root {args.out}")
    return 0

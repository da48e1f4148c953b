"""Download a data set: licence, size and address first, then the files, checked, into the folder of
all data sets.

A download that breaks off goes on where it was. Data sets that ask for a registration are not
downloaded: what to do is printed. Kaggle's need the extra `kaggle` and a token
(https://www.kaggle.com/settings, "Create new token").

examples:
  python -m benchmark data fetch decathlon
  python -m benchmark data fetch lgg --root /data/mri
"""

from __future__ import annotations

import argparse
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.cli.parser import Parser
from benchmark.errors import InputError
from benchmark.folders import data_folder

if TYPE_CHECKING:
    from benchmark.plugins.contracts import Dataset


def add_arguments(parser: Parser) -> None:
    parser.add_argument("name", metavar="NAME", help="data set; `data list` shows them")
    parser.add_argument(
        "--root",
        type=Path,
        metavar="FOLDER",
        help="where to put it (default: $SINCO_BENCH_DATA, or the cache folder)",
    )


def run(args: argparse.Namespace) -> int:
    from benchmark.plugins.index import get

    dataset, folder = get("dataset", args.name).load(), args.root or data_folder()
    try:
        found = dataset(args.root).fetch()
    except InputError:
        came = _download(args.name, dataset, folder)
        found = dataset(
            args.root
        ).fetch()  # what came is what the data set reads, or this says what is missing
        print(f"{args.name} is in {came}")
    else:
        there = (
            "embedded: there is nothing to fetch" if found is None else f"there already: {found}"
        )
        print(f"{args.name} is {there}")
    root = f" --root {args.root}" if args.root and found else ""
    print(f"look at it:  python -m benchmark data show {args.name}{root}")
    return 0


def _download(name: str, dataset: type[Dataset], folder: Path) -> Path:
    """Fetch a data set into `folder`; raises InputError with what a person has to do where a
    program cannot.
    """
    source = dataset.source
    size = f"{source.bytes / 1e9:.1f} GB" if source and source.bytes else "not stated"
    address = (
        source.url
        if source
        else f"https://www.kaggle.com/datasets/{dataset.kaggle}"
        if dataset.kaggle
        else "see below"
    )
    for what, value in (
        ("licence", dataset.licence),
        ("cite", dataset.citation),
        ("size", size),
        ("from", address),
        ("to", folder),
    ):
        print(f"{what:<9}{value}", flush=True)
    if source is not None:
        from benchmark.files.unpack import fetch_and_unpack

        return fetch_and_unpack(source, folder, _Line("fetched"), _Line("unpacked"))
    if dataset.kaggle:
        return _from_kaggle(name, dataset, folder)
    raise InputError(
        f"to fetch {name}",
        "no program may download it, or nobody has told this one where from",
        f"{dataset.get or 'put it'} in {folder}, or name its folder with --root",
    )


def _from_kaggle(name: str, dataset: type[Dataset], folder: Path) -> Path:
    by_hand = (
        f"download https://www.kaggle.com/datasets/{dataset.kaggle} and unpack it in"
        f" {folder / name}"
    )
    if find_spec("kagglehub") is None:
        raise InputError(
            f"to fetch {name} from Kaggle",
            "the package kagglehub is not installed",
            f"pip install -e '.[kaggle]'; or {by_hand}",
        )
    import kagglehub

    try:
        return Path(kagglehub.dataset_download(dataset.kaggle, output_dir=str(folder / name)))
    # no token, no network, no consent: kagglehub raises its own errors and those of what it uses
    except Exception as error:
        raise InputError(
            f"to fetch {dataset.kaggle} from Kaggle",
            f"{type(error).__name__}: {error}",
            "a token from https://www.kaggle.com/settings, saved as ~/.kaggle/kaggle.json; or"
            f" {by_hand}",
        ) from error


class _Line:
    """Progress on one line of a terminal; where there is none, a line every ten seconds."""

    def __init__(self, what: str) -> None:
        self.what, self.last = what, 0.0

    def __call__(self, done: int, total: int | None) -> None:
        terminal, now = sys.stderr.isatty(), time.monotonic()
        if done != total and now - self.last < (0.2 if terminal else 10):
            return
        self.last = now
        share = f" of {total / 1e6:,.1f} MB ({100 * done / total:.0f} %)" if total else " MB"
        end: dict[str, Any] = {"end": "\n" if done == total else "\r"} if terminal else {}
        print(f"{self.what} {done / 1e6:,.1f}{share}", file=sys.stderr, flush=True, **end)

"""Make the tables and pictures of a stored run again; nothing is fitted.

Every number is read from the folder's store.sqlite. The cells of the latest run are shown; --all
takes in what earlier runs left in the same folder.

examples:
  python -m benchmark report results/runs/mni-lesion
  python -m benchmark report results/runs/lgg --all --out results/lgg
  python -m benchmark report results/runs/lgg --json > summaries.json
  python -m benchmark report results/runs/lgg --all --publish results/lgg
  python -m benchmark report results/runs/mni-lesion --files files
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.cli.parser import add_plugins
from benchmark.errors import InputError

if TYPE_CHECKING:
    from benchmark.store.view import Scored


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="the --out of a run, with its store.sqlite"
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where to write (default: the same folder)"
    )
    parser.add_argument(
        "--all",
        action="store_true",
        dest="everything",
        help="all stored cells instead of those of the latest run",
    )
    parser.add_argument(
        "--publish",
        type=Path,
        metavar="FOLDER",
        help=(
            "copy the store there without the originals' pixels, and make everything from the copy"
        ),
    )
    parser.add_argument(
        "--files",
        type=Path,
        metavar="FOLDER",
        help="write every compressed file there, for `decode`",
    )
    add_plugins(parser)
    parser.add_argument("--json", action="store_true", help="print the summaries and paths as JSON")


def run(args: argparse.Namespace) -> int:
    from benchmark.report import print_tables, write_report
    from benchmark.store.store import Store
    from benchmark.store.view import Scored

    if args.publish:
        with Store(args.folder, create=False) as store:
            store.publish(args.publish)
        args.folder = args.publish
    with Store(args.folder, create=False) as store:
        scored = Scored(store, everything=args.everything)
        if not scored.rows:
            raise InputError(
                f"the stored run in {args.folder}",
                "its store has no cells",
                f"python -m benchmark run --out {args.folder}",
            )
        if args.files:
            from benchmark.report.files import write_files

            print(
                f"wrote {len(write_files(scored, args.files))} files into {args.files}",
                file=sys.stderr,
            )
        networks = _readers(scored)
        paths = write_report(
            scored,
            args.out or args.folder,
            segment={n.hash: n.segment_planes for n in networks if n.task == "mask"},
            describe={n.hash: n.describe for n in networks if n.task == "label"},
        )
        if args.json:
            print(json.dumps(as_json(scored, paths), indent=2))
            return 0
        from rich.console import Console

        print_tables(scored, Console())
    print("wrote " + "\n      ".join(map(str, paths)))
    return 0


def as_json(scored: Scored, paths: list[Path]) -> dict[str, Any]:
    """Summaries of every comparison, agreement of recipes, failed cells and paths as plain values;
    what was not measured is None.
    """
    from dataclasses import asdict

    from benchmark.report import agreement
    from benchmark.report.words import plain
    from benchmark.stats.compare import compare, failures

    return {
        "cells": len(scored.rows),
        "comparisons": [
            asdict(c.group)
            | {
                "failed": c.failed,
                "unpaired": c.unpaired,
                "seeds": c.seeds,
                "metrics": {
                    metric: plain(asdict(summary)) for metric, summary in c.summaries.items()
                },
            }
            for c in compare(scored)
        ],
        "agreements": [agreement.as_json(found) for found in agreement.agreements(scored)],
        "failed": [
            {"key": row.key, "status": row.status, "reason": row.reason} for row in failures(scored)
        ],
        "files": [str(path) for path in paths],
    }


def _spec(reader: dict[str, Any]) -> str:
    """What --reader would say of a reader of the run's record. An ensemble's `path` is its first
    member's: `members` have their own.
    """
    if members := reader.get("members"):
        return "+".join(f"{member['name']}@{member['path']}" for member in members)
    return (
        f"{reader['name']}@{reader['path']}"
        if reader.get("path") and "+" not in reader["name"]
        else str(reader["name"])
    )


def _readers(scored: Scored) -> list[Any]:
    """The run's readers, for contours and captions, as far as its checkpoints are still where they
    were.
    """
    found = []
    for reader in scored.run.get("readers") or []:
        from benchmark.networks.checkpoints import find_checkpoint
        from benchmark.networks.network import load_network

        try:
            checkpoint = find_checkpoint(
                _spec(reader), (scored.run.get("dataset") or {}).get("name", ""), force=True
            )
            if checkpoint.hash == reader["hash"]:
                found.append(load_network(checkpoint))
                continue
            why = f"it has the hash {checkpoint.hash} now"
        except InputError as error:
            why = error.found
        print(
            f"no contours or captions of the reader {reader['name']} {reader['hash']}: {why}",
            file=sys.stderr,
        )
    return found

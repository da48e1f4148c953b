"""Fit, encode, decode, score and compare: where does a segmenter in the loss help, and where does
it not?

Each image is fitted without the penalty, with it, and as a null twin (the same plain fit from
weights scaled by 1 + 1e-7), written to a file, decoded and read. JPEG 2000 stands beside them at
the same bytes. The same command again does only what is missing; ctrl-C keeps what is finished.

examples:
  python -m benchmark run --inr siren --lambda 1e-5
  python -m benchmark run --inr siren --inr fourier --lambda 0,1e-6,1e-5,1e-4 --seed 0,1,2
  python -m benchmark run --dataset lgg --root FOLDER --limit 12 --preset standard --lambda 1e-3
  python -m benchmark run --dataset decathlon --root Task01_BrainTumour --set slices=middle --set decathlon.size=128
  python -m benchmark run --inr mine --plugin mine.py --bpp 0.4 --set omega_0=60
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.cli.parser import Parser
from benchmark.cli.selection import add_selection, default_out, selection_of
from benchmark.errors import InputError

if TYPE_CHECKING:
    from benchmark.plan.job import Job
    from benchmark.runner.run import Runner
    from benchmark.store.store import Store


def add_arguments(parser: Parser) -> None:
    add_selection(parser)


def run(args: argparse.Namespace) -> int:
    """Run the job and print its tables; 0 well, 1 where cells failed, 130 where interrupted."""
    try:
        return _run(args)
    except KeyboardInterrupt:
        again = " ".join(shlex.quote(word) for word in sys.argv[1:] if word != "--fresh")
        print(
            f"\ninterrupted; what was finished is kept in {default_out(args)}. To go on:\n  python"
            f" -m benchmark {again}",
            file=sys.stderr,
        )
        return 130


def _run(args: argparse.Namespace) -> int:
    from benchmark.plan.job import resolve
    from benchmark.store.store import Store

    out = default_out(args)
    if args.batch is not None and args.batch < 1:
        raise InputError(f"--batch {args.batch}", "it must be at least 1", "--batch 8")
    job = resolve(selection_of(args))
    with Store(out) as store:
        from benchmark.cli.progress import progress_for
        from benchmark.device import resolve_device
        from benchmark.runner.environment import environment
        from benchmark.runner.precision import settle_precision
        from benchmark.runner.run import Runner

        device = resolve_device(args.device)
        with progress_for(sys.stderr, quiet=args.json) as progress:
            settle_precision(job, store, device, progress.say)
            store.remember("runs", "latest", _record(args, job, environment(device)))
            ensembles = {
                reader.hash: [member.hash for member in reader.members]
                for reader in job.readers
                if reader.members
            }
            store.remember("runs", "members", (store.recall("runs", "members") or {}) | ensembles)
            runner = Runner(
                job,
                store,
                progress,
                device=device,
                batch=args.batch,
                fresh=args.fresh,
                kernel=args.kernel,
            )
            runner.run()
        return _report(args, job, store, out, runner)


def _record(args: argparse.Namespace, job: Job, environment: dict[str, Any]) -> dict[str, Any]:
    """What the store remembers of this run: enough to make its tables again and to repeat it."""
    from benchmark.plan.job import unreadable_key

    selection = {
        name: str(value) if isinstance(value, Path) else value
        for name, value in vars(args).items()
        if name not in ("debug", "plugin")
    }
    return {
        "command": sys.argv[1:],
        "selection": selection,
        "plugins": [str(path) for path in args.plugin],
        "preset": job.preset,
        "dataset": {
            "name": job.dataset_name,
            "licence": job.dataset.licence,
            "citation": job.dataset.citation,
        },
        "readers": [
            {
                "name": reader.name,
                "hash": reader.hash,
                "role": "loss" if reader in job.segmenters else "eval",
                "path": str(reader.path),
                "card": reader.card,
                **(
                    {
                        "members": [
                            {"name": part.name, "path": str(part.path)} for part in reader.members
                        ]
                    }
                    if reader.members
                    else {}
                ),
            }
            for reader in job.readers
        ],
        "inits": [
            {"hash": init.hash, "bytes": init.bytes, "path": str(init.path), "card": init.card}
            for init in job.inits.values()
        ],
        "keys": (
            [cell.key for cell in job.cells]
            + [unreadable_key(job.dataset_name, name) for name in job.unreadable]
        ),
        "environment": environment,
    }


def _report(args: argparse.Namespace, job: Job, store: Store, out: Path, runner: Runner) -> int:
    from benchmark.report import print_tables, write_report
    from benchmark.store.view import Scored

    scored = Scored(store)
    paths = write_report(scored, out, segment=runner.segments(), describe=runner.descriptions())
    statuses = {row.key: row.status for row in scored.rows}
    failed = len(job.unreadable) + sum(statuses.get(cell.key) != "ok" for cell in job.cells)
    if args.json:
        from benchmark.cli.report import as_json

        print(json.dumps(as_json(scored, paths), indent=2))
    else:
        from rich.console import Console

        print_tables(scored, Console())
        print("wrote " + "\n      ".join(str(path) for path in [store.path, *paths]))
    return 1 if failed else 0

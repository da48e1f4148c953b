"""Fit, encode, decode, score and compare: where does a segmenter in the loss help, and where does it not?

Each image is fitted without the penalty, with it, and as a null twin (the same plain fit from weights scaled by 1 + 1e-7),
written to a file, decoded and read. JPEG 2000 stands beside them at the same bytes. The same command again does only what is
missing; ctrl-C keeps what is finished.

examples:
  python -m benchmark run --inr siren --lambda 1e-5
  python -m benchmark run --inr siren --inr fourier --lambda 0,1e-6,1e-5,1e-4 --seed 0,1,2
  python -m benchmark run --dataset lgg --root FOLDER --limit 12 --preset standard --lambda 1e-3
  python -m benchmark run --dataset decathlon --root Task01_BrainTumour --set slices=middle --set decathlon.size=128
  python -m benchmark run --inr mine --plugin mine.py --bpp 0.4 --set omega_0=60
"""

from __future__ import annotations

import argparse
import sys

from benchmark.cli.parser import Parser
from benchmark.cli.selection import add_selection, default_out, selection_of


def add_arguments(parser: Parser) -> None:
    add_selection(parser)


def run(args: argparse.Namespace) -> int:
    """Run the job and print its tables; 0 well, 1 where cells failed, 130 where interrupted."""
    from benchmark.job import resolve
    from benchmark.store import Store

    selection = selection_of(args)
    out = default_out(args)
    job = resolve(selection)
    with Store(out) as store:
        if args.fresh:
            store.remove(cell.key for cell in job.cells)
        from benchmark.cli.progress import progress_for
        from benchmark.environment import environment
        from benchmark.run import Runner, resolve_device

        device = resolve_device(args.device)
        store.remember("runs", "latest", {
            "command": sys.argv[1:], "selection": {name: value for name, value in vars(args).items() if name != "debug"},
            "preset": job.preset, "dataset": {"name": job.dataset_name, "licence": job.dataset.licence, "citation": job.dataset.citation},
            "readers": [{"name": r.name, "hash": r.hash, "role": "loss" if r is job.segmenter else "eval",
                         "path": str(r.path), "card": r.card} for r in job.readers],
            "keys": [cell.key for cell in job.cells], "environment": environment(device)})
        with progress_for(sys.stderr, quiet=args.json) as progress:
            try:
                Runner(job, store, progress, device=device, batch=args.batch).run()
            except KeyboardInterrupt:
                kept = len(store.statuses())
                print(f"\ninterrupted: {kept} finished cells are kept in {out}; to go on:\n  python -m benchmark "
                      + " ".join(arg for arg in sys.argv[1:] if arg != "--fresh"), file=sys.stderr)
                return 130
        return _report(job, store, out, as_json=args.json)


def _report(job, store, out, *, as_json: bool) -> int:  # type: ignore[no-untyped-def]
    from benchmark.report import print_tables, write_report

    raise NotImplementedError

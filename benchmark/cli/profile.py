"""Where the time of a run goes, part by part, and how long the whole of it takes on this machine.

Takes the options of `run` and does one batch of each kind of its files (plain fits, fits with a
segmenter in the loss, classical codecs) in a temporary folder: nothing is read from --out or
written to it. Then it says what the selection takes in full, and what 484 images x 5 lambdas x 5
seeds of it would.

examples:
  python -m benchmark profile
  python -m benchmark profile --dataset lgg --root FOLDER --preset standard --lambda 0,1e-5,1e-3
  python -m benchmark profile --inr siren --inr fourier --kernel torch --json
"""

from __future__ import annotations

import argparse
import json
import sys
import time

from benchmark.cli.parser import Parser
from benchmark.cli.selection import add_selection, selection_of


def add_arguments(parser: Parser) -> None:
    add_selection(parser)


def run(args: argparse.Namespace) -> int:
    """Measure and print; what is measured is thrown away."""
    from benchmark.cli.progress import progress_for
    from benchmark.plan.job import resolve

    start = time.perf_counter()
    job = resolve(selection_of(args))  # what is refused is refused before torch is loaded
    reading = time.perf_counter() - start
    from benchmark.runner.duration import profile_job

    with progress_for(sys.stderr, quiet=args.json) as progress:
        found = profile_job(
            job, progress, reading, device=args.device, batch=args.batch, kernel=args.kernel
        )
    from benchmark.report.profile import as_json, print_profile

    if args.json:
        print(json.dumps(as_json(found), indent=2))
    else:
        print_profile(found)
    return 0

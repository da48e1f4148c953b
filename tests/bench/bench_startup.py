"""How long `run --help` takes beside a bare interpreter: `python -m pytest
tests/bench/bench_startup.py` prints it.
"""

import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = ["-m", "benchmark"]
CALLS = {
    "bare interpreter": ["-c", "pass"],
    "run --help": [*PROGRAM, "run", "--help"],
    "list": [*PROGRAM, "list"],
    "completion": [*PROGRAM, "completion", "words", "run", "--inr", "s"],
}


def call(words):
    subprocess.run([sys.executable, *words], cwd=ROOT, stdout=subprocess.DEVNULL, check=True)


@pytest.mark.parametrize("name", CALLS)
def test_startup(benchmark, name):
    benchmark.pedantic(call, (CALLS[name],), rounds=20, warmup_rounds=2)


def test_ratio(capsys):
    """Rounds in turn, so that a busy machine is equally unkind to all."""
    seconds = {name: [] for name in CALLS}
    for _ in range(20):
        for name, words in CALLS.items():
            start = time.perf_counter()
            call(words)
            seconds[name].append(time.perf_counter() - start)
    middle = {name: statistics.median(values) for name, values in seconds.items()}
    with capsys.disabled():
        for name, value in middle.items():
            print(
                f"\n{name:<17} {1000 * value:6.1f} ms  {value / middle['bare interpreter']:.1f}x",
                end="",
            )
        print()

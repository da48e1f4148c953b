"""What planning, resuming and reporting cost as work grows: `python -m pytest
tests/bench/bench_scale.py` prints it.

No fits: stores hold one real file's bytes and made-up scores for every cell of a selection (27 an
image: 5 seeds, 3 lambdas, twins, null twins and 2 peers). Each figure is the processor time of one
fresh process, start-up and imports left out, and its peak memory less what it had before.
BENCH_CELLS=1000,10000 bounds the sizes, BENCH_PLOT=FILE.png draws the curves.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import runpy
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
COUNTS = [int(count) for count in os.environ.get("BENCH_CELLS", "1000,10000,100000").split(",")]
FEW = (
    1_000  # the selection that is planned, resumed and reported beside more and more rows of others
)
AN_IMAGE = 27
WORDS = [
    "--dataset",
    "many",
    "--set",
    "hidden_features=16",
    "--bits",
    "10",
    "--seed",
    "0,1,2,3,4",
    "--lambda",
    "1e-5,1e-4,1e-3",
]
PLUGIN = '''
from pathlib import Path
import numpy as np
from benchmark.plugins import Dataset, Sample, VolumeStatistics, register

@register.dataset("many")
class Many(Dataset):
    """As many small images as are asked for."""
    licence, citation = "MIT", "none"
    def __init__(self, root: Path | None = None, *, images: int = 1) -> None:
        self.images = images
    def fetch(self) -> None: ...
    def ids(self, split: str) -> list[str]:
        return [f"p{i // 4:05d}-{i % 4}" for i in range(self.images)]
    def load(self, sample_id: str) -> Sample:
        image = np.full((32, 32, 1), 0.5, np.float32)
        person, plane = int(sample_id[1:6]), int(sample_id[-1])
        image[:, :, 0] *= np.arange(32) / 31 * (1 + person / 1e5) * (1 - plane / 10)
        mask = image[..., 0] > 0.3
        volume = VolumeStatistics(0.2, 0.1, 0.0, 0.5)
        return Sample(sample_id, "many", sample_id[:6], image, mask, mask, ("gray",), volume)
'''


# --- what runs in a process of its own
# ------------------------------------------------------------------------------


def words(folder: Path, cells: int) -> list[str]:
    return [
        *WORDS,
        "--out",
        str(folder),
        "--plugin",
        str(folder.parent / "many.py"),
        "--set",
        f"many.images={cells // AN_IMAGE}",
    ]


def job_of(folder: Path, cells: int):
    from benchmark.cli.parser import Parser
    from benchmark.cli.run import add_arguments
    from benchmark.cli.selection import selection_of
    from benchmark.plan.job import resolve

    parser = Parser()
    add_arguments(parser)
    return resolve(selection_of(parser.parse_args(words(folder, cells))))


def runner_of(job, store):
    from benchmark.cli.progress import PlainProgress
    from benchmark.runner.run import Runner

    return Runner(job, store, PlainProgress(sys.stderr, quiet=True), device="cpu")


def fill(folder: Path, cells: int) -> None:
    """A store as a run would leave it, then the command itself once, which finds nothing to do and
    writes its record.
    """
    from benchmark.bitstream import encode
    from benchmark.fit.render import build
    from benchmark.runner.rate import Sized, header_for
    from benchmark.store.store import Row, Score, Store

    job = job_of(folder, cells)
    rng = np.random.default_rng(0)
    first, sample = job.cells[0], next(iter(job.samples.values()))
    sized = Sized(first.inr, 10, 1100)
    state = {name: p.detach().numpy() for name, p in build(first.inr, 1, 0).named_parameters()}
    data = encode(header_for(first.inr, 10, sample, 0, "centers"), state)
    made = {
        "bpp": 0.59,
        "n_parameters": 881,
        "fidelity_end": 4e-4,
        "penalty_end": 0.1,
        "penalty_share": 0.02,
        "fit_seconds": 0.6,
        "encode_seconds": 0.001,
        "device": "cpu",
        "kernel": "torch",
        "batch_size": 8,
    }
    with Store(folder) as store:
        runner = runner_of(job, store)
        store.add_samples(job.samples.values())
        for start in range(0, len(job.cells), 2000):
            rows, scores = [], []
            for cell in job.cells[start : start + 2000]:
                rows.append(
                    Row(
                        cell.key,
                        "ok",
                        "",
                        cell.sample_hash,
                        runner._facts(cell, sized) | made,
                        data,
                    )
                )
                scores += [
                    Score(cell.key, metric, base + 0.1 * rng.standard_normal())
                    for metric, base in (
                        ("psnr_db", 30.0),
                        ("ssim", 0.8),
                        ("psnr_brain_db", 28.0),
                        ("ssim_brain", 0.8),
                    )
                ]
                scores += [
                    Score(cell.key, metric, rng.uniform(0.5, 0.9), reader.name, reader.hash)
                    for reader in job.readers
                    for metric in ("dice", "dice_original")
                ]
            store.add(rows, scores)


def again(folder: Path, cells: int) -> None:
    from benchmark.cli import main

    assert main(["run", *words(folder, cells)]) == 0


def plan(folder: Path, cells: int) -> None:
    from benchmark.cli import main

    assert main(["plan", *words(folder, cells)]) == 0


def resume(folder: Path, cells: int) -> None:
    from benchmark.store.store import Store

    job = job_of(folder, cells)
    with Store(folder) as store:
        runner_of(job, store).run()


def report(folder: Path, cells: int) -> None:
    from benchmark.cli import main

    assert main(["report", str(folder), "--out", str(folder / "report")]) == 0


TASKS = {task.__name__: task for task in (plan, resume, again, report)}


def in_a_process(task: str, folder: Path, cells: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, task, str(folder), str(cells)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def measured(task: str, folder: Path, cells: int) -> dict[str, float]:
    import matplotlib.figure  # noqa: F401
    import pandas  # noqa: F401
    import rich.console  # noqa: F401

    import benchmark.report.curves  # noqa: F401
    import benchmark.runner.run  # noqa: F401

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        (TASKS | {"fill": fill})[task](folder, cells)
    return {
        "seconds": time.process_time() - cpu,
        "wall_seconds": time.perf_counter() - wall,
        "mib": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024,
    }


# --- what is printed
# --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("scale")
    (folder / "many.py").write_text(PLUGIN)
    return folder


def test_scale(folders, capsys, isolated):
    runpy.run_path(str(ROOT / "tests" / "tiny_networks.py"))["write"]("many")
    found: dict[str, dict[int, dict[str, float]]] = {}
    with capsys.disabled():
        print()
        for count in COUNTS:
            folder = folders / str(count)
            lines = [("plan", "plan", folders / "empty", count)]
            in_a_process("fill", folder, count)
            in_a_process("again", folder, min(FEW, count))  # the latest run is a small one
            lines += [
                (f"{task} {FEW:,} of", task, folder, FEW)
                for task in ("plan", "resume", "report")
                if count >= FEW
            ]
            lines += [
                ("resume", "resume", folder, count),
                ("run again", "again", folder, count),
                ("report", "report", folder, count),
            ]
            for name, task, where, selected in lines:
                figure = found.setdefault(name, {})[count] = in_a_process(task, where, selected)
                stored = " stored" if "of" in name else ""
                print(
                    f"{name} {count:,}{stored} cells: {figure['seconds']:.1f} s,"
                    f" {figure['mib']:.0f} MiB",
                    flush=True,
                )
    if path := os.environ.get("BENCH_PLOT"):
        plot(found, Path(path))
    for task in ("plan", "resume"):
        if 100_000 in found[task]:
            assert found[task][100_000]["seconds"] < 5


def plot(found: dict[str, dict[int, dict[str, float]]], path: Path) -> None:
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(9, 3.6), layout="constrained")
    for axis, quantity, label in zip(
        drawn.subplots(1, 2), ("seconds", "mib"), ("processor seconds", "memory, MiB"), strict=True
    ):
        for name, by_count in found.items():
            style = {"ls": ":", "marker": "s"} if "of" in name else {"marker": "o"}
            axis.plot(
                list(by_count),
                [max(1e-2, figure[quantity]) for figure in by_count.values()],
                ms=4,
                lw=1.2,
                **style,
                label=name.replace(" of", " in a store of"),
            )
        axis.set(xscale="log", yscale="log", xlabel="cells (dotted: rows stored)", ylabel=label)
        axis.grid(lw=0.3)
    drawn.legend(
        *axis.get_legend_handles_labels(),
        loc="outside lower center",
        ncols=4,
        fontsize=8,
        frameon=False,
    )
    drawn.savefig(path, dpi=150)


if __name__ == "__main__":
    print(json.dumps(measured(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))))

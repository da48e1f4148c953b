"""Training against the loop that a user writes first (naive_train.py): `python -m pytest
tests/bench/bench_train.py`.

U-Net base 16 at 128 x 128, batches of 16, one thread each, in processes of their own, in turn:
seconds a step and peak memory. Slices of LGG where SINCO_BENCH_DATA has it, else of mni-lesion. The
time is the processor's, which other work on the machine changes little; the first step is left out.

What was tried, U-Net steps of 872 ms in float32 of which 83 % are convolutions: channels last
1.27x; memory kept between steps 1.13x; bfloat16 on a processor that multiplies it 1.7x on top;
augmenting a batch at once, 41 ms. What did not pay: fused AdamW (within 1 %), flushing denormals
(nothing).
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
STEPS, BATCH, ROUNDS = 6, 16, 3
WAYS = ("naive", "float32", "bf16")


def slices():
    """A data set and the ids of STEPS batches of its training split."""
    from benchmark.plugins import index

    root = os.environ.get("SINCO_BENCH_DATA")
    name = "lgg" if root and (Path(root) / "lgg").is_dir() else "mni-lesion"
    dataset = index.get("dataset", name).load()(None, size=128)
    ids = dataset.ids("train")[: STEPS * BATCH]
    return name, dataset, (ids * STEPS * BATCH)[: STEPS * BATCH]


def measure(way):
    """What one way needs, printed as JSON: run in a process of its own."""
    import resource
    import time

    import torch

    from benchmark.plugins import index

    torch.set_num_threads(1)
    torch.manual_seed(0)
    _, dataset, ids = slices()
    network = index.get("segmenter", "unet").load()(len(dataset.load(ids[0]).channels), base=16)
    times = []
    if way == "naive":
        import naive_train

        naive_train.train(
            dataset,
            ids,
            network,
            batch=BATCH,
            on_step=lambda loss: times.append(time.process_time()),
        )
    else:
        ours(way, dataset, ids, network, lambda i, count: times.append(time.process_time()))
    steps = [b - a for a, b in zip(times, times[1:], strict=False)]
    print(
        json.dumps(
            {
                "seconds": statistics.median(steps),
                "steps": len(times),
                "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            }
        )
    )


def ours(precision, dataset, ids, network, on_batch):
    from benchmark.training.data import Purpose, stack
    from benchmark.training.loop import train
    from benchmark.training.memory import keep_freed_memory
    from benchmark.training.recipe import TrainRecipe

    keep_freed_memory()
    samples = [dataset.load(sample_id) for sample_id in ids]
    images, few = stack(samples, Purpose(16), ()), stack(samples[:2], Purpose(16), ())
    train(
        network,
        images,
        few,
        TrainRecipe(epochs=1, batch=BATCH, precision=precision),
        on_batch=on_batch,
    )


def test_ratio(capsys):
    found = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way in WAYS:
            done = subprocess.run(
                [sys.executable, __file__, way],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=True,
                env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
            )
            found[way].append(json.loads(done.stdout.splitlines()[-1]))
    seconds = {
        way: statistics.median(each["seconds"] for each in rounds) for way, rounds in found.items()
    }
    memory = {way: max(each["megabytes"] for each in rounds) for way, rounds in found.items()}
    assert len({each["steps"] for rounds in found.values() for each in rounds}) == 1
    with capsys.disabled():
        print(
            f"\n{slices()[0]}, {STEPS} steps of {BATCH} slices; processor seconds a step, median of"
            f" {ROUNDS} runs"
        )
        for way in WAYS:
            print(
                f"{way:<8} {seconds[way]:6.3f} s  {seconds['naive'] / seconds[way]:5.2f}x  peak"
                f" {memory[way]:5.0f} MB"
            )


if __name__ == "__main__":
    measure(sys.argv[1])

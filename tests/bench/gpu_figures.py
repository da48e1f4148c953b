"""What gpu.py prints and how it measures: figures as lines and as JSON, memory and utilization of a
GPU, the clock.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmark.fit.engine import Fitted


@dataclass
class Report:
    """Figures as lines and as JSON, written anew after each, so that a run that breaks off keeps
    what it measured.
    """

    out: Path | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    figures: list[dict[str, Any]] = field(default_factory=list)

    def say(
        self, what: str, value: float | None, unit: str, target: float | None = None, **more: Any
    ) -> None:
        """One figure; value None: not measured, and `unit` says why. It misses its target unless it
        is below.
        """
        met = None if target is None else value is not None and value < target
        aim = "" if target is None else f" (target: below {target:g}, {'met' if met else 'missed'})"
        rest = "".join(
            f", {name.replace('_', ' ')} {v:.4g}" for name, v in more.items() if v is not None
        )
        print(f"{what}: {unit if value is None else f'{value:.4g} {unit}'}{aim}{rest}", flush=True)
        self.figures.append(
            {"what": what, "value": value, "unit": unit, "target": target, "met": met, **more}
        )
        if self.out is not None:
            self.out.write_text(
                json.dumps({"facts": self.facts, "figures": self.figures}, indent=1) + "\n",
                encoding="utf-8",
            )


class Watched:
    """While it is open: the peak of memory, in GiB, and the median share of time, in %, that some
    kernel ran. None on a CPU.
    """

    def __init__(self, device: str) -> None:
        self.cuda, self.peak_gib, self.utilization, self._done = (
            device == "cuda",
            None,
            None,
            threading.Event(),
        )
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._seen: list[float] = []

    def __enter__(self) -> Watched:
        if self.cuda:
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            self._uuid = f"GPU-{torch.cuda.get_device_properties(0).uuid}"
            self._thread.start()
        return self

    def _sample(self) -> None:
        while not self._done.wait(0.25):
            if (share := utilization(self._uuid)) is None:
                return  # no nvidia-smi: the rest is measured all the same
            self._seen.append(share)

    def __exit__(self, *_: Any) -> None:
        if self.cuda:
            self._done.set()
            self._thread.join()
            self.peak_gib = torch.cuda.max_memory_allocated() / 2**30
            self.utilization = float(np.median(self._seen)) if self._seen else None


def utilization(uuid: str) -> float | None:
    """Percent of the last moments in which some kernel ran on that GPU, by nvidia-smi; None where
    it does not say.
    """
    command = [
        "nvidia-smi",
        f"--id={uuid}",
        "--query-gpu=utilization.gpu",
        "--format=csv,noheader,nounits",
    ]
    try:
        return float(
            subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout
        )
    except (OSError, subprocess.SubprocessError, ValueError):
        return None


def seconds_when_done(device: str) -> float:
    """The clock, once all queued work is done."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def milliseconds(call: Callable[[], Any], device: str, times: int) -> float:
    """Of a call, after three that are not counted."""
    for _ in range(3):
        call()
    start = seconds_when_done(device)
    for _ in range(times):
        call()
    return 1e3 * (seconds_when_done(device) - start) / times


def psnr_db(fitted: Fitted) -> float:
    """The mean over a batch, of the unclipped images."""
    return float(np.mean(-10 * np.log10(fitted.fidelity)))

"""An experiment from a job to its scores: settle, fit, encode, decode, score, keep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmark.device import resolve_device
from benchmark.errors import InputError, field
from benchmark.listener import Listener, Quiet
from benchmark.plan.job import Job
from benchmark.runner.environment import environment
from benchmark.runner.log import LOGGER, Logged, log_file
from benchmark.runner.precision import settle_precision
from benchmark.runner.record import ensembles_of, keys_of, record_of
from benchmark.runner.run import Runner
from benchmark.store.store import Store


@dataclass(frozen=True)
class Engine:
    """Where and how a job is computed; none of it changes what is asked for.

    device: auto (CUDA when there), cpu or cuda. batch: fits at once, None for as many as fit.
    kernel: auto, torch, fused or graphs. fresh: fit again what is stored.
    """

    device: str = "auto"
    batch: int | None = None
    kernel: str = "auto"
    fresh: bool = False


@dataclass(frozen=True)
class Done:
    """An experiment that was run to its end.

    failed: how many of its cells have no usable file, unreadable images included.
    runner: holds the networks that read, for the contours in pictures.
    """

    name: str
    job: Job
    runner: Runner
    failed: int


def run_experiment(
    job: Job,
    out: Path,
    *,
    name: str | None = None,
    engine: Engine | None = None,
    listener: Listener | None = None,
    command: Sequence[str] = (),
) -> Done:
    """Run what is missing of a job and keep it in the store of the folder `out`.

    name: of the experiment; None takes that of an experiment there which asked for the same, else
    the time. command: what was typed, for the record. What is finished is kept whatever happens.
    Raises InputError before the first fit where something cannot be used.
    """
    engine = engine or Engine()
    if engine.batch is not None and engine.batch < 1:
        raise InputError(field("batch", engine.batch), "it must be at least 1", field("batch", 8))
    device = resolve_device(engine.device)
    told = Logged(listener or Quiet())
    with Store(out) as store:
        settle_precision(job, store, device, told.say)
        record = record_of(job, environment(device), command)
        name = store.experiments.begin(name, record, keys_of(job))
        with log_file(log_path(out, name)):
            LOGGER.info("begins", extra={"facts": {"experiment": name, "command": list(command)}})
            runner = Runner(
                job,
                store,
                told,
                device=device,
                batch=engine.batch,
                fresh=engine.fresh,
                kernel=engine.kernel,
            )
            _run(job, store, name, runner)
        statuses = store.statuses(cell.key for cell in job.cells)
    wrong = [cell for cell in job.cells if statuses.get(cell.key) != "ok"]
    return Done(name, job, runner, len(job.unreadable) + len(wrong))


def log_path(out: Path, name: str) -> Path:
    """Where the log of an experiment stands: beside the store."""
    return out / "logs" / f"{name}.jsonl"


def _run(job: Job, store: Store, name: str, runner: Runner) -> None:
    """Do the work, and say in the store and the log how it ended."""
    try:
        members = store.recall("runs", "members") or {}
        store.remember("runs", "members", members | ensembles_of(job))
        runner.run()
    except KeyboardInterrupt:
        store.experiments.end(name, "interrupted")
        LOGGER.warning("interrupted")
        raise
    except BaseException:
        store.experiments.end(name, "refused")
        LOGGER.exception("refused")
        raise
    store.experiments.end(name, "finished")
    LOGGER.info("finished")

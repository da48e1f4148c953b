"""The log of an experiment: JSON lines beside its store, one an event.

Every line has `time` (UTC, ISO 8601), `level` and `message`; a batch also `cells` (keys), `seconds`
and `steps`, a failure `traceback`. What logs below the name
"benchmark" while it is open is kept.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmark.errors import as_options
from benchmark.listener import Fit, Listener

LOGGER = logging.getLogger("benchmark")
LOGGER.addHandler(logging.NullHandler())  # a library says nothing by itself


class Lines(logging.Formatter):
    """A record as one line of JSON."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        line |= getattr(record, "facts", {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line)


@contextmanager
def log_file(path: Path) -> Iterator[None]:
    """Keep what is logged in a file, behind what is there already."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(Lines())
    level = LOGGER.level
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    try:
        yield
    finally:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(level)
        handler.close()


class Logged:
    """A listener that logs what it hears and passes it on."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener

    def say(self, text: str) -> None:
        LOGGER.info(as_options(text))
        self.listener.say(text)

    def plan(self, batches: Sequence[Sequence[Fit]], stored: int) -> None:
        fits = sum(map(len, batches))
        LOGGER.info("planned", extra={"facts": {"fits": fits, "stored": stored}})
        self.listener.plan(batches, stored)

    def more(self, batches: Sequence[Sequence[Fit]]) -> None:
        LOGGER.info("fits start again", extra={"facts": {"fits": sum(map(len, batches))}})
        self.listener.more(batches)

    def step(self, batch: Sequence[Fit], step: int, psnr_db: float) -> None:
        self.listener.step(batch, step, psnr_db)

    def done(self, batch: Sequence[Fit], seconds: float) -> None:
        facts = {
            "cells": [cell.key for cell in batch],
            "steps": batch[0].recipe.steps,
            "seconds": round(seconds, 3),
        }
        LOGGER.info("batch", extra={"facts": facts})
        self.listener.done(batch, seconds)

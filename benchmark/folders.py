"""Where things are kept on this machine."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """$SINCO_BENCH_CACHE, or sinco-bench in the user's cache folder."""
    if given := os.environ.get("SINCO_BENCH_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sinco-bench"


def data_folder() -> Path:
    """$SINCO_BENCH_DATA, the folder of all data sets, or `data` in the cache folder: where `data fetch` puts them."""
    return Path(os.environ.get("SINCO_BENCH_DATA") or cache_folder() / "data")

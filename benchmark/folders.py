"""Where things are kept on this machine."""

from __future__ import annotations

import os
from pathlib import Path

from benchmark.errors import InputError, field


def cache_folder() -> Path:
    """$SINCO_BENCH_CACHE, or sinco-bench in the user's cache folder."""
    if given := os.environ.get("SINCO_BENCH_CACHE"):
        return Path(given)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sinco-bench"


def data_folder() -> Path:
    """$SINCO_BENCH_DATA, the folder of all data sets, or `data` in the cache folder: where `data
    fetch` puts them.
    """
    return Path(os.environ.get("SINCO_BENCH_DATA") or cache_folder() / "data")


def check_writable(folder: Path, asked: str) -> None:
    """See before the work that files can be written in a folder, which need not be there yet;
    raises InputError where they cannot.
    """
    from tempfile import TemporaryFile

    there = next(
        place for place in (folder.absolute(), *folder.absolute().parents) if place.exists()
    )
    if not there.is_dir():
        raise InputError(asked, f"{there} is a file, no folder", f"another {field('out')}")
    try:
        TemporaryFile(dir=there).close()
    except OSError as error:
        raise InputError(
            asked,
            f"nothing can be written in {there}: {error.strerror}",
            f"another {field('out')}, or other permissions",
        ) from None

"""Files that are whole or absent, whatever stops the program that writes them."""

from __future__ import annotations

import contextlib
import glob
import os
import time
from collections.abc import Iterator
from pathlib import Path

from benchmark.errors import InputError

STALE_S = 600  # without a byte written


@contextlib.contextmanager
def replacing(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """Give a temporary path in the folder of `path`, and put that file in its place at the end.

    For writers that take a path (savefig, to_csv, safetensors): the temporary name keeps the
    suffixes. The folder must be there. If the block raises, `path` stays as it was and nothing is
    left. sync: the bytes are on the disk before the name is, and what a killed writer left is
    cleared; a cache with checksums and many files needs neither.
    """
    beside = path.with_name(f".{os.getpid()}.part.{path.name}")
    if sync:
        _clear(path)
    try:
        yield beside
        if sync:
            _sync(beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def whole(path: Path, data: bytes | str, *, sync: bool = True) -> None:
    """Write a file in one step: who reads `path` meets the old file or the whole new one.

    Text is written as UTF-8, line ends as they are. `sync`: as `replacing` has it.
    """
    with replacing(path, sync=sync) as beside:
        beside.write_bytes(data.encode("utf-8") if isinstance(data, str) else data)


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep other processes from work on `path`; raises InputError where one is at it.

    A folder is locked itself; of a file it is made where it is not there.
    """
    try:
        import fcntl
    except ImportError:  # Windows: two at once are not kept apart; the checksum finds out
        yield
        return
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"work on {path}", "another process is at it", "wait until it is done"
            ) from None
        yield
    finally:
        os.close(handle)


def _clear(path: Path) -> None:
    """Delete what writers of `path` left that were killed: nobody has written to it for long."""
    for left in path.parent.glob(f".*.part.{glob.escape(path.name)}"):
        with contextlib.suppress(OSError):  # another process was faster
            if time.time() - left.stat().st_mtime > STALE_S:
                left.unlink()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDWR)  # Windows flushes only what may be written
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

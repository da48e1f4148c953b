"""What was prepared once is read again: one file each, read through a memory map, known by a hash
of all that it was made from.

A file holds named arrays, facts as JSON and a checksum. One that is damaged is made again, never
believed. Files that are made from others are known by those files' content, not by their names or
dates.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import warnings
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from benchmark.errors import InputError
from benchmark.files.writing import whole
from benchmark.folders import cache_folder

# Arrays by name, and facts that JSON can hold.
Prepared = tuple[dict[str, np.ndarray], dict[str, Any]]


def prepared(key: Mapping[str, Any], make: Callable[[], Prepared]) -> Prepared:
    """What `make()` returns, read from the cache where it was made before from the same `key`."""
    path = place(key)
    found = _read(path)
    if found is not None:
        return found
    made = make()
    _write(path, *made)
    return made


def place(key: Mapping[str, Any]) -> Path:
    """The file of a key."""
    name = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
    return cache_folder() / "prepared" / name[:2] / f"{name}.safetensors"


def content_hash(paths: Iterable[Path]) -> str:
    """Hash of the content of files, in this order. A file that was read before is known by its size
    and dates (as git does).
    """
    digest = hashlib.sha256()
    files = list(paths)
    for path, known in zip(files, file_hashes(files), strict=True):
        digest.update(f"{path.name} {known}\n".encode())
    return digest.hexdigest()[:32]


def file_hashes(paths: Iterable[Path]) -> list[str]:
    """Hash of the content of each file, whatever it is called; files that were read before as in
    `content_hash`.
    """
    files = list(paths)
    stats = [_stat(path) for path in files]
    hashes = []
    try:
        cache_folder().mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(cache_folder() / "digests.sqlite", timeout=30)) as memo, memo:
            memo.execute(
                "create table if not exists digests (stat text primary key, digest text) without"
                " rowid"
            )
            for path, stat in zip(files, stats, strict=True):
                hashes.append(_known(memo, stat, path))
    # A memo that cannot be kept only costs the time of reading again.
    except (OSError, sqlite3.Error):
        return [_digest(path) for path in files]
    return hashes


def _stat(path: Path) -> str:
    """What a file that was not touched keeps: its place, size and dates."""
    try:
        stat = path.stat()
    except OSError as error:
        raise InputError(
            f"the file {path}",
            f"it cannot be read ({error.strerror})",
            "restore it from the release",
        ) from None
    return f"{path.absolute()} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns} {stat.st_ino}"


def _known(memo: sqlite3.Connection, stat: str, path: Path) -> str:
    row = memo.execute("select digest from digests where stat = ?", (stat,)).fetchone()
    if row is not None:
        return str(row[0])
    digest = _digest(path)
    memo.execute("insert or replace into digests values (?, ?)", (stat, digest))
    return digest


def _digest(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path) -> Prepared | None:
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="np") as file:
            arrays = {name: file.get_tensor(name) for name in sorted(file.keys())}
            metadata = file.metadata()
        if int(metadata["crc32"]) == _checksum(path, arrays, metadata["facts"]):
            return arrays, json.loads(metadata["facts"])
        why = "its checksum is not that of its content"
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        why = f"{type(error).__name__}: {error}"
    warnings.warn(f"the prepared file {path} is damaged ({why}) and is made again", stacklevel=3)
    return None


def _write(path: Path, arrays: Mapping[str, np.ndarray], facts: Mapping[str, Any]) -> None:
    text = json.dumps(facts)
    solid = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    data = save(solid, {"facts": text, "crc32": str(_checksum(path, solid, text))})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        whole(path, data, sync=False)
    except OSError as error:
        warnings.warn(
            f"prepared images are not kept: {error}; SINCO_BENCH_CACHE names another folder",
            stacklevel=3,
        )


def _checksum(path: Path, arrays: Mapping[str, np.ndarray], facts: str) -> int:
    """Of a file's name too, which is its key: one that was copied over another is no other's."""
    crc = zlib.crc32(f"{path.name} {facts}".encode())
    for name in sorted(arrays):
        crc = zlib.crc32(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode(), crc)
        crc = zlib.crc32(np.ascontiguousarray(arrays[name]).view(np.uint8).reshape(-1).data, crc)
    return crc

"""Unpacking a downloaded archive: all of it or nothing, and nothing outside the folder that it is
meant for.

tarfile's data filter and zipfile keep names inside the folder. Links are refused besides: a data
set has none, and before Python 3.11.13 a chain of them led past the filter (CVE-2025-4517).
Whether an archive is whole, `fetch` has checked by its published checksum.
"""

from __future__ import annotations

import gzip
import lzma
import os
import shutil
import tarfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NoReturn

from benchmark.errors import InputError
from benchmark.files.fetch import Progress, Source, fetch, quiet
from benchmark.files.writing import alone

# What an archive may unpack to where its source does not say: images gain 1.5 to 5 by compression.
MIN_LIMIT_BYTES, LIMIT_RATIO = 4_000_000_000, 20
MAX_FILES = 500_000
# RuntimeError: a zip file with a password, or packed in a way that zipfile does not know.
DAMAGE = (
    tarfile.TarError,
    gzip.BadGzipFile,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    ValueError,
    RuntimeError,
)


class _Refused(Exception):
    """What is wrong with an archive."""


def fetch_and_unpack(
    source: Source, folder: Path, progress: Progress = quiet, unpacking: Progress = quiet
) -> Path:
    """Return the folder that `source` unpacks to, below `folder`; download and unpack it where it
    is not there yet.

    The archive stays beside it. A source that is no archive is the file itself. Raises InputError
    as `fetch` and `unpack` do.
    """
    if source.archive is None:
        return fetch(source, folder, progress)
    target = folder / source.folder
    if target.is_dir():
        return target
    return unpack(source, fetch(source, folder, progress), folder, unpacking)


def unpack(source: Source, archive: Path, folder: Path, progress: Progress = quiet) -> Path:
    """Unpack `archive` to folder / source.folder, which must not be there yet, and return that.

    Where all of it lies in one top folder of that name, this becomes the folder. Everything is
    unpacked beside it and renamed at the end, so that what is there is complete. What macOS adds
    (`__MACOSX`, `._*`, `.DS_Store`) is left out. `progress` is called with (bytes written, bytes in
    all or None) after each file.

    Raises InputError for an archive that is damaged, that holds links or devices, or that takes
    more than source.unpacked_bytes (where not stated: 4 GB, or 20 times its length) or 500,000
    files; and where the disk is too small. Then nothing is left.
    """
    target = folder / source.folder
    asked = f"unpack {archive} to {target}"
    if target.exists():
        raise InputError(asked, f"{target} is there already", "move it away, or use it")
    temporary = folder / f".{source.folder}.unpacking"
    try:
        temporary.mkdir(parents=True, exist_ok=True)
        with alone(temporary):
            inside = temporary / "files"
            shutil.rmtree(inside, ignore_errors=True)  # of an unpacking that was killed
            try:
                _extract(source, archive, inside, progress)
                os.replace(_top(inside, source.folder), target)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    except (_Refused, *DAMAGE) as error:
        found = str(error).partition("\n")[0]
        if not isinstance(error, _Refused):
            found = f"it is no {source.archive} archive, or damaged: {found}"
        todo = f"delete it and fetch again from {source.url}"
        raise InputError(asked, f"{found}; nothing was unpacked", todo) from error
    except OSError as error:
        todo = "an archive that can be read, and room and rights in the folder"
        raise InputError(asked, f"{error.strerror}; nothing was unpacked", todo) from error
    return target


def _extract(source: Source, archive: Path, to: Path, progress: Progress) -> None:
    size = archive.stat().st_size
    limit = source.unpacked_bytes or max(MIN_LIMIT_BYTES, LIMIT_RATIO * size)
    free = shutil.disk_usage(to.parent).free
    if free < (needed := source.unpacked_bytes or size):
        _refuse(f"there is room for {free:,} bytes, {needed:,} are needed")
    to.mkdir()
    progress(0, source.unpacked_bytes)
    extract = _unzip if source.archive == "zip" else _untar
    extract(archive, to, _Count(limit, source.unpacked_bytes, progress))
    if not any(path.is_file() for path in to.rglob("*")):
        _refuse("it holds no file")


@dataclass
class _Count:
    """What the entries of an archive declare, counted before they are written; neither tarfile nor
    zipfile writes more of one than that.
    """

    limit: int
    total: int | None
    progress: Progress
    bytes: int = 0
    files: int = 0

    def add(self, size: int) -> None:
        self.bytes += size
        self.files += 1
        if self.bytes > self.limit:
            _refuse(f"it unpacks to {self.bytes:,} bytes or more, the limit is {self.limit:,}")
        if self.files > MAX_FILES:
            _refuse(f"it holds more than {MAX_FILES:,} files")


def _untar(archive: Path, to: Path, count: _Count) -> None:
    def checked(member: tarfile.TarInfo, path: str) -> tarfile.TarInfo | None:
        count.progress(count.bytes, count.total)  # those before it are written
        if not (member.isfile() or member.isdir()):
            _refuse(f"{member.name!r} in it is a link or a device")
        count.add(member.size)
        return None if _of_macos(member.name) else tarfile.data_filter(member, path)

    with tarfile.open(archive) as tar:
        tar.extractall(to, filter=checked)
    count.progress(count.bytes, count.total)


def _unzip(archive: Path, to: Path, count: _Count) -> None:
    with zipfile.ZipFile(archive) as file:
        entries = file.infolist()
        for entry in entries:
            count.add(entry.file_size)
        written = 0
        for entry in entries:
            if not _of_macos(entry.filename):
                file.extract(entry, to)  # of a link it writes the text, as a plain file
            written += entry.file_size
            count.progress(written, count.bytes)


def _top(inside: Path, name: str) -> Path:
    """The one folder of that name that holds all of it, or where there is none, all of it."""
    return inside / name if os.listdir(inside) == [name] and (inside / name).is_dir() else inside


def _of_macos(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return ".DS_Store" in parts or any(p == "__MACOSX" or p.startswith("._") for p in parts)


def _refuse(found: str) -> NoReturn:
    raise _Refused(found)

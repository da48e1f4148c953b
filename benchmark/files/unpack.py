"""Unpacking a downloaded archive: all of it or nothing, and nothing outside the folder that it is
meant for.

tarfile and zipfile read; only the bytes of plain files are taken, never links, devices, owners or
modes. So what `filter="data"` guards against cannot arise, nor what got past it (CVE-2025-4517: a
chain of links) before Python 3.11.13.
"""

from __future__ import annotations

import contextlib
import gzip
import lzma
import os
import shutil
import struct
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO, Any, NoReturn

from benchmark.errors import InputError
from benchmark.files.fetch import Progress, Source, alone, fetch, quiet

MIN_LIMIT_BYTES, LIMIT_RATIO = (
    4_000_000_000,
    20,
)  # what an archive may unpack to: images gain 1.5 to 5 by compression
MAX_FILES = 500_000
CHUNK_BYTES = 1024 * 1024
DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    ValueError,
)


@dataclass(frozen=True)
class Entry:
    """A plain file, or a folder (`open` is None), of an archive: its name there, its declared
    length, its bytes.
    """

    name: str
    size_bytes: int
    open: Callable[[], IO[bytes] | None] | None


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
    return (
        target
        if target.is_dir()
        else unpack(source, fetch(source, folder, progress), folder, unpacking)
    )


def unpack(source: Source, archive: Path, folder: Path, progress: Progress = quiet) -> Path:
    """Unpack `archive` to folder / source.folder, which must not be there yet, and return that.

    Where all of it lies in one top folder of that name, this becomes the folder. Everything is
    unpacked beside it and renamed at the end, so that what is there is complete. What macOS adds
    (`__MACOSX`, `._*`, `.DS_Store`) is left out. `progress` is called with (bytes written, bytes in
    all or None).

    Raises InputError for an archive that is damaged or cut short, that holds links, devices, names
    that lead out of the folder or differ by case only, or that takes more than
    source.unpacked_bytes (where not stated: 4 GB, or 20 times its length) or 500,000 files; and
    where the disk is too small. Then nothing is left.
    """
    target, asked = folder / source.folder, f"unpack {archive} to {folder / source.folder}"
    if target.exists():
        raise InputError(asked, f"{target} is there already", "move it away, or use it")
    temporary = folder / f".{source.folder}.unpacking"
    try:
        temporary.mkdir(parents=True, exist_ok=True)
        with alone(temporary):
            try:
                _clear(temporary)  # what an unpacking left that was killed
                _Unpacking(source, archive, temporary, progress).run()
                inner = temporary / source.folder
                os.rename(
                    (
                        inner
                        if os.listdir(temporary) == [source.folder] and inner.is_dir()
                        else temporary
                    ),
                    target,
                )
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    except (_Refused, *DAMAGE) as error:
        found = (
            str(error)
            if isinstance(error, _Refused)
            else f"it is no {source.archive} archive, damaged or cut short: {error}"
        )
        raise InputError(
            asked, f"{found}; nothing was unpacked", f"delete it and fetch again from {source.url}"
        ) from error
    except (
        OSError,
        RuntimeError,
    ) as error:  # RuntimeError: a zip file with a password, or packed in a way unknown to zipfile
        raise InputError(
            asked,
            f"{getattr(error, 'strerror', None) or error}; nothing was unpacked",
            "an archive that can be read, and room and rights in the folder",
        ) from error
    return target


@dataclass
class _Unpacking:
    source: Source
    archive: Path
    to: Path
    progress: Progress
    seen: dict[str, tuple[str, bool]] = field(
        default_factory=dict
    )  # by folded name: the name, and whether it is a folder
    declared: int = 0
    written: int = 0

    def run(self) -> None:
        size = self.archive.stat().st_size
        limit = self.source.unpacked_bytes or max(MIN_LIMIT_BYTES, LIMIT_RATIO * size)
        with _opened(self.source, self.archive) as (entries, total):
            total = self.source.unpacked_bytes if total is None else total
            self._check_limit(total or 0, limit)
            if (free := shutil.disk_usage(self.to).free) < (total or size):
                self._refuse(f"there is room for {free:,} bytes, {total or size:,} are needed")
            self.progress(0, total)
            files = 0
            for count, entry in enumerate(entries, 1):
                if count > MAX_FILES:
                    self._refuse(f"it holds more than {MAX_FILES:,} files")
                self.declared += entry.size_bytes
                self._check_limit(self.declared, limit)
                place = _inside(entry.name)
                if place.parts and not _of_macos(place):
                    self._claim(place, entry.open is None)
                    files += self._write(entry, place, limit, total)
        if not files:
            self._refuse("it holds no file")

    def _claim(self, place: PurePosixPath, folder: bool) -> None:
        """Refuse a name that stands twice, as file and folder, or that some file systems hold for
        another one.
        """
        for path, is_folder in [
            *((parent, True) for parent in place.parents if parent.parts),
            (place, folder),
        ]:
            now, folded = (str(path), is_folder), unicodedata.normalize("NFC", str(path)).casefold()
            before = self.seen.get(folded)
            if before and (before != now or not is_folder):
                self._refuse(
                    f"{now[0]!r} stands in it twice"
                    if before[0] == now[0]
                    else (
                        f"{before[0]!r} and {now[0]!r} in it are the same file to many file systems"
                    )
                )
            self.seen[folded] = now

    def _write(self, entry: Entry, place: PurePosixPath, limit: int, total: int | None) -> bool:
        path = self.to / place
        (path.parent if entry.open else path).mkdir(parents=True, exist_ok=True)
        data = entry.open() if entry.open else None
        if data is None:
            return False
        with data, path.open("xb") as file:
            done = 0
            while chunk := data.read(CHUNK_BYTES):
                done += len(chunk)
                self.written += len(chunk)
                self._check_limit(self.written, limit)
                file.write(chunk)
                self.progress(self.written, total)
        if done != entry.size_bytes:
            self._refuse(
                f"{entry.name!r} in it is cut short: {done:,} of {entry.size_bytes:,} bytes"
            )
        return True

    def _check_limit(self, size: int, limit: int) -> None:
        if size > limit:
            self._refuse(f"it unpacks to {size:,} bytes or more, the limit is {limit:,}")

    def _refuse(self, found: str) -> NoReturn:
        raise _Refused(found)


@contextlib.contextmanager
def _opened(source: Source, archive: Path) -> Iterator[tuple[Iterator[Entry], int | None]]:
    """The entries of an archive, as they are read, and the bytes that it declares in all, where it
    does so at the start.
    """
    if source.archive == "zip":
        with zipfile.ZipFile(archive) as file:
            yield _zip_entries(file), sum(info.file_size for info in file.infolist())
        return
    with archive.open("rb") as raw, contextlib.ExitStack() as stack:
        packed = raw.read(2) == b"\x1f\x8b"
        raw.seek(0)
        stream: Any = stack.enter_context(gzip.open(raw)) if packed else raw
        yield _tar_entries(_LastRead(stream)), None


def _zip_entries(file: zipfile.ZipFile) -> Iterator[Entry]:
    for info in file.infolist():
        kind = (
            info.external_attr >> 16 & 0o170000
        )  # as in st_mode; 0 where it was packed on Windows
        if kind not in (0, 0o100000, 0o040000):
            raise _Refused(f"{info.filename!r} in it is a link or a device")
        yield Entry(
            info.filename, info.file_size, None if info.is_dir() else partial(file.open, info)
        )


def _tar_entries(stream: _LastRead) -> Iterator[Entry]:
    with tarfile.open(fileobj=stream, mode="r:") as file:  # type: ignore[call-overload]  # it reads, seeks and tells
        for info in file:
            if not (info.isfile() or info.isdir()):
                raise _Refused(f"{info.name!r} in it is a link or a device")
            yield Entry(
                info.name, info.size, None if info.isdir() else partial(file.extractfile, info)
            )
    # tarfile ends without a word at a header that is cut off or damaged. The end is a block of
    # zeros; some writers leave it out, and an archive that is cut right there does not come this
    # far: `fetch` has checked it.
    if stream.last not in (b"", bytes(tarfile.BLOCKSIZE)):
        raise _Refused(
            "it is cut short or damaged: neither a header nor an end mark where one is due"
        )
    stream.read(CHUNK_BYTES)  # to the end, where gzip has its checksum


class _LastRead:
    """A file that remembers what was read last; tarfile reads a header whole, whatever length it
    claims.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self.file, self.last, self.seek, self.tell = file, b"", file.seek, file.tell

    def read(self, size: int) -> bytes:
        if size > CHUNK_BYTES:
            raise _Refused(f"a header in it claims {size:,} bytes")
        self.last = self.file.read(size)
        return self.last


def _inside(name: str) -> PurePosixPath:
    """A name in an archive as a path below the folder; refused where it could lead out of it on any
    system.
    """
    windows = PureWindowsPath(name)
    if windows.anchor or ".." in windows.parts:
        raise _Refused(f"{name!r} in it leads out of the folder")
    return PurePosixPath(name)


def _of_macos(place: PurePosixPath) -> bool:
    return place.name == ".DS_Store" or any(
        part == "__MACOSX" or part.startswith("._") for part in place.parts
    )


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

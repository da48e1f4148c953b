"""Downloading a file of a data set: gone on with where it broke off, checked, and never half-made
under its final name.

`requests` speaks HTTP and `hashlib` checks. pooch, the usual choice, starts each download anew: one
of 7 GB must survive a break.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Literal

from benchmark.errors import InputError
from benchmark.files.writing import alone

if TYPE_CHECKING:
    import requests

Progress = Callable[[int, int | None], None]  # bytes done, bytes in all where known

CHUNK_BYTES = 64 * 1024  # at most this much of what arrived is lost when a download breaks off
TIMEOUT_S = (10, 60)  # to connect; without a byte
PAUSES_S = (0.5, 2.0, 5.0)  # before each new attempt
TRY_AGAIN = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class Source:
    """A file that a data set is downloaded as.

    hash: "md5:..." or "sha256:...", as published, or its first digits (8 at least) where only these
    are. bytes: its length as published, exactly, or None. folder: what the archive is unpacked to,
    beside it. unpacked_bytes: what that takes, where published; a larger archive is refused.
    """

    url: str
    name: str
    hash: str
    bytes: int | None = None
    archive: Literal["tar", "zip"] | None = None
    folder: str = ""
    unpacked_bytes: int | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"(md5|sha256):[0-9a-f]{8,}", self.hash):
            todo = "hash='md5:...' or 'sha256:...', in lower case"
            raise InputError(f"the source {self.name}", f"hash={self.hash!r}", todo)
        for name in (self.name, self.folder) if self.archive else (self.name,):
            if not name or PurePath(name).name != name or name == "..":
                todo = "a file name and a folder name, without a path"
                raise InputError(f"the source {self.url}", f"the name {name!r}", todo)


def quiet(done: int, total: int | None) -> None:
    """Show no progress."""


def fetch(source: Source, folder: Path, progress: Progress = quiet) -> Path:
    """Download `source` to `folder` and return the file, whose checksum is right.

    A file that is there already, put by hand or by an earlier fetch, is checked and taken. What
    came before a break or an interrupt is kept as NAME.part and gone on with. `progress` is called
    with (bytes here, bytes in all or None) before the first byte and as they come.

    Raises InputError where there is no network, the server refuses, sends something else, or breaks
    off again and again, where the disk is too small, and where a checksum is wrong: that file is
    deleted if it was downloaded, kept if found.
    """
    target, part = folder / source.name, folder / f"{source.name}.part"
    asked = f"{source.name} from {source.url}"
    try:
        if target.exists():
            if wrong := _wrong(target, source):
                found = f"{target} is another file: {wrong}"
                raise InputError(asked, found, "move it away, then fetch again")
            return target
        folder.mkdir(parents=True, exist_ok=True)
        with alone(part):
            try:
                _download(source, part, progress)
                if wrong := _wrong(part, source):
                    part.unlink()
                    raise _refused(source, folder, f"what came is another file: {wrong}; deleted")
                os.replace(part, target)
            finally:
                if part.exists() and not part.stat().st_size:
                    part.unlink()
    except OSError as error:
        found = f"it cannot be read or written there: {error.strerror or error}"
        todo = "another folder, or room and rights in this one, then fetch again: what came is kept"
        raise InputError(f"{source.name} in {folder}", found, todo) from error
    return target


def _download(source: Source, part: Path, progress: Progress) -> None:
    """Attempts, each going on where the last broke off; one that gets further is no failure."""
    import requests

    again = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)
    pauses, furthest = list(PAUSES_S), part.stat().st_size
    with requests.Session() as session:
        while source.bytes is None or part.stat().st_size != source.bytes:
            try:
                return _attempt(session, source, part, progress)
            except again as error:
                have = part.stat().st_size
                if have > furthest:
                    pauses, furthest = list(PAUSES_S), have
                if not pauses:
                    kept = f"; {have:,} bytes are kept: fetch again later" if have else ""
                    found = f"{_reason(error)}, {len(PAUSES_S) + 1} times{kept}"
                    raise _refused(source, part.parent, found) from error
            except requests.RequestException as error:  # a bad address, a ring of redirects
                raise _refused(source, part.parent, _reason(error)) from error
            time.sleep(pauses.pop(0))


def _attempt(session: requests.Session, source: Source, part: Path, progress: Progress) -> None:
    import requests

    have = part.stat().st_size
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with session.get(source.url, headers=headers, stream=True, timeout=TIMEOUT_S) as reply:
        if have and reply.status_code == 416:  # nothing follows: the checksum decides
            return
        if reply.status_code in TRY_AGAIN:
            raise requests.ConnectionError(f"{reply.url} answered {reply.status_code}")
        reply.raise_for_status()
        if reply.headers.get("Content-Type", "").startswith("text/html"):
            found = f"{reply.url} sent an HTML page: a login, a consent form or an error"
            raise _refused(source, part.parent, found)
        goes_on = reply.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if reply.status_code == 206 and not goes_on:
            part.write_bytes(b"")
            raise requests.ConnectionError(f"{reply.url} sent another range than was asked for")
        done, length = have if goes_on else 0, reply.headers.get("Content-Length", "")
        total = done + int(length) if length.isdecimal() else source.bytes
        if source.bytes not in (None, total):
            found = f"{reply.url} announces {total:,} bytes, {source.bytes:,} are published"
            raise _refused(source, part.parent, found)
        needed = (total or 0) - done + (source.unpacked_bytes or 0)
        if (free := shutil.disk_usage(part.parent).free) < needed:
            found = f"{part.parent} has room for {free:,} bytes, {needed:,} are still needed"
            raise _refused(source, part.parent, found)
        progress(done, total)
        with part.open("ab" if goes_on else "wb") as file:
            for chunk in reply.iter_content(CHUNK_BYTES):
                done += len(chunk)
                if total is not None and done > total:
                    found = f"{reply.url} sent more than {total:,} bytes"
                    raise _refused(source, part.parent, found)
                file.write(chunk)
                progress(done, total)
        if total is not None and done < total:
            raise requests.ConnectionError(f"{reply.url} broke off")


def _reason(error: BaseException) -> str:
    """The innermost cause, in its own words: "Connection refused" rather than a chain of five."""
    inner = next((part for part in error.args if isinstance(part, BaseException)), None)
    inner = inner or getattr(error, "reason", None)
    if isinstance(inner, BaseException):
        return _reason(inner)
    return str(getattr(error, "strerror", None) or error)


def _wrong(path: Path, source: Source) -> str:
    """What shows that a file is not the one of `source`: "" where nothing does."""
    size = path.stat().st_size
    if source.bytes not in (None, size):
        return f"it has {size:,} bytes, {source.bytes:,} are published"
    algorithm, _, published = source.hash.partition(":")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, algorithm).hexdigest()
    if found.startswith(published):
        return ""
    return f"its {algorithm} is {found}, {published} is published ({size:,} bytes)"


def _refused(source: Source, folder: Path, found: str) -> InputError:
    todo = f"fetch again, or download {source.url} and put it at {folder / source.name}"
    return InputError(f"{source.name} from {source.url}", found, f"{todo}: it is checked and taken")

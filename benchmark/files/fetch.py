"""Downloading a file of a data set: gone on with where it broke off, checked, and never half-made
under its final name.

`requests` speaks HTTP and `hashlib` checks. pooch, the usual choice, starts each download anew and
deletes what it has when it is interrupted, while it checks too: a download of 7 GB must survive
both.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path, PurePath
from typing import IO, TYPE_CHECKING, Literal, NoReturn

from benchmark.errors import InputError

if TYPE_CHECKING:
    import requests

Progress = Callable[[int, int | None], None]  # bytes done, bytes in all where known

CHUNK_BYTES = 64 * 1024  # at most this much of what arrived is lost when a download breaks off
TIMEOUT_S = (10, 60)  # to connect; without a byte
PAUSES_S = (0.5, 2.0, 5.0)  # before each new attempt
PROGRESS_BYTES = 1024 * 1024  # an attempt that brought this much does not count as a failed one
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
        algorithm, _, digest = self.hash.partition(":")
        if algorithm not in ("md5", "sha256") or not re.fullmatch(r"[0-9a-f]{8,}", digest):
            raise InputError(
                f"the source {self.name}",
                f"hash={self.hash!r}",
                "hash='md5:...' or 'sha256:...', in lower case",
            )
        for name in (self.name, self.folder) if self.archive else (self.name,):
            if not name or PurePath(name).name != name or name == "..":
                raise InputError(
                    f"the source {self.url}",
                    f"the name {name!r}",
                    "a file name and a folder name, without a path",
                )


class _Again(Exception):
    """An attempt that failed in a way that another may not; says what happened."""


def quiet(done: int, total: int | None) -> None:
    """Show no progress."""


def fetch(source: Source, folder: Path, progress: Progress = quiet) -> Path:
    """Download `source` to `folder` and return the file, whose checksum is right.

    A file that is there already, put by hand or by an earlier fetch, is checked and taken. What
    came before a break or an interrupt is kept as NAME.part (and what the server calls it as
    NAME.part.json) and gone on with. `progress` is called with (bytes here, bytes in all or None)
    before the first byte and as they come.

    Raises InputError where there is no network, the server refuses, sends something else, or breaks
    off again and again, where the disk is too small, and where a checksum is wrong: that file is
    deleted if it was downloaded, kept if found.
    """
    target = folder / source.name
    try:
        if not target.exists():
            folder.mkdir(parents=True, exist_ok=True)
            _download(source, folder, target, progress)
        elif wrong := _wrong(target, source):
            raise InputError(
                f"{source.name} as {source.url} has it",
                f"{target} is another file: {wrong}",
                "move it away, then fetch again",
            )
    except OSError as error:
        raise InputError(
            f"{source.name} in {folder}",
            f"it cannot be read or written there: {error.strerror or error}",
            "another folder, or room and rights in this one, then fetch again: what came is kept",
        ) from error
    return target


def _download(source: Source, folder: Path, target: Path, progress: Progress) -> None:
    part, note = folder / f"{source.name}.part", folder / f"{source.name}.part.json"
    with alone(part):
        try:
            with part.open("ab") as file:
                _Download(source, folder, file, note, progress).run()
            if wrong := _wrong(part, source):
                part.write_bytes(b"")
                raise InputError(
                    _asked(source),
                    f"the file that came is another one: {wrong}; it was deleted",
                    f"fetch again; if it ends the same way, {_by_hand(source, folder)}",
                )
            os.replace(part, target)
        finally:
            if not part.exists() or not part.stat().st_size:
                part.unlink(missing_ok=True)
                note.unlink(missing_ok=True)


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Keep other processes from work on the file or folder at `path`; raises InputError where one
    is at it.
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


class _Download:
    """Attempts at one file, each going on where the last broke off."""

    def __init__(
        self, source: Source, folder: Path, file: IO[bytes], note: Path, progress: Progress
    ) -> None:
        self.source, self.folder, self.file, self.note, self.progress = (
            source,
            folder,
            file,
            note,
            progress,
        )
        self.total = source.bytes

    @property
    def done(self) -> int:
        return self.file.seek(0, os.SEEK_END)

    def run(self) -> None:
        import requests

        if self._noted().get("hash") != self.source.hash:
            self._start_over("")
        pauses, furthest = list(PAUSES_S), self.done
        with requests.Session() as session:
            while self.done == 0 or self.done != self.source.bytes:
                try:
                    return self._attempt(session)
                except (requests.ConnectionError, requests.Timeout, _Again) as error:
                    if self.done >= furthest + PROGRESS_BYTES:
                        pauses, furthest = list(PAUSES_S), self.done
                    if not pauses:
                        self._give_up(error)
                except (
                    requests.RequestException
                ) as error:  # a bad address, a ring of redirects: no better the next time
                    self._refuse(_reason(error))
                time.sleep(pauses.pop(0))

    def _attempt(self, session: requests.Session) -> None:
        have, validator = self.done, self._noted().get("validator", "")
        headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
        if have and validator:
            headers["If-Range"] = validator
        with session.get(self.source.url, headers=headers, stream=True, timeout=TIMEOUT_S) as reply:
            if self._is_all_here(reply, have):
                return
            self._check_reply(reply)
            start, total = _extent(reply)
            if total is not None and self.source.bytes not in (None, total):
                self._refuse(
                    f"the server at {reply.url} announces {total:,} bytes, {self.source.bytes:,}"
                    " are published"
                )
            self.total = total if self.source.bytes is None else self.source.bytes
            self._check_room()
            if start not in (0, have):
                self._start_over("")
                raise _Again(f"the server sent something else than what follows byte {have:,}")
            if start == 0:  # Range ignored, or If-Range says that the file has changed
                self._start_over(_validator(reply))
            self._write(reply)

    def _is_all_here(self, reply: requests.Response, have: int) -> bool:
        """Whether the server says that nothing follows; raises _Again after dropping what it does
        not know.
        """
        if reply.status_code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE or not have:
            return False
        if reply.headers.get("Content-Range", "").replace(" ", "") == f"bytes*/{have}":
            return True
        self._start_over("")
        raise _Again(
            f"the server has nothing from byte {have:,} on (416): another file than was begun with"
        )

    def _check_reply(self, reply: requests.Response) -> None:
        status = reply.status_code
        if status in TRY_AGAIN:
            raise _Again(f"the server answered {status} {reply.reason}")
        if status not in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            self._refuse(f"the server at {reply.url} answered {status} {reply.reason}")
        if reply.headers.get("Content-Type", "").startswith("text/html"):
            self._refuse(
                f"the server at {reply.url} sent an HTML page, not the file: a login, a consent"
                " form or an error"
            )
        if reply.headers.get("Content-Encoding", "identity") != "identity":
            self._refuse(
                f"the server at {reply.url} sent it re-encoded"
                f" ({reply.headers['Content-Encoding']})"
            )

    def _check_room(self) -> None:
        needed = (self.total or 0) - self.done + (self.source.unpacked_bytes or 0)
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            raise InputError(
                _asked(self.source),
                f"{self.folder} has room for {free:,} bytes, {needed:,} are still needed",
                "make room, or fetch to another folder",
            )

    def _write(self, reply: requests.Response) -> None:
        import requests

        done, total = self.done, self.total
        self.progress(done, total)
        try:
            for chunk in reply.iter_content(CHUNK_BYTES):
                self.file.write(chunk)
                done += len(chunk)
                if total is not None and done > total:
                    self._start_over("")
                    self._refuse(
                        f"the server at {reply.url} sent more than the {total:,} bytes that were to"
                        " come"
                    )
                self.progress(done, total)
        except requests.RequestException as error:
            raise _Again(f"the server broke off ({_reason(error)})") from None
        if total is not None and done < total:
            raise _Again("the server broke off")

    def _noted(self) -> dict[str, str]:
        """What stands in the note beside the part: the hash it is for, and the validator (ETag or
        date) it came with.
        """
        try:
            noted = json.loads(self.note.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return noted if isinstance(noted, dict) else {}

    def _start_over(self, validator: str) -> None:
        self.file.truncate(0)
        self.note.write_text(
            json.dumps({"hash": self.source.hash, "validator": validator}), encoding="utf-8"
        )

    def _give_up(self, error: Exception) -> NoReturn:
        found = str(error) if isinstance(error, _Again) else f"no connection: {_reason(error)}"
        kept = (
            f"; {self.done:,} of {self.total:,} bytes are kept" if self.done and self.total else ""
        )
        raise InputError(
            _asked(self.source),
            f"{found}, {len(PAUSES_S) + 1} times{kept}",
            "fetch again later: it goes on where it broke off; or"
            f" {_by_hand(self.source, self.folder)}",
        ) from error

    def _refuse(self, found: str) -> NoReturn:
        raise InputError(_asked(self.source), found, _by_hand(self.source, self.folder))


def _extent(reply: requests.Response) -> tuple[int, int | None]:
    """(first byte, bytes in all or None) of what a reply carries; a 206 that does not say starts at
    -1: nowhere.
    """
    if reply.status_code == HTTPStatus.OK:
        length = reply.headers.get("Content-Length", "")
        return 0, int(length) if length.isdecimal() else None
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", reply.headers.get("Content-Range", ""))
    if not match:
        return -1, None
    return int(match[1]), None if match[2] == "*" else int(match[2])


def _validator(reply: requests.Response) -> str:
    """What If-Range may name (RFC 9110, 13.1.5): a strong ETag, or else the date."""
    etag = reply.headers.get("ETag", "")
    return etag if etag.startswith('"') else reply.headers.get("Last-Modified", "")


def _reason(error: BaseException) -> str:
    """The innermost cause, in its own words: "Connection refused" rather than a chain of five."""
    while inner := next(
        (
            part
            for part in (*error.args, getattr(error, "reason", None), error.__cause__)
            if isinstance(part, BaseException)
        ),
        None,
    ):
        error = inner
    return str(getattr(error, "strerror", None) or error)


def _wrong(path: Path, source: Source) -> str | None:
    """What shows that a file is not the one of `source`, or None."""
    algorithm, _, published = source.hash.partition(":")
    if not path.is_file():
        return "it is no file"
    size = path.stat().st_size
    if source.bytes not in (None, size):
        wrong = f"it has {size:,} bytes, {source.bytes:,} are published"
    else:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, algorithm).hexdigest()
        if found.startswith(published):
            return None
        wrong = f"its {algorithm} is {found}, {published} is published ({size:,} bytes)"
    with path.open("rb") as file:
        page = re.match(rb"\s*<(!doctype )?html", file.read(1024), re.IGNORECASE)
    return f"{wrong}; it is an HTML page: a login, a consent form or an error" if page else wrong


def _asked(source: Source) -> str:
    return f"{source.name} from {source.url}"


def _by_hand(source: Source, folder: Path) -> str:
    return (
        f"download {source.url} on any machine and put it at {folder / source.name}, then fetch"
        " again: it is checked and taken"
    )

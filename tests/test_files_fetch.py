"""Downloads against a local server that breaks off, lies about lengths, serves the wrong file, or
does what it should.
"""

from __future__ import annotations

import hashlib
import random
import re
import shutil
import threading
from collections import namedtuple
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmark.errors import InputError
from benchmark.files import fetch as fetching
from benchmark.files.fetch import CHUNK_BYTES, Source, fetch
from benchmark.files.writing import alone

CONTENT = random.Random(0).randbytes(5 * CHUNK_BYTES + 123)
OTHER = random.Random(1).randbytes(len(CONTENT))
CUT = (
    2 * CHUNK_BYTES
)  # where a server breaks off: at a whole chunk, so that the client has all that was sent
DATE = "Wed, 21 Oct 2015 07:28:00 GMT"
PAGE = b"<!DOCTYPE html><html><title>Sign in</title></html>"


class Server(ThreadingHTTPServer):
    """Serves `content` with ranges; `script` holds what the next requests meet instead: keywords of
    Handler.answer.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.etag, self.served = CONTENT, '"one"', 0
        self.script: list[dict] = []
        self.always: dict = {}  # what every request meets where the script is done
        self.requests: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/data.bin"

    @property
    def ranges(self) -> list[str | None]:
        return [request.get("Range") for request in self.requests]


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.requests.append(dict(self.headers))
        self.answer(**(self.server.script.pop(0) if self.server.script else self.server.always))

    def answer(
        self,
        status: int | None = None,
        cut: int | None = None,
        length: int | None = 0,
        ranges: bool = True,
        shift: int = 0,
        body: bytes | None = None,
        times: int = 1,
        stall_s: float = 0,
        **headers: str,
    ) -> None:
        """`cut`: close after so many bytes; `length`: added to the announced one, None: announce
        none; `shift`: send other bytes.
        """
        threading.Event().wait(stall_s)
        content = self.server.content if body is None else body
        asked = (
            re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            if ranges and status is None
            else None
        )
        if self.headers.get("If-Range", self.server.etag) not in (self.server.etag, DATE):
            asked = None
        start = int(asked[1]) if asked else 0
        if asked and start >= len(content):
            status, headers, content = 416, {"Content-Range": f"bytes */{len(content)}"}, b""
        elif asked:
            start += shift
            status, headers = (
                206,
                {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}", **headers},
            )
        data = content[start:]
        self.send_response(status or 200)
        for name, value in {"ETag": self.server.etag, "Last-Modified": DATE, **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        if length is not None:
            self.send_header("Content-Length", str(len(data) + length))
        self.end_headers()
        sent = data[:cut] if cut is not None else data
        try:
            for _ in range(times):
                self.server.served += len(
                    sent
                )  # before it goes: the client may be done, and count, before this thread goes on
                self.wfile.write(sent)
        except OSError:
            pass  # the client has hung up

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(fetching, "PAUSES_S", (0, 0, 0))
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def source(server: Server, content: bytes = CONTENT, **changes) -> Source:
    return Source(
        **{
            "url": server.url,
            "name": "data.bin",
            "hash": "md5:" + hashlib.md5(content).hexdigest(),
            **changes,
        }
    )


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def refused(wanted: Source, folder: Path) -> InputError:
    with pytest.raises(InputError) as caught:
        fetch(wanted, folder)
    assert not (folder / "data.bin").exists()
    return caught.value


def test_a_file_comes_whole_with_its_progress(server, tmp_path) -> None:
    seen = []
    path = fetch(source(server), tmp_path / "new", lambda *now: seen.append(now))
    assert path.read_bytes() == CONTENT and names(path.parent) == ["data.bin"]
    assert (
        seen[0] == (0, len(CONTENT))
        and seen[-1] == (len(CONTENT), len(CONTENT))
        and seen == sorted(seen)
    )


def test_sha256_and_the_published_length(server, tmp_path) -> None:
    wanted = source(
        server, hash="sha256:" + hashlib.sha256(CONTENT).hexdigest(), bytes=len(CONTENT)
    )
    assert fetch(wanted, tmp_path).read_bytes() == CONTENT


def test_a_break_is_gone_on_with_in_the_same_call(server, tmp_path) -> None:
    server.script = [{"cut": CUT}, {"cut": CHUNK_BYTES}]
    assert fetch(source(server), tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={CUT}-", f"bytes={CUT + CHUNK_BYTES}-"]
    assert server.served == len(CONTENT)  # not a byte twice


def test_a_break_is_gone_on_with_in_the_next_call(server, tmp_path) -> None:
    server.script = [{"cut": CUT}, {"cut": 0}, {"cut": 0}, {"cut": 0}]
    assert f"4 times; {CUT:,} bytes are kept" in refused(source(server), tmp_path).found
    assert names(tmp_path) == ["data.bin.part"]
    fetch(source(server), tmp_path)
    assert server.ranges[-1] == f"bytes={CUT}-" and server.served == len(CONTENT)
    assert names(tmp_path) == ["data.bin"]


def test_attempts_that_get_on_are_not_counted(server, tmp_path) -> None:
    server.always = {"cut": CHUNK_BYTES}
    assert fetch(source(server), tmp_path).read_bytes() == CONTENT and len(server.requests) == 6


def test_a_server_that_never_gets_beyond_a_point_is_given_up(server, tmp_path) -> None:
    server.script = [{"cut": cut, "ranges": False} for cut in [CUT, CHUNK_BYTES] * 10]
    assert "4 times" in refused(source(server), tmp_path).found
    assert len(server.requests) == 4


def test_an_interrupt_keeps_what_came(server, tmp_path) -> None:
    def interrupt(done: int, total: int | None) -> None:
        if done == CUT:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch(source(server), tmp_path, interrupt)
    assert names(tmp_path) == ["data.bin.part"]
    assert (tmp_path / "data.bin.part").read_bytes() == CONTENT[:CUT]
    fetch(source(server), tmp_path)
    assert server.ranges == [None, f"bytes={CUT}-"]


@pytest.mark.parametrize("published, requests", [(len(CONTENT), 1), (None, 2)])
def test_an_interrupt_while_it_checks_loses_nothing(
    server, tmp_path, monkeypatch, published, requests
) -> None:
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(fetching, "_wrong", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        fetch(source(server, bytes=published), tmp_path)
    assert fetch(source(server, bytes=published), tmp_path).read_bytes() == CONTENT
    assert len(server.requests) == requests and server.served == len(CONTENT)


@pytest.mark.parametrize(
    "script",
    [
        [{"cut": CUT}, {"ranges": False}],  # 200 to a range
        [{"cut": CUT}, {"shift": 7}],  # a range that was not asked for
        [{"cut": CUT}, {"status": 206}],  # a range that it does not name
        [{"status": 503}, {"status": 429}, {"cut": 0}],
        [{"length": 1000}],  # longer announced than sent: the range after the end settles it
        [{"length": None}],
        [{"status": 302, "Location": "/elsewhere"}],
    ],
)
def test_it_ends_well_after(server, tmp_path, script) -> None:
    server.script = script
    assert fetch(source(server), tmp_path).read_bytes() == CONTENT and names(tmp_path) == [
        "data.bin"
    ]


def test_no_length_and_a_break_are_noticed_by_the_published_length(server, tmp_path) -> None:
    server.script = [{"length": None, "cut": CUT}]
    assert fetch(source(server, bytes=len(CONTENT)), tmp_path).read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={CUT}-"]


@pytest.mark.parametrize("published", [None, len(CONTENT)])
@pytest.mark.parametrize("size", [CUT, len(CONTENT), len(CONTENT) + 7])
def test_a_part_of_another_file_is_deleted(server, tmp_path, size, published) -> None:
    (tmp_path / "data.bin.part").write_bytes((OTHER + OTHER)[:size])
    error = refused(source(server, bytes=published), tmp_path)
    assert "what came is another file" in error.found and names(tmp_path) == []
    assert fetch(source(server, bytes=published), tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "always, published, found, requests",
    [
        ({"body": OTHER}, None, "its md5 is", 1),
        ({"body": PAGE, "Content_Type": "text/html; charset=utf-8"}, None, "sent an HTML page", 1),
        ({"length": -1000}, None, "its md5 is", 1),
        ({"length": None, "cut": CUT}, None, "its md5 is", 1),
        (
            {"length": -1000},
            len(CONTENT),
            f"announces {len(CONTENT) - 1000:,} bytes, {len(CONTENT):,} are published",
            1,
        ),
        ({"Content_Encoding": "gzip"}, None, "incorrect header check", 1),
        ({"status": 404}, None, "404 Client Error: Not Found", 1),
        ({"status": 403}, None, "403 Client Error: Forbidden", 1),
        ({"status": 416}, None, "416 Client Error", 1),
        ({"status": 503}, None, "answered 503, 4 times", 4),
        ({"cut": 0}, None, "IncompleteRead", 4),
        ({"status": 302, "Location": "/data.bin"}, None, "30 redirects", 31),
        ({"status": 302, "Location": "ftp://127.0.0.1/data.bin"}, None, "ftp://", 1),
    ],
)
def test_it_ends_in_an_error_that_says_what_was_found(
    server, tmp_path, always, published, found, requests
) -> None:
    server.always = always
    error = refused(source(server, bytes=published), tmp_path)
    assert found in error.found and len(server.requests) == requests
    assert names(tmp_path) == []  # nothing of it can be gone on with
    assert server.url in error.todo and str(tmp_path / "data.bin") in error.todo


@pytest.mark.parametrize(
    "refusal", [{"status": 404}, {"status": 200, "body": PAGE, "Content_Type": "text/html"}]
)
def test_a_refusal_keeps_what_came_before(server, tmp_path, refusal) -> None:
    server.script = [{"cut": CUT}, refusal]
    refused(source(server), tmp_path)
    assert (tmp_path / "data.bin.part").read_bytes() == CONTENT[:CUT]


def test_a_redirect_to_a_login_says_where_it_ended(server, tmp_path) -> None:
    server.script = [
        {"status": 302, "Location": "/login"},
        {"body": PAGE, "Content_Type": "text/html"},
    ]
    assert "/login sent an HTML page" in refused(source(server), tmp_path).found


def test_a_server_that_sends_on_and_on_is_stopped(server, tmp_path) -> None:
    server.always = {"length": None, "times": 100}
    error = refused(source(server, bytes=len(CONTENT)), tmp_path)
    assert f"sent more than {len(CONTENT):,} bytes" in error.found
    assert server.served < 50 * len(CONTENT) and len(server.requests) == 1


def test_no_network_says_the_address_and_the_place(server, tmp_path) -> None:
    server.server_close()
    server.socket.close()
    error = refused(source(server), tmp_path)
    assert error.found.endswith("Connection refused, 4 times")
    assert (
        server.url in error.todo
        and str(tmp_path / "data.bin") in error.todo
        and names(tmp_path) == []
    )


def test_a_server_that_says_nothing(server, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(fetching, "TIMEOUT_S", (1, 0.05))
    server.always = {"stall_s": 0.15}
    assert "timed out" in refused(source(server), tmp_path).found


def test_a_file_put_there_by_hand_is_checked_and_taken(server, tmp_path) -> None:
    (tmp_path / "data.bin").write_bytes(CONTENT)
    assert fetch(source(server), tmp_path) == tmp_path / "data.bin" and server.requests == []
    for wrong, found in (
        (OTHER, "its md5 is"),
        (CONTENT[:-1], f"{len(CONTENT):,} are published"),
    ):
        (tmp_path / "data.bin").write_bytes(wrong)
        with pytest.raises(InputError, match=found):
            fetch(source(server, bytes=len(CONTENT)), tmp_path)
        assert (tmp_path / "data.bin").read_bytes() == wrong


@pytest.mark.parametrize("changes", [{}, {"bytes": len(CONTENT)}, {"unpacked_bytes": 10**6}])
def test_room_is_looked_at_before_the_first_byte(server, tmp_path, monkeypatch, changes) -> None:
    room = len(CONTENT) - 1 + changes.get("unpacked_bytes", 0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: namedtuple("Usage", "free")(room))
    with pytest.raises(InputError, match=f"room for {room:,} bytes, {room + 1:,} are still needed"):
        fetch(source(server, **changes), tmp_path, lambda *_: pytest.fail("a byte was taken"))
    assert names(tmp_path) == []


def test_two_at_once_are_kept_apart(server, tmp_path) -> None:
    with alone(tmp_path / "data.bin.part"), pytest.raises(InputError, match="another process"):
        fetch(source(server), tmp_path)
    assert fetch(source(server), tmp_path).read_bytes() == CONTENT


def test_a_folder_that_is_a_file(server, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    assert "cannot be read or written" in refused(source(server), tmp_path / "file").found


@pytest.mark.parametrize(
    "changes",
    [
        {"hash": "240a"},
        {"hash": "md5:"},
        {"hash": "crc:00"},
        {"name": "../x"},
        {"name": ""},
        {"name": ".."},
        {"archive": "tar", "folder": ""},
        {"archive": "tar", "folder": "a/b"},
    ],
)
def test_a_source_says_what_it_needs(server, changes) -> None:
    with pytest.raises(InputError):
        source(server, **changes)

"""Archives that are whole, and archives that are cut short, lead out of the folder, or would fill
the disk.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import os
import random
import shutil
import tarfile
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from benchmark.errors import InputError
from benchmark.files import unpack as unpacking
from benchmark.files.fetch import Source
from benchmark.files.unpack import fetch_and_unpack, unpack
from benchmark.files.writing import alone

VOLUME = random.Random(0).randbytes(5000)
FILES = {
    "Task/dataset.json": b"{}",
    "Task/imagesTr/a.nii.gz": VOLUME,
    "Task/labelsTr/a.nii.gz": b"",
}
KINDS = ("tar", "tar.gz", "zip")

NO_HASH = "md5:" + "0" * 32


def packed(kind: str, files: dict[str, bytes], *more: tarfile.TarInfo) -> bytes:
    """An archive of `files` (a name that ends in / is a folder) and, for a tar, of what `more`
    says.
    """
    out = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in files.items():
                archive.writestr(name, data)
        return out.getvalue()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.type, info.size, info.mode = (
                tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE,
                len(data),
                0o777,
            )
            tar.addfile(info, io.BytesIO(data))
        for info in more:
            tar.addfile(info)
    return gzip.compress(out.getvalue(), 1) if kind == "tar.gz" else out.getvalue()


def unpacked(folder: Path, data: bytes, kind: str = "tar", name: str = "Task", **changes) -> Path:
    (folder / "data").write_bytes(data)
    source = Source(
        "http://127.0.0.1:9/data",
        "data",
        "md5:" + hashlib.md5(data).hexdigest(),
        archive=kind.split(".")[0],
        folder=name,
        **changes,
    )
    return unpack(source, folder / "data", folder)


def refused(folder: Path, *args, **kwargs) -> InputError:
    """The error of an unpacking that leaves nothing: neither in the folder nor beside it."""
    (folder / "in").mkdir()
    with pytest.raises(InputError) as caught:
        unpacked(folder / "in", *args, **kwargs)
    assert os.listdir(folder) == ["in"] and os.listdir(folder / "in") == ["data"]
    return caught.value


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name, prefix", [("Task", ""), ("other", "Task/")])
def test_all_of_it_lands_in_the_named_folder(tmp_path, kind, name, prefix) -> None:
    path = unpacked(tmp_path, packed(kind, {"Task/": b"", **FILES}), kind, name)
    assert path == tmp_path / name and sorted(os.listdir(tmp_path)) == sorted(["data", name])
    assert contents(path) == {
        prefix + key.removeprefix("Task/"): data for key, data in FILES.items()
    }


@pytest.mark.parametrize("kind", KINDS)
def test_what_macos_adds_is_left_out(tmp_path, kind) -> None:
    junk = {
        "._Task": b"x",
        "Task/._dataset.json": b"x",
        "__MACOSX/Task/x": b"x",
        "Task/.DS_Store": b"x",
    }
    assert contents(unpacked(tmp_path, packed(kind, junk | FILES), kind)) == {
        key[5:]: data for key, data in FILES.items()
    }


def test_progress_ends_at_what_was_written(tmp_path) -> None:
    (tmp_path / "data").write_bytes(packed("zip", FILES))
    seen: list[tuple[int, int | None]] = []
    unpack(
        Source("x:", "data", NO_HASH, archive="zip", folder="Task"),
        tmp_path / "data",
        tmp_path,
        lambda *now: seen.append(now),
    )
    assert seen[0] == (0, None) and seen[-1] == (5002, 5002)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE]
)
def test_a_link_or_a_device_is_refused(tmp_path, kind) -> None:
    info = tarfile.TarInfo("Task/link")
    info.type, info.linkname = kind, "../../out"
    assert (
        "'Task/link' in it is a link or a device"
        in refused(tmp_path, packed("tar", FILES, info)).found
    )


def test_the_stated_size_lifts_the_limit(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(unpacking, "MIN_LIMIT_BYTES", 100)
    monkeypatch.setattr(unpacking, "LIMIT_RATIO", 0)
    assert contents(unpacked(tmp_path, packed("tar", FILES), unpacked_bytes=5002))


def test_too_many_files_are_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_FILES", 2)
    assert "more than 2 files" in refused(tmp_path, packed("tar", FILES)).found


@pytest.mark.parametrize(
    "kind, data",
    [
        ("zip", b""),
        ("tar", b"<html>" * 200),
        ("zip", b"<html>" * 200),
        ("zip", "tar"),
        ("tar", "zip"),
        ("tar.gz", b"\x1f\x8b" + bytes(30)),
    ],
)
def test_what_is_no_such_archive_is_refused(tmp_path, kind, data) -> None:
    error = refused(tmp_path, packed(data, FILES) if isinstance(data, str) else data, kind)
    assert "archive, or damaged" in error.found and "http://127.0.0.1:9/data" in error.todo


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_without_a_file_is_refused(tmp_path, kind) -> None:
    assert "holds no file" in refused(tmp_path, packed(kind, {"Task/": b""}), kind).found


def test_a_zip_file_with_a_password_is_refused(tmp_path) -> None:
    data = bytearray(packed("zip", FILES))
    data[data.index(b"PK\x01\x02") + 8] |= 1  # bit 0 of the flags in the directory: encrypted
    data[6] |= 1
    assert "password required" in refused(tmp_path, bytes(data), "zip").found


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_room_is_looked_at_first(tmp_path, monkeypatch, kind) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: namedtuple("Usage", "free")(5001))
    assert "room for 5,001 bytes" in refused(tmp_path, packed(kind, FILES), kind).found


def test_what_a_killed_unpacking_left_is_cleared(tmp_path) -> None:
    (tmp_path / ".Task.unpacking/files/Task/old").mkdir(parents=True)
    (tmp_path / ".Task.unpacking/files/stray").write_text("x")
    assert contents(unpacked(tmp_path, packed("tar", FILES))).keys() == {key[5:] for key in FILES}
    assert not (tmp_path / "Task/old").exists() and sorted(os.listdir(tmp_path)) == ["Task", "data"]


def test_two_at_once_are_kept_apart(tmp_path) -> None:
    (tmp_path / ".Task.unpacking").mkdir()
    with alone(tmp_path / ".Task.unpacking"), pytest.raises(InputError, match="another process"):
        unpacked(tmp_path, packed("tar", FILES))


def test_what_is_there_already_is_left_alone(tmp_path) -> None:
    (tmp_path / "Task").mkdir()
    with pytest.raises(InputError, match="there already"):
        unpacked(tmp_path, packed("tar", FILES))
    assert os.listdir(tmp_path / "Task") == []


def test_fetch_and_unpack_does_what_is_left_to_do(tmp_path) -> None:
    data = packed("tar", FILES)
    source = Source(
        "http://127.0.0.1:9/data",
        "data",
        "md5:" + hashlib.md5(data).hexdigest(),
        archive="tar",
        folder="Task",
    )
    (tmp_path / "data").write_bytes(data)  # by hand
    path = fetch_and_unpack(source, tmp_path)
    assert contents(path).keys() == {key[5:] for key in FILES}
    (tmp_path / "data").unlink()
    assert fetch_and_unpack(source, tmp_path) == path  # nothing is fetched
    (tmp_path / "plain").write_bytes(data)
    assert fetch_and_unpack(Source("x:", "plain", source.hash), tmp_path) == tmp_path / "plain"


HOSTILE = ["../out", "Task/../../out", "/tmp/sinco-out", "C:/out", "C:out", "//host/out"]


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize("name", [*HOSTILE, "Task/..\\..\\out"])
def test_no_name_leads_out_of_the_folder(tmp_path, kind, name) -> None:
    inside = tmp_path / "in"
    inside.mkdir()
    try:
        unpacked(inside, packed(kind, FILES | {name: b"x"}), kind)
    except InputError as error:
        assert "outside" in error.found and os.listdir(inside) == ["data"]
    assert os.listdir(tmp_path) == ["in"] and not Path("/tmp/sinco-out").exists()
    assert set(os.listdir(inside)) <= {"data", "Task"}


def test_a_link_in_a_zip_file_becomes_a_plain_file(tmp_path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("Task/link")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "../../out")
    link = unpacked(tmp_path, out.getvalue(), "zip") / "link"
    assert not link.is_symlink() and link.read_text() == "../../out"


@pytest.mark.parametrize(
    "kind, stated",
    [("tar.gz", None), ("zip", None), ("tar", 50_000), ("tar.gz", 50_000), ("zip", 50_000)],
)
def test_a_bomb_is_refused_before_it_goes_off(tmp_path, monkeypatch, kind, stated) -> None:
    monkeypatch.setattr(unpacking, "MIN_LIMIT_BYTES", 10_000)
    monkeypatch.setattr(unpacking, "LIMIT_RATIO", 1)
    for library, name in ((tarfile.TarFile, "makefile"), (zipfile.ZipFile, "extract")):
        monkeypatch.setattr(library, name, lambda *_: pytest.fail("it was unpacked"))
    # A zip file says at its start what all of it takes: not even a harmless first file is written.
    first = {"Task/a": b"1"} if kind == "zip" else {}
    files = first | {"Task/x": bytes(60_000 - len(first))}
    error = refused(tmp_path, packed(kind, files), kind, unpacked_bytes=stated)
    assert f"it unpacks to 60,000 bytes or more, the limit is {stated or 10_000:,}" in error.found


@pytest.mark.parametrize("kind", KINDS)
def test_no_more_is_written_than_an_entry_declares(tmp_path, kind) -> None:
    """The limit counts what is declared: the libraries must not write more."""
    data = bytearray(packed("zip" if kind == "zip" else "tar", {"Task/x": bytes(1024)}))
    if kind == "zip":
        at = data.index(b"PK\x01\x02") + 24  # the length in the directory
        data[at : at + 4] = (10).to_bytes(4, "little")
    else:
        info = tarfile.TarInfo("Task/x")
        info.size = 10
        data[:512] = info.tobuf()
    whole = gzip.compress(bytes(data)) if kind == "tar.gz" else bytes(data)
    try:
        path = unpacked(tmp_path, whole, kind)
        assert contents(path) == {"x": bytes(10)}
    except InputError as error:  # zipfile compares checksums, too
        assert kind == "zip" and "CRC" in error.found


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_archive_leaves_all_or_nothing(tmp_path, kind) -> None:
    """Damage that a library does not see, the checksum of the download has seen before."""
    data, rng, refusals = packed(kind, FILES), random.Random(2), 0
    for number in range(60):
        at = rng.randrange(len(data))
        other = data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]
        (folder := tmp_path / str(number)).mkdir()
        try:
            unpacked(folder, data[:at] if number % 2 else other, kind)
        except InputError as error:
            refusals += 1
            assert os.listdir(folder) == ["data"] and "nothing was unpacked" in error.found
        else:
            assert sorted(os.listdir(folder)) == ["Task", "data"]
    assert refusals > 10


def test_a_full_disk_leaves_nothing(tmp_path, monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tarfile.TarFile, "makefile", full)
    error = refused(tmp_path, packed("tar", FILES))
    assert "No space left on device; nothing was unpacked" in error.found


def test_an_interrupt_leaves_nothing(tmp_path, monkeypatch) -> None:
    (tmp_path / "data").write_bytes(packed("tar", FILES))

    def interrupt(done: int, total: int | None) -> None:
        if done > 2:
            under_way = tmp_path / ".Task.unpacking/files/Task/imagesTr/a.nii.gz"
            assert under_way.exists()
            raise KeyboardInterrupt

    source = Source("x:", "data", NO_HASH, archive="tar", folder="Task")
    with pytest.raises(KeyboardInterrupt):
        unpack(source, tmp_path / "data", tmp_path, interrupt)
    assert os.listdir(tmp_path) == ["data"]

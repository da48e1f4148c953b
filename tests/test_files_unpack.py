"""Archives that are whole, and archives that are cut short, lead out of the folder, or would fill
the disk.
"""

from __future__ import annotations

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
from benchmark.files.fetch import Source, alone
from benchmark.files.unpack import fetch_and_unpack, unpack

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
    assert (
        not (path / prefix / "dataset.json").stat().st_mode & 0o111
    )  # the archive's mode is not taken


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
    assert seen[0] == (0, 5002) and seen[-1] == (5002, 5002)


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize(
    "name",
    [
        "../out",
        "Task/../../out",
        "/tmp/out",
        "C:/out",
        "C:out",
        "//host/share/out",
        "Task/..\\..\\out",
    ],
)
def test_a_name_that_leads_out_is_refused(tmp_path, kind, name) -> None:
    assert (
        "leads out of the folder"
        in refused(tmp_path, packed(kind, FILES | {name: b"x"}), kind).found
    )


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


def test_a_link_in_a_zip_file_is_refused(tmp_path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("Task/link")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "../../out")
    assert "is a link or a device" in refused(tmp_path, out.getvalue(), "zip").found


@pytest.mark.parametrize("kind", ["tar", "zip"])
@pytest.mark.parametrize(
    "names, found",
    [
        (["Task/A.png", "Task/a.png"], "the same file"),
        (["Task/é", "Task/e\u0301"], "the same file"),
        (["Task/x", "task/y"], "the same file"),
        (["Task/x", "Task/x/y"], "twice"),
        (["Task/x/y", "Task/x"], "twice"),
    ],
)
def test_names_that_collide_are_refused(tmp_path, kind, names, found) -> None:
    assert found in refused(tmp_path, packed(kind, {name: b"x" for name in names}), kind).found


def test_a_file_that_stands_twice_is_refused(tmp_path) -> None:
    assert (
        "'Task/x' stands in it twice"
        in refused(tmp_path, packed("tar", {"Task/x": b"1"}, tarfile.TarInfo("Task/x"))).found
    )


@pytest.mark.parametrize(
    "kind, stated",
    [("tar.gz", None), ("zip", None), ("tar", 50_000), ("tar.gz", 50_000), ("zip", 50_000)],
)
def test_a_bomb_is_refused_before_it_goes_off(tmp_path, monkeypatch, kind, stated) -> None:
    monkeypatch.setattr(unpacking, "MIN_LIMIT_BYTES", 10_000)
    monkeypatch.setattr(unpacking, "LIMIT_RATIO", 1)
    monkeypatch.setattr(unpacking._Unpacking, "_write", lambda *_: pytest.fail("it was unpacked"))
    # A zip file says at its start what all of it takes, so that even a harmless first file is not
    # written.
    files = (
        {"Task/a": b"1", "Task/x": bytes(59_999)} if kind == "zip" else {"Task/x": bytes(60_000)}
    )
    error = refused(tmp_path, packed(kind, files), kind, unpacked_bytes=stated)
    assert f"it unpacks to 60,000 bytes or more, the limit is {stated or 10_000:,}" in error.found


def test_the_stated_size_lifts_the_limit(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(unpacking, "MIN_LIMIT_BYTES", 100)
    monkeypatch.setattr(unpacking, "LIMIT_RATIO", 0)
    assert contents(unpacked(tmp_path, packed("tar", FILES), unpacked_bytes=5002))


def test_what_is_written_is_counted_whatever_was_declared(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(
        unpacking,
        "_zip_entries",
        lambda file: iter([unpacking.Entry("Task/x", 10, lambda: io.BytesIO(bytes(10**6)))]),
    )
    monkeypatch.setattr(unpacking, "CHUNK_BYTES", 1000)
    written: list[int] = []
    (tmp_path / "data").write_bytes(packed("zip", FILES))
    source = Source("x:", "data", NO_HASH, archive="zip", folder="Task", unpacked_bytes=6000)
    with pytest.raises(InputError, match="the limit is 6,000"):
        unpack(source, tmp_path / "data", tmp_path, lambda done, _: written.append(done))
    assert written[-1] <= 6000


def test_too_many_files_are_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_FILES", 2)
    assert "more than 2 files" in refused(tmp_path, packed("tar", FILES)).found


def test_a_header_that_claims_gigabytes_is_refused(tmp_path) -> None:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.GNUTYPE_LONGNAME, 3 * 2**30
    assert "a header in it claims" in refused(tmp_path, info.tobuf() + bytes(4096)).found


def ends_of_entries(data: bytes) -> set[int]:
    """Where a tar may be cut and is whole to its reader: the checksum of the download sees it."""
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {member.offset_data + -(-member.size // 512) * 512 for member in tar}


def test_a_tar_without_an_end_mark_is_whole(tmp_path) -> None:
    data = packed("tar", FILES)
    assert {
        f"Task/{key}": value
        for key, value in contents(
            unpacked(tmp_path, data[: max(ends_of_entries(data))], "tar")
        ).items()
    } == FILES


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_cut_anywhere_is_refused(tmp_path, kind) -> None:
    data = packed(kind, FILES)
    whole = ends_of_entries(data) if kind == "tar" else set()
    end = max(whole) + 511 if whole else len(data) - 1  # with one block of zeros it is whole
    for cut in {*range(0, end, 397), *(range(512, end, 512) if kind == "tar" else ()), end} - whole:
        error = refused(tmp_path, data[:cut], kind)
        assert "cut short" in error.found and "nothing was unpacked" in error.found
        shutil.rmtree(tmp_path / "in")


@pytest.mark.parametrize("kind", KINDS)
def test_a_damaged_archive_is_refused_or_whole(tmp_path, kind) -> None:
    data, rng, outcomes = packed(kind, FILES), random.Random(2), []
    for _ in range(40):
        at = rng.randrange(len(data))
        (folder := tmp_path / str(len(outcomes))).mkdir()
        try:
            path = unpacked(folder, data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :], kind)
        except InputError:
            assert os.listdir(folder) == ["data"]
            outcomes.append("refused")
        else:
            found = {f"Task/{key}": data for key, data in contents(path).items()}
            assert (
                found.keys() == FILES.keys() if kind == "tar" else found == FILES
            )  # a tar has no checksum of its files
            outcomes.append("whole")
    assert "refused" in outcomes


@pytest.mark.parametrize(
    "kind, data",
    [
        ("tar", b""),
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
    assert (
        "archive, damaged or cut short" in error.found and "http://127.0.0.1:9/data" in error.todo
    )


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_without_a_file_is_refused(tmp_path, kind) -> None:
    assert "holds no file" in refused(tmp_path, packed(kind, {"Task/": b""}), kind).found


def test_a_zip_file_with_a_password_is_refused(tmp_path) -> None:
    data = bytearray(packed("zip", FILES))
    data[data.index(b"PK\x01\x02") + 8] |= 1  # bit 0 of the flags in the directory: encrypted
    data[6] |= 1
    assert "password required" in refused(tmp_path, bytes(data), "zip").found


def test_a_zip_file_that_holds_less_than_it_declares_is_refused(tmp_path) -> None:
    data = bytearray(packed("zip", {"Task/x": b"12345"}))
    data[data.index(b"PK\x01\x02") + 24] = (
        6  # the length in the directory; the checksum is that of the five bytes
    )
    assert (
        "'Task/x' in it is cut short: 5 of 6 bytes" in refused(tmp_path, bytes(data), "zip").found
    )


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_room_is_looked_at_first(tmp_path, monkeypatch, kind) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: namedtuple("Usage", "free")(5001))
    assert "room for 5,001 bytes" in refused(tmp_path, packed(kind, FILES), kind).found


def test_an_interrupt_leaves_nothing(tmp_path, monkeypatch) -> None:
    (tmp_path / "data").write_bytes(packed("tar", FILES))

    def interrupt(done: int, total: int | None) -> None:
        if done > 2:
            assert (
                tmp_path / ".Task.unpacking/Task/imagesTr/a.nii.gz"
            ).exists()  # it was under way
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(
            Source("x:", "data", NO_HASH, archive="tar", folder="Task"),
            tmp_path / "data",
            tmp_path,
            interrupt,
        )
    assert os.listdir(tmp_path) == ["data"]


def test_what_a_killed_unpacking_left_is_cleared(tmp_path) -> None:
    (tmp_path / ".Task.unpacking/Task/old").mkdir(parents=True)
    (tmp_path / ".Task.unpacking/stray").write_text("x")
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

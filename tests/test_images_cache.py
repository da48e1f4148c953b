"""The cache of prepared arrays: what it keeps, what it refuses to believe, and what makes it
another entry.
"""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pytest

from benchmark.errors import InputError
from benchmark.images.cache import content_hash, place, prepared

KEY = {"content": "abc", "how": {"size": 128}}
ARRAYS = {
    "image": np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4, 1),
    "mask": np.eye(3, 4, dtype=bool),
}


class Maker:
    """Counts how often it was asked."""

    calls = 0

    def __call__(self):
        self.calls += 1
        return ARRAYS, {"name": "x", "numbers": [1, 2.5]}


def test_what_was_made_once_is_read_again() -> None:
    make = Maker()
    for _ in range(3):
        arrays, facts = prepared(KEY, make)
        assert make.calls == 1 and facts == {"name": "x", "numbers": [1, 2.5]}
        for name, array in ARRAYS.items():
            assert arrays[name].dtype == array.dtype and np.array_equal(arrays[name], array)
    prepared({**KEY, "how": {"size": 64}}, make)
    assert make.calls == 2


@pytest.mark.parametrize("damage", ["one bit", "cut short", "empty", "other facts"])
def test_a_damaged_file_is_made_again_with_a_word(damage) -> None:
    make = Maker()
    prepared(KEY, make)
    path = place(KEY)
    data = bytearray(path.read_bytes())
    if damage == "one bit":
        data[-20] ^= 1
    elif damage == "cut short":
        data = data[:-30]
    elif damage == "empty":
        data = bytearray()
    else:
        data = data.replace(b"2.5", b"2.6")
    path.write_bytes(bytes(data))
    with pytest.warns(UserWarning, match=f"{path.name} is damaged"):
        arrays, facts = prepared(KEY, make)
    assert (
        make.calls == 2
        and np.array_equal(arrays["image"], ARRAYS["image"])
        and facts["numbers"] == [1, 2.5]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        prepared(KEY, make)
    assert make.calls == 2


def test_a_file_that_was_copied_over_another_is_not_believed() -> None:
    other = {**KEY, "how": {"size": 64}}
    prepared(KEY, Maker())
    prepared(other, Maker())
    place(other).write_bytes(place(KEY).read_bytes())
    make = Maker()
    with pytest.warns(UserWarning, match="is damaged"):
        prepared(other, make)
    assert make.calls == 1


def test_a_write_that_fails_leaves_nothing(monkeypatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.warns(UserWarning, match="No space left"):
        prepared(KEY, Maker())
    assert not list(place(KEY).parent.iterdir())


def test_a_cache_that_cannot_be_written_costs_only_time(tmp_path, monkeypatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SINCO_BENCH_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(UserWarning, match="SINCO_BENCH_CACHE"):
        assert prepared(KEY, Maker())[1]["name"] == "x"
    (tmp_path / "scan").write_text("content")
    assert content_hash([tmp_path / "scan"]) == content_hash([tmp_path / "scan"])


def test_files_are_known_by_content(tmp_path) -> None:
    def write(path: Path, text: str) -> Path:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    a, b = write(tmp_path / "a" / "scan", "one"), write(tmp_path / "b" / "scan", "one")
    first = content_hash([a])
    assert content_hash([b]) == first  # a copy elsewhere, of another date
    assert content_hash([a, b]) != first
    os.utime(a, (1, 1))
    assert content_hash([a]) == first
    stat = a.stat()
    a.write_text("two")  # the same size, and dates put back as `cp -p` does
    os.utime(a, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert content_hash([a]) != first
    with pytest.raises(InputError, match="scan"):
        content_hash([tmp_path / "nowhere" / "scan"])


def test_a_file_that_was_read_is_not_read_again(tmp_path, monkeypatch) -> None:
    (tmp_path / "scan").write_text("one")
    before = content_hash([tmp_path / "scan"])
    monkeypatch.setattr("benchmark.images.cache._digest", lambda path: pytest.fail("read again"))
    assert content_hash([tmp_path / "scan"]) == before

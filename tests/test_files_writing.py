"""Files that are whole or absent."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.files.writing import replacing, whole


def test_a_file_comes_in_one_step(tmp_path) -> None:
    path = tmp_path / "page.md"
    whole(path, "first é\r\n")
    assert path.read_bytes() == "first é\r\n".encode()
    with replacing(path) as beside:
        beside.write_bytes(b"half")
        assert path.read_bytes() == "first é\r\n".encode()  # who reads meets the old one
    assert path.read_bytes() == b"half" and os.listdir(tmp_path) == ["page.md"]


@pytest.mark.parametrize("stop", [OSError, KeyboardInterrupt])
def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path, stop) -> None:
    path = tmp_path / "page.md"
    path.write_bytes(b"old")
    with pytest.raises(stop), replacing(path) as beside:
        beside.write_bytes(b"ne")
        raise stop
    assert path.read_bytes() == b"old" and os.listdir(tmp_path) == ["page.md"]


def test_the_temporary_name_keeps_its_suffixes(tmp_path) -> None:
    """savefig, nibabel and numpy go by them."""
    with replacing(tmp_path / "a.nii.gz", sync=False) as beside:
        assert beside.parent == tmp_path and beside.name.endswith(".nii.gz")
        beside.touch()


def test_a_kill_leaves_no_half_file_under_the_name(tmp_path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path; "
        "from benchmark.files.writing import replacing\n"
        f"with replacing(Path({str(tmp_path / 'a.csv')!r})) as beside:\n"
        "    beside.write_bytes(b'half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    root = Path(__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", code], cwd=root).returncode == -9
    assert not (tmp_path / "a.csv").exists()


def test_what_a_killed_writer_left_is_cleared(tmp_path) -> None:
    old, fresh, other = (
        tmp_path / name for name in (".1.part.a[1].csv", ".2.part.a[1].csv", ".1.part.b.csv")
    )
    for left in (old, fresh, other):
        left.write_bytes(b"half")
    for left in (old, other):
        os.utime(left, (0, 0))
    whole(tmp_path / "a[1].csv", "")
    assert sorted(os.listdir(tmp_path)) == [other.name, fresh.name, "a[1].csv"]


def test_no_folder_is_said_as_usual(tmp_path) -> None:
    with pytest.raises(FileNotFoundError):
        whole(tmp_path / "none" / "a.csv", b"")

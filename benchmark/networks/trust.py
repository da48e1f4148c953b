"""Programs that may run here because somebody said so: `import --trust`.

The list is kept on this machine, a file a program in the cache folder, and never in the program's
own file or card: whoever made that could write there what they like.
"""

from __future__ import annotations

from pathlib import Path

from benchmark.files.writing import whole
from benchmark.folders import cache_folder


def trust(sha256: str, what: str) -> None:
    """Note that the program with this hash may run on this machine; what: its name, for people."""
    place = _place(sha256)
    place.parent.mkdir(parents=True, exist_ok=True)
    whole(place, what + "\n")


def is_trusted(sha256: str) -> bool:
    """Whether the program with this hash may run on this machine."""
    return _place(sha256).is_file()


def _place(sha256: str) -> Path:
    return cache_folder() / "trusted" / sha256

"""Writes a plug-in file that works and passes the checks of its kind, to be changed into yours."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

from benchmark.errors import InputError, did_you_mean
from benchmark.plugins import checkout_root, index

TEMPLATES = Path(__file__).parent / "templates"


def home(kind: str) -> Path | None:
    """The folder of this checkout that plug-ins of a kind stand in; None outside a checkout.

    A file elsewhere is named by --plugin.
    """
    if checkout_root() is None:
        return None
    return index.folders(kind)[0]


def new_plugin(kind: str, name: str, folder: Path) -> Path:
    """Write `folder`/NAME.py, a small plug-in that passes every check; return its path.

    name: lower-case letters and digits, hyphens between them. Raises InputError for a kind that
    there is not, a name that does not do or is taken, and where the file is there already.
    """
    asked = f"a new {kind} {name}"
    if kind not in index.PACKAGES:
        raise InputError(asked, "no such kind of plug-in", did_you_mean(kind, index.PACKAGES))
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name) or keyword.iskeyword(name):
        raise InputError(
            asked,
            f"{name!r} does not do as a name",
            "lower-case letters and digits, hyphens between them: my-plugin",
        )
    if name in index.entries(kind):
        raise InputError(asked, f"there is one: {index.get(kind, name).path}", "another name")
    title = "".join(part.capitalize() for part in name.split("-"))
    text = (TEMPLATES / f"{kind}.py.txt").read_text(encoding="utf-8")
    text = text.replace("new-plugin", name).replace("NewPlugin", title)
    path = folder / f"{name.replace('-', '_')}.py"
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise InputError(
            asked, f"{path} is there already", "another name, or move that file"
        ) from None
    index.entries.cache_clear()
    return path

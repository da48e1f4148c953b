"""How plug-ins are found: read as text, never imported; from our folders, installed packages and
--plugin files.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmark.cli.words import as_options
from benchmark.errors import InputError
from benchmark.plugins import FOLDERS, index
from benchmark.plugins.index import PACKAGES, Option, add_plugin_file, entries, get

ROOT = Path(__file__).parents[1]
MINE = '''
from typing import Literal
from benchmark.plugins import register

@register.inr("mine", size="width", sizes=(2, 9), stackable=False)
class Mine:
    """First line.

    More.
    """

    def __init__(
        self,
        in_dim,
        out_dim,
        *,
        width: int = 4,
        r: float = -1.5,
        mode: Literal["a", "b"] = "a",
        flag=True,
    ):
        self.width = width

@register.inr("function")
def function(in_dim, out_dim, *, size=3):
    return Mine(in_dim, out_dim, width=size)
'''


@pytest.fixture
def plugin(tmp_path):
    """Write a file and make its plug-ins known."""

    def add(text, name="mine.py"):
        path = tmp_path / name
        path.write_text(text)
        add_plugin_file(path)
        return path

    return add


def test_our_own_are_found_under_one_name_only():
    assert (
        "siren" in entries("inr")
        and "unet" in entries("segmenter")
        and "mni-lesion" in entries("dataset")
    )
    for kind, package in PACKAGES.items():
        for name, entry in entries(kind).items():
            assert (entry.name, entry.kind) == (name, kind)
            assert entry.module.startswith(f"{package}.") and entry.path.is_file()
            assert entry.doc, f"{entry.path} has no docstring: it is what `list` shows"
    cls = get("inr", "siren").load()
    assert cls.__module__ == "benchmark.plugins.inr.siren" and cls is get("inr", "siren").load()
    assert not set(FOLDERS) & set(sys.modules)


def test_what_a_file_declares(plugin):
    path = plugin(MINE)
    mine = get("inr", "mine")
    assert (mine.doc, mine.path, mine.module) == (
        "First line.",
        path,
        "benchmark.plugins.file_mine",
    )
    assert mine.declared | {"size": "width", "sizes": (2, 9), "stackable": False} == mine.declared
    assert mine.declared["coordinates"] == (-1.0, 1.0)  # not said: the default of its kind
    assert mine.defaults == {"width": 4, "r": -1.5, "mode": "a", "flag": True}
    assert [(option.type, option.choices) for option in mine.options] == [
        ("int", ()),
        ("float", ()),
        ("str", ("a", "b")),
        ("bool", ()),
    ]
    assert get("inr", "function").defaults == {"size": 3}
    assert mine.load()(2, 1).width == 4 and get("inr", "function").load()(2, 1).width == 3


def test_nothing_is_imported_until_it_is_used(plugin):
    plugin(MINE + "\nraise RuntimeError('imported')")
    assert "mine" in entries("inr")
    with pytest.raises(InputError, match="mine.py cannot be imported: RuntimeError: imported"):
        get("inr", "mine").load()


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ('"mine"', '"siren"', "two plug-ins have that name: .*siren.py and .*mine.py"),
        ("width: int = 4", "width: int", "the option width has no default"),
        ("width: int = 4", "width: int = 2 * 2", "the default of width is not a literal"),
        ('size="width"', "size=SIZE", "size= is not a literal"),
        ('"mine"', "NAME", "its name is not a literal"),
        ('"mine", ', "", "the decorator has no name"),
        ("class Mine:", "class Mine", "it is not Python"),
    ],
)
def test_errors_name_the_file_and_what_is_wrong(old, new, found, plugin):
    assert old in MINE
    path = plugin(MINE.replace(old, new, 1))
    with pytest.raises(InputError, match=found) as error:
        entries("inr")
    assert str(path) in str(error.value) and error.value.todo


def test_bytes_that_are_no_text_are_an_error_too(plugin, tmp_path):
    (tmp_path / "noise.py").write_bytes(b"\x00\xff")
    add_plugin_file(tmp_path / "noise.py")
    with pytest.raises(InputError, match="noise.py"):
        entries("inr")


def test_unknown_names_get_a_did_you_mean():
    with pytest.raises(InputError, match="did you mean 'siren'") as error:
        get("inr", "sirne")
    assert all(name in error.value.todo for name in entries("inr"))


def test_why_a_plugin_cannot_run(plugin):
    plugin(
        MINE.replace(
            "stackable=False", 'requires=("absent_package",), install="pip install absent-package"'
        )
    )
    mine = get("inr", "mine")
    assert mine.unavailable() == "the package absent_package is not installed"
    with pytest.raises(InputError, match="pip install absent-package"):
        mine.load()
    assert get("inr", "siren").unavailable() is None


def test_plugin_files_that_are_absent_or_share_a_module_name(plugin, tmp_path):
    with pytest.raises(InputError, match="no such file"):
        add_plugin_file(tmp_path / "absent.py")
    first = plugin(MINE, "my-net.v2.py")
    assert get("inr", "mine").load().__module__ == "benchmark.plugins.file_my_net_v2"
    add_plugin_file(first)  # twice the same file is no clash
    with pytest.raises(InputError, match="has the same module name"):
        plugin(MINE.replace('"mine"', '"yours"'), "my_net_v2.py")


def test_a_plugin_file_reaches_spawned_workers(plugin, tmp_path):
    """An instance of its class travels by name, which a fresh process must be able to import."""
    plugin(MINE)
    script = tmp_path / "main.py"
    script.write_text("""
import multiprocessing
from benchmark.plugins.index import get

def same(thing):
    return thing.width, type(thing) is get("inr", "mine").load()

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        print(pool.apply(same, (get("inr", "mine").load()(2, 1, width=7),)))
""")
    paths = os.pathsep.join([str(ROOT), str(tmp_path)])
    done = subprocess.run(
        [sys.executable, script],
        env={**os.environ, "PYTHONPATH": paths},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.strip() == "(7, True)", done.stderr


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Put a package with an entry point `sinco_bench.inr` on sys.path, as pip would."""

    def install(target, text=MINE):
        package, facts = tmp_path / "theirs", tmp_path / "theirs-1.0.dist-info"
        package.mkdir()
        (package / "__init__.py").write_text("raise RuntimeError('imported the package')")
        (package / "nets.py").write_text(text)
        facts.mkdir()
        (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1.0\n")
        (facts / "entry_points.txt").write_text(f"[sinco_bench.inr]\nmine = {target}\n")
        monkeypatch.syspath_prepend(tmp_path)
        index._entry_points.cache_clear()

    yield install
    index._entry_points.cache_clear()


def test_entry_points_are_found_and_not_imported(installed, tmp_path):
    installed("theirs.nets:Mine")
    mine = get("inr", "mine")
    assert (mine.module, mine.path) == ("theirs.nets", tmp_path / "theirs" / "nets.py")
    assert "theirs" not in sys.modules
    (tmp_path / "theirs" / "__init__.py").write_text("")
    assert mine.load().__module__ == "theirs.nets"
    del sys.modules["theirs"], sys.modules["theirs.nets"]


@pytest.mark.parametrize("target", ["theirs.absent:Mine", "absent:Mine", "theirs.nets.deeper:Mine"])
def test_an_entry_point_to_nowhere_is_named(target, installed):
    installed(target)
    with pytest.raises(InputError, match=target.partition(":")[0]):
        entries("inr")


HELPED = "from benchmark.plugins import register\nfrom benchmark.plugins.inr import _near\n" + MINE


@pytest.fixture
def hashed(tmp_path):
    """The source hash of a plug-in with a helper that has a helper, after an edit."""

    def of(file="mine.py", old="", new=""):
        near = "from benchmark.plugins.inr._far import b\na = 1\n"
        texts = {"mine.py": HELPED, "_near.py": near, "_far.py": "b = 1\n", "_other.py": "c = 1\n"}
        assert old in texts[file]
        texts[file] = texts[file].replace(old, new, 1)
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
        index.source_hash.cache_clear()
        return index.source_hash(tmp_path / "mine.py")

    yield of
    index.source_hash.cache_clear()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("mine.py", "First line.", "Another line."),
        ("mine.py", "self.width = width", "self.width = width  # a comment"),
        ("mine.py", "self.width = width", "'''text'''\n        self.width = width"),
        ("_near.py", "a = 1", "a  =  1"),
        ("_other.py", "c = 1", "c = 2"),
    ],
)
def test_source_hash_ignores_words_and_foreign_files(file, old, new, hashed):
    assert hashed(file, old, new) == hashed()


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("mine.py", "self.width = width", "self.width = width + 1"),
        ("mine.py", "width: int = 4", "width: int = 5"),
        ("_near.py", "a = 1", "a = 2"),
        ("_far.py", "b = 1", "b = 2"),
    ],
)
def test_source_hash_notices_code(file, old, new, hashed):
    assert hashed(file, old, new) != hashed()


@pytest.mark.parametrize(
    ("option", "text", "value"),
    [
        (Option("n", "int", 3), "12", 12),
        (Option("x", "float", 3.0), "1e-3", 1e-3),
        (Option("x", "float", 3.0), "2", 2.0),
        (Option("b", "bool", True), "False", False),
        (Option("s", "str", "x"), "12", "12"),
        (Option("c", "str", "a", ("a", "b")), "b", "b"),
        (Option("c", "int", 1, (1, 2)), "2", 2),
    ],
)
def test_set_turns_text_into_values(option, text, value):
    assert option.parse(text, "siren") == value and type(option.parse(text, "siren")) is type(value)


@pytest.mark.parametrize(
    ("option", "text", "found"),
    [
        (Option("n", "int", 3), "1.5", "not a whole number"),
        (Option("x", "float", 3.0), "fast", "not a number"),
        (Option("b", "bool", True), "1", "not true or false"),
        (Option("c", "str", "a", ("a", "b")), "d", "not one of a, b"),
    ],
)
def test_set_refuses_what_does_not_fit(option, text, found):
    with pytest.raises(InputError, match=found) as error:
        option.parse(text, "siren")
    assert as_options(error.value.asked) == f"--set siren.{option.name}={text}"
    assert as_options(error.value.todo) == f"--set siren.{option.name}={option.default}"

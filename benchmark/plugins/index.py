"""Finds plug-ins by reading files as text: names, options and docstrings without importing
anything.

Sources, in order: the folders of this package, entry points `sinco_bench.<kind>` of installed
packages, and files named by --plugin (kept in $SINCO_BENCH_PLUGINS, so that worker processes see
them too).
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import importlib.util
import os
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from benchmark import errors
from benchmark.errors import InputError, did_you_mean
from benchmark.plugins import FOLDERS
from benchmark.plugins.files import PLUGINS_VARIABLE, module_name, plugin_files
from benchmark.plugins.options import Option, options_of, shared_options
from benchmark.plugins.register import COMMON, DECLARABLE

PACKAGES = {
    "inr": "benchmark.plugins.inr",
    "segmenter": "benchmark.plugins.segmenters",
    "dataset": "benchmark.plugins.datasets",
    "codec": "benchmark.codecs",
    "regularizer": "benchmark.fit.regularizers",
    "optimizer": "benchmark.fit.optimizers",
}
# What `register.codec` says of a codec's name and its files: no bytes depend on it, so no key does.
CALLED = ("label", "suffix", "magic", "sends_mask")
assert {package.rpartition(".")[2] for package in list(PACKAGES.values())[:3]} == set(FOLDERS)


@dataclass(frozen=True)
class Entry:
    """A plug-in that was found: where it is, what it declares; `load()` imports it."""

    kind: str
    name: str
    module: str
    attribute: str
    path: Path
    doc: str
    options: tuple[Option, ...]
    declared: dict[str, Any] = field(hash=False)

    def load(self) -> Any:
        """Import the plug-in's module and return its class or function; raises InputError where it
        cannot run here.
        """
        if (why := self.unavailable()) is not None:
            raise InputError(
                f"{self.kind} {self.name}",
                why,
                self.declared["install"] or f"install {self.declared['requires']}",
            )
        try:
            return getattr(importlib.import_module(self.module), self.attribute)
        except (
            Exception,
            SystemExit,
        ) as error:  # someone else's code, which may do anything while it is imported
            raise InputError(
                f"{self.kind} {self.name}",
                f"{self.path} cannot be imported: {type(error).__name__}: {error}",
                f"mend the file; {errors.field('debug', True)} shows where it fails",
            ) from error

    def unavailable(self) -> str | None:
        """Why it cannot run here, by find_spec and device files alone; None where it can."""
        missing = [
            name for name in self.declared["requires"] if importlib.util.find_spec(name) is None
        ]
        if missing:
            return f"the package {', '.join(missing)} is not installed"
        if self.declared["device"] == "cuda" and not Path("/dev/nvidiactl").exists():
            return "it needs an NVIDIA GPU and none is here"
        return None

    @property
    def defaults(self) -> dict[str, Any]:
        return {option.name: option.default for option in self.options}

    def source_hash(self) -> str:
        """Hash of the plug-in's code: see source_hash."""
        return source_hash(self.path)


def source_files(path: Path) -> list[Path]:
    """A plug-in file and the `_helper.py` files beside it that it, or such a file, imports."""
    helpers = sorted(path.parent.glob("_*.py"))
    files = [path]
    for file in files:  # it grows
        for helper in helpers:
            if helper not in files and _imports(file, helper.stem):
                files.append(helper)
    return [path, *sorted(files[1:])]


@cache
def source_hash(path: Path) -> str:
    """Hash of a plug-in file's code and of the `_helper.py` files that it imports, without
    docstrings and comments.
    """
    digest = hashlib.sha256()
    for file in source_files(path):
        tree = ast.parse(file.read_bytes())
        for node in ast.walk(tree):
            _forget_names(node)
            body = getattr(node, "body", None)
            if (
                isinstance(body, list)
                and body
                and isinstance(body[0], ast.Expr)
                and isinstance(body[0].value, ast.Constant)
            ):
                node.body = body[1:] or [ast.Pass()]  # type: ignore[attr-defined]
        digest.update(
            ast.unparse(tree).encode()
        )  # ast.dump would differ between versions of Python, and every key with it
    return digest.hexdigest()[:12]


def _forget_names(node: ast.AST) -> None:
    """Take out of a decorator `register.codec(...)` what the plug-in is called: no bytes change."""
    for call in getattr(node, "decorator_list", ()):
        if isinstance(call, ast.Call) and _registers(call, "codec"):
            call.keywords = [word for word in call.keywords if word.arg not in CALLED]


def _registers(call: ast.Call, kind: str) -> bool:
    """Whether a decorator is `register.KIND(...)`."""
    function = call.func
    return (
        isinstance(function, ast.Attribute)
        and function.attr == kind
        and isinstance(function.value, ast.Name)
        and function.value.id == "register"
    )


def _imports(path: Path, stem: str) -> bool:
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom):
            names += [node.module or "", *(alias.name for alias in node.names)]
        elif isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
    return any(name.rpartition(".")[2] == stem for name in names)


@cache
def entries(kind: str) -> dict[str, Entry]:
    """All plug-ins of a kind by name; a name that is taken twice is an error that names both
    places.
    """
    found: dict[str, Entry] = {}
    for module, path in _files(kind):
        for entry in _read(kind, module, path):
            if entry.name in found:
                raise InputError(
                    f"{kind} {entry.name}",
                    f"two plug-ins have that name: {found[entry.name].path} and {path}",
                    "rename one of them",
                )
            found[entry.name] = entry
    return dict(sorted(found.items()))


def get(kind: str, name: str) -> Entry:
    """The plug-in of that name; raises InputError with a did-you-mean."""
    known = entries(kind)
    if name not in known:
        raise InputError(f"{kind} {name!r}", "no plug-in of that name", did_you_mean(name, known))
    return known[name]


def folders(kind: str) -> list[Path]:
    """The folders of this package that hold plug-ins of a kind."""
    spec = importlib.util.find_spec(PACKAGES[kind])
    return [Path(folder) for folder in spec.submodule_search_locations or []] if spec else []


def _files(kind: str) -> list[tuple[str, Path]]:
    package = PACKAGES[kind]
    files = [
        (f"{package}.{path.stem}", path)
        for folder in folders(kind)
        for path in sorted(folder.glob("*.py"))
        if not path.name.startswith("_")
    ]
    return files + _entry_point_files(kind) + [(module_name(path), path) for path in plugin_files()]


def _entry_point_files(kind: str) -> list[tuple[str, Path]]:
    return [
        (module, _file_of(module))
        for group, module in _entry_points()
        if group == f"sinco_bench.{kind}"
    ]


@cache
def _entry_points() -> list[tuple[str, str]]:
    """(group, module) of every entry point of ours: one look at what is installed, since it costs
    20 ms.
    """
    from importlib.metadata import entry_points

    points = entry_points()
    return [
        (group, point.module)
        for group in sorted(points.groups)
        if group.startswith("sinco_bench.")
        for point in points.select(group=group)
    ]


def _file_of(module: str) -> Path:
    """The file of a module; unlike importlib.util.find_spec, without importing the packages that it
    lies in.
    """
    top, *rest = module.split(".")
    spec = importlib.util.find_spec(top)
    for i in range(len(rest)):
        if spec is not None:
            name = ".".join([top, *rest[: i + 1]])
            spec = PathFinder.find_spec(name, spec.submodule_search_locations or [])
    if spec is None or spec.origin is None:
        raise InputError(
            f"the plug-in module {module}",
            "an installed package names it, but it is not there",
            "install that package again, or uninstall it",
        )
    return Path(spec.origin)


def _read(kind: str, module: str, path: Path) -> list[Entry]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise InputError(
            f"the plug-in file {path}", f"it is not Python: {error}", "mend or remove the file"
        ) from None
    found = []
    for node in tree.body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef):
            continue
        for call in node.decorator_list:
            if isinstance(call, ast.Call) and _registers(call, kind):
                found.append(_entry(kind, module, path, node, call))
    return found


def _entry(
    kind: str, module: str, path: Path, node: ast.ClassDef | ast.FunctionDef, call: ast.Call
) -> Entry:
    def literal(value: ast.expr, what: str) -> Any:
        try:
            return ast.literal_eval(value)
        except ValueError:
            raise InputError(
                f"the plug-in {node.name} in {path}:{value.lineno}",
                f"{what} is not a literal",
                "write it as a plain number, string, tuple or None",
            ) from None

    if len(call.args) != 1:
        raise InputError(
            f"the plug-in {node.name} in {path}",
            "the decorator has no name",
            f'@register.{kind}("name")',
        )
    declared = {**COMMON, **DECLARABLE[kind]}
    declared.update(
        {word.arg: literal(word.value, f"{word.arg}=") for word in call.keywords if word.arg}
    )
    function = node
    if isinstance(node, ast.ClassDef):
        inits = [
            item
            for item in node.body
            if isinstance(item, ast.FunctionDef) and item.name == "__init__"
        ]
        function = inits[0] if inits else None  # type: ignore[assignment]
    options = options_of(function, f"{node.name} in {path}", literal)
    if (shared := _preparation(node)) is not None:
        given = literal(shared, "preparation")
        options += [
            replace(option, default=given.get(option.name, option.default))
            for option in shared_options()
        ]
    whole = ast.get_docstring(node) or ast.get_docstring(ast.parse(path.read_bytes())) or ""
    doc = " ".join(whole.partition("\n\n")[0].split())  # the first paragraph, however it is wrapped
    return Entry(
        kind,
        literal(call.args[0], "its name"),
        module,
        node.name,
        path,
        doc,
        tuple(options),
        declared,
    )


def _preparation(node: ast.ClassDef | ast.FunctionDef) -> ast.expr | None:
    """The literal `preparation = {...}` of a data set of volumes: its defaults of the options that
    all of them share.
    """
    found = [
        item.value
        for item in node.body
        if isinstance(item, ast.Assign) and ast.unparse(item.targets[0]) == "preparation"
    ]
    return found[0] if found else None


def add_plugin_file(path: Path) -> None:
    """Make the plug-ins in `path` known to this process and its children; raises InputError where
    it is no file.
    """
    path = path.resolve()
    if not path.is_file():
        raise InputError(
            errors.call("add_plugin", str(path)),
            "no such file",
            errors.call("add_plugin", "FILE.py"),
        )
    if twins := [
        file for file in plugin_files() if file != path and module_name(file) == module_name(path)
    ]:
        raise InputError(
            errors.call("add_plugin", str(path)),
            f"{twins[0]} has the same module name",
            "rename one of them",
        )
    if path not in plugin_files():
        os.environ[PLUGINS_VARIABLE] = os.pathsep.join(map(str, [*plugin_files(), path]))
        entries.cache_clear()

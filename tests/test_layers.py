"""Imports go downwards only, and a plug-in knows the contracts and its helpers, nothing else of ours."""

import ast
from pathlib import Path

import pytest

from benchmark.plugins import FOLDERS
from benchmark.plugins.index import PACKAGES

ROOT = Path(__file__).parents[1]
LAYERS = (
    ("types", "errors", "folders", "selection"),
    ("plugins", "store", "plan", "recipes", "images", "fetch", "unpack"),
    ("fit", "bitstream", "codecs", "score", "reading", "networks", "checkpoints", "foreign", "inits"),
    ("train", "checks", "stats", "report", "survey", "run", "profile", "rows", "rate", "tune", "learn", "job", "samples",
     "scorer", "scored", "environment", "precision"),
    ("cli", "__main__"),
)
LAYER = {part: height for height, parts in enumerate(LAYERS) for part in parts} | {"": 0}  # "": the package itself
PLUGIN_PACKAGES = tuple(PACKAGES.values())


def modules(root):
    """(dotted name, path) of every file of ours; plug-in folders under the one name that they are imported by."""
    for path in sorted((root / "benchmark").rglob("*.py")):
        yield ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"), path
    for folder in FOLDERS:
        for path in sorted((root / folder).glob("*.py")):
            yield f"benchmark.plugins.{folder}.{path.stem}", path


def imports(path):
    """(line, dotted name) of every import, those inside functions too; `from a import b` counts as a and as a.b."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative imports hide where things are"
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def part(module):
    """The name in LAYERS that a module belongs to."""
    return (module.split(".") + [""])[1]


def forbidden(module, imported):
    """Why `module` may not import `imported`, or None."""
    if imported.split(".")[0] in FOLDERS:
        return f"has one name only: benchmark.plugins.{imported}"
    if imported.split(".")[0] != "benchmark":
        return None
    package, _, stem = module.rpartition(".")
    if package in PLUGIN_PACKAGES:
        names = imported.split(".")
        contracts = names[:2] == ["benchmark", "plugins"] and len(names) <= 3 and "index" not in names
        helper = imported == package or imported.startswith(f"{package}._")
        return None if contracts or helper else "is neither the contracts nor a helper beside this plug-in"
    if part(module) not in LAYER:
        return "comes from a module that has no layer: add it to LAYERS"
    if LAYER.get(part(imported), 0) > LAYER[part(module)]:
        return f"is in a higher layer ({part(imported)} above {part(module)})"
    return None


def violations(root):
    return [f"{path.relative_to(root)}:{line}: {imported} {why}" for module, path in modules(root)
            for line, imported in imports(path) if (why := forbidden(module, imported))]


def test_imports_go_downwards():
    assert violations(ROOT) == []


def test_every_module_has_a_layer():
    assert {part(module) for module, _ in modules(ROOT)} <= set(LAYER)


@pytest.mark.parametrize(("file", "text", "bad"), [
    ("benchmark/store.py", "from benchmark.report import tables", True),
    ("benchmark/store.py", "def f():\n    import benchmark.cli.run", True),
    ("benchmark/store.py", "from benchmark import fit", True),
    ("benchmark/store.py", "from benchmark.types import Sample\nfrom benchmark.plugins import index", False),
    ("benchmark/fit/engine.py", "from benchmark.fit.render import render\nfrom benchmark import errors", False),
    ("benchmark/newcomer.py", "from benchmark.types import Sample", True),
    ("benchmark/cli/run.py", "import inr.siren", True),
    ("tests/test_x.py", "", False),
    ("inr/mine.py", "from benchmark.plugins import InputError, register\nimport torch", False),
    ("inr/mine.py", "from benchmark.plugins.inr import _helper\nfrom benchmark.plugins.inr._helper import x", False),
    ("inr/mine.py", "from benchmark.plugins.inr.siren import Siren", True),
    ("inr/mine.py", "from benchmark.plugins.datasets._atlas import atlas", True),
    ("inr/mine.py", "from benchmark.types import Sample", True),
    ("inr/mine.py", "from benchmark.plugins import index", True),
    ("segmenters/mine.py", "from datasets import load_dataset", True),
    ("benchmark/codecs/mine.py", "from benchmark.codecs import _boxes", False),
    ("benchmark/codecs/mine.py", "from benchmark.bitstream import encode", True),
    ("benchmark/fit/optimizers/mine.py", "from benchmark.fit.optimizers.adam import Adam", True),
])
def test_it_bites(file, text, bad, tmp_path):
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(text)
    assert bool(violations(tmp_path)) is bad

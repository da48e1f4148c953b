"""Imports go downwards only: one row a layer, the lowest first. Whoever needs a new arrow argues
for it here.
"""

import ast
import re
from pathlib import Path

import pytest

from benchmark.plugins import FOLDERS, HANDED_ON
from benchmark.plugins.index import PACKAGES

ROOT = Path(__file__).parents[1]
LAYERS = (
    (
        "types",
        "errors",
        "clock",
        "listener",
    ),  # plain things that everyone uses; of ours they know each other only
    (
        "store",
        "score",
        "folders",
        "device",
    ),  # rows in SQLite, metrics on arrays, places on this machine
    ("plugins",),  # registry and contracts
    ("images", "files", "codecs"),  # arrays; what people have; classical codecs
    ("inr", "segmenters", "datasets"),  # the plug-in folders: see `forbidden`
    (
        "bitstream",
        "networks",
        "datacheck",
    ),  # parameters <-> bytes; trained weights; what `data check` finds
    ("plan",),  # cells and what decides them, without torch
    ("fit",),  # the step loop
    ("runner", "checks"),  # the stages of a run; the contract checks
    ("training", "search"),  # of networks; of rates and initial states
    ("stats",),  # verdicts: of the store alone
    ("report",),
    ("api",),
    ("cli", "__main__"),
)
LAYER = {part: height for height, parts in enumerate(LAYERS) for part in parts} | {
    "": 0
}  # "": the package itself
PLUGIN_PACKAGES = tuple(PACKAGES.values())
# Whatever the layers would allow: who measures, keeps, compares and shows never sees a fitted
# model.
NEVER = {part: "fit" for part in ("score", "store", "stats", "report")}
# Arrows that run upwards on purpose: authors of plug-ins import one module, which hands on names of
# these when they are used.
HANDING_ON = {("benchmark.plugins", module) for module in HANDED_ON.values()}
# The package's face, for whoever writes `import benchmark as sb`.
HANDING_ON |= {("benchmark", "benchmark.api")}
# The registry names the folders that it reads as text.
HANDING_ON |= {("benchmark.plugins.index", package) for package in PACKAGES.values()}
# For type checkers alone: a data set says how it is fetched.
HANDING_ON |= {("benchmark.plugins.contracts.dataset", "benchmark.files.fetch")}


def modules(root):
    """(dotted name, path) of every file of ours; plug-in folders under the one name that they are
    imported by.
    """
    for path in sorted((root / "benchmark").rglob("*.py")):
        yield ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"), path
    for folder in FOLDERS:
        for path in sorted((root / folder).glob("*.py")):
            yield f"benchmark.plugins.{folder}.{path.stem}", path


def imports(path):
    """(line, dotted name) of every import, those inside functions too; `from a import b` counts as
    a and as a.b.

    Names of our modules that stand in texts count as well: that is what a lazy `__getattr__`
    imports.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative imports hide where things are"
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and re.fullmatch(r"benchmark(\.\w+)+", node.value)
        ):
            yield node.lineno, node.value


def part(module):
    """The name in LAYERS that a module belongs to: a folder of benchmark/, a file at its top, or a
    plug-in folder.
    """
    names = [*module.split("."), "", ""]
    return names[2] if names[1] == "plugins" and names[2] in FOLDERS else names[1]


def forbidden(module, imported):
    """Why `module` may not import `imported`, or None."""
    if imported.split(".")[0] in FOLDERS:
        return f"has one name only: benchmark.plugins.{imported}"
    if imported.split(".")[0] != "benchmark":
        return None
    package = module.rpartition(".")[0]
    if package in PLUGIN_PACKAGES:
        return (
            None
            if allowed_in_plugin(package, imported)
            else "is neither the contracts nor a helper beside this plug-in"
        )
    mine, theirs = part(module), part(imported)
    if mine not in LAYER:
        return "comes from a module that has no layer: add it to LAYERS"
    if NEVER.get(mine) == theirs:
        return f"is of {theirs}, which {mine} must never see"
    if theirs in FOLDERS and imported.split(".")[3:4] and imported.split(".")[3].startswith("_"):
        return "is a private file of a plug-in folder"
    if LAYER.get(theirs, 0) > LAYER[mine] and not handed_on(module, imported):
        return f"is in a higher layer ({theirs} above {mine})"
    return None


def allowed_in_plugin(package, imported):
    """A plug-in knows the contracts and the helpers beside it; a data set also what reads files
    (benchmark.files).
    """
    names = imported.split(".")
    contracts = names[:2] == ["benchmark", "plugins"] and len(names) <= 3 and "index" not in names
    helper = imported == package or imported.startswith(f"{package}._")
    files = package == PACKAGES["dataset"] and names[:2] == ["benchmark", "files"]
    return contracts or helper or files


def handed_on(module, imported):
    return (module, imported) in HANDING_ON or (module, imported.rpartition(".")[0]) in HANDING_ON


def violations(root):
    return [
        f"{path.relative_to(root)}:{line}: {imported} {why}"
        for module, path in modules(root)
        for line, imported in imports(path)
        if (why := forbidden(module, imported))
    ]


def test_imports_go_downwards():
    assert violations(ROOT) == []


def test_every_module_has_a_layer():
    assert {part(module) for module, _ in modules(ROOT)} <= set(LAYER)


def test_the_top_of_the_house_is_small():
    assert len(list((ROOT / "benchmark").glob("*.py"))) <= 10


BITES = [
    ("benchmark/store/store.py", "from benchmark.report import tables", True),
    ("benchmark/store/store.py", "def f():\n    import benchmark.cli.run", True),
    ("benchmark/store/store.py", "from benchmark import fit", True),
    (
        "benchmark/report/x.py",
        "from benchmark.types import Sample\nfrom benchmark.plugins import index",
        False,
    ),
    (
        "benchmark/fit/engine.py",
        "from benchmark.fit.render import render\nfrom benchmark import errors",
        False,
    ),
    ("benchmark/store/x.py", "HOME = 'benchmark.report.tables'", True),
    ("benchmark/report/x.py", "from benchmark.fit.engine import fit", True),
    (
        "benchmark/report/x.py",
        "if TYPE_CHECKING:\n    from benchmark.fit.engine import Fitted",
        True,
    ),
    ("benchmark/stats/x.py", "from benchmark.report import words", True),
    ("benchmark/plan/x.py", "from benchmark.fit.engine import fit", True),
    ("benchmark/files/x.py", "from benchmark.plugins.datasets._atlas import atlas", True),
    ("benchmark/cli/x.py", "from benchmark.plugins.datasets._atlas import atlas", True),
    ("benchmark/plugins/__init__.py", "HOME = 'benchmark.images.scan'", False),
    ("benchmark/plugins/__init__.py", "HOME = 'benchmark.images.cache.x.y'", True),
    ("benchmark/newcomer.py", "from benchmark.types import Sample", True),
    ("benchmark/cli/run.py", "import inr.siren", True),
    ("tests/test_x.py", "", False),
    ("inr/mine.py", "from benchmark.plugins import InputError, register\nimport torch", False),
    (
        "inr/mine.py",
        ("from benchmark.plugins.inr import _helper\nfrom benchmark.plugins.inr._helper import x"),
        False,
    ),
    ("inr/mine.py", "from benchmark.plugins.inr.siren import Siren", True),
    ("inr/mine.py", "from benchmark.plugins.datasets._atlas import atlas", True),
    ("inr/mine.py", "from benchmark.types import Sample", True),
    ("inr/mine.py", "from benchmark.files.nifti import Nifti", True),
    ("datasets/mine.py", "from benchmark.files.nifti import Nifti", False),
    ("datasets/mine.py", "from benchmark.images.scan import Scan", True),
    ("inr/mine.py", "from benchmark.plugins import index", True),
    ("segmenters/mine.py", "from datasets import load_dataset", True),
    ("benchmark/codecs/mine.py", "from benchmark.codecs import _boxes", False),
    ("benchmark/codecs/mine.py", "from benchmark.bitstream import encode", True),
    (
        "benchmark/fit/optimizers/mine.py",
        "from benchmark.fit.optimizers.adam import Adam",
        True,
    ),
]


@pytest.mark.parametrize(
    ("file", "text", "bad"),
    BITES,
)
def test_it_bites(file, text, bad, tmp_path):
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text(text)
    assert bool(violations(tmp_path)) is bad

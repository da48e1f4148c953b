"""The same plug-ins by the same names from checkout, editable install and wheel, and nobody's
`datasets` hidden.
"""

import ast
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from benchmark.plugins import FOLDERS, index

ROOT = Path(__file__).parents[1]
LEFT_OUT = shutil.ignore_patterns(
    ".git", ".venv", "build", "dist", "results", "*.egg-info", "__pycache__", ".*_cache"
)

# Asks an installed copy what a user would see; plug-in classes travel to a spawned worker by name.
QUESTIONS = """
import json
import multiprocessing
from pathlib import Path

import benchmark
from benchmark.plugins import index

def same(cls, kind, name):
    return cls is index.get(kind, name).load()

if __name__ == "__main__":
    plugins = ("dataset", "mni-lesion"), ("inr", "siren")
    classes = [(kind, name, index.get(kind, name).load()) for kind, name in plugins]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        workers = [pool.apply(same, (cls, kind, name)) for kind, name, cls in classes]
    import datasets
    names = {}
    for kind in index.PACKAGES:
        names[kind] = {name: entry.module for name, entry in index.entries(kind).items()}
    print(json.dumps({
        "where": str(Path(benchmark.__file__).parents[1]),
        "names": names,
        "modules": [cls.__module__ for _, _, cls in classes], "workers": workers,
        "datasets": getattr(datasets, "WHOSE", None),
        "segmenters": str(index.get("segmenter", "unet").path.parent),
    }))
"""


def expected(where):
    """The answer of a copy that lies in `where` and has all that this checkout has."""
    names = {
        kind: {name: entry.module for name, entry in index.entries(kind).items()}
        for kind in index.PACKAGES
    }
    return {
        "where": str(where),
        "names": names,
        "workers": [True, True],
        "datasets": "theirs",
        "modules": ["benchmark.plugins.datasets.mni_lesion", "benchmark.plugins.inr.siren"],
    }


def weights():
    """Shipped weights; not the state of a training that goes on."""
    return sorted(path.name for path in (ROOT / "segmenters" / "weights").glob("*.safetensors"))


def checked(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def pip(*words):
    return checked(sys.executable, "-m", "pip", *words, "--no-deps", "--no-index")


def ask(python, folder, **environment):
    (folder / "questions.py").write_text(QUESTIONS)
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return json.loads(checked(python, "questions.py", cwd=folder, env={**plain, **environment}))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of this checkout: building in place would leave build/ behind, and stale files in the
    next wheel.
    """
    return shutil.copytree(ROOT, tmp_path_factory.mktemp("copy") / "checkout", ignore=LEFT_OUT)


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--no-build-isolation", "-w", folder, checkout)
    (path,) = folder.glob("*.whl")
    return path


@pytest.mark.slow
def test_the_wheel_holds_what_it_should_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} <= {
        "benchmark",
        wheel.name.partition("-py3")[0] + ".dist-info",
    }
    ours = {path.relative_to(ROOT).as_posix() for path in (ROOT / "benchmark").rglob("*.py")}
    plugins = [path for folder in FOLDERS for path in (ROOT / folder).glob("*.py")]
    ours |= {f"benchmark/plugins/{path.relative_to(ROOT).as_posix()}" for path in plugins}
    assert {name for name in names if name.endswith(".py")} == ours
    assert (
        sorted(Path(name).name for name in names if name.endswith(".safetensors"))
        == weights()
        != []
    )
    assert any(name.endswith("licenses/LICENSE") for name in names)
    templates = {f"benchmark/plugins/templates/{kind}.py.txt" for kind in index.PACKAGES}
    assert templates <= set(names), "what `new` writes from"


@pytest.mark.slow
def test_a_wheel_beside_a_package_called_datasets(wheel, tmp_path):
    target = tmp_path / "site"
    pip("install", "--target", target, wheel)
    (target / "datasets").mkdir()
    (target / "datasets" / "__init__.py").write_text("WHOSE = 'theirs'\n")
    answer = ask(sys.executable, tmp_path, PYTHONPATH=str(target))
    assert Path(answer.pop("segmenters")) == target / "benchmark" / "plugins" / "segmenters"
    assert answer == expected(target)


@pytest.mark.slow
def test_an_editable_install(checkout, tmp_path):
    python = tmp_path / "venv" / "bin" / "python"
    checked(sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv")
    (site,) = (tmp_path / "venv").glob("lib/python*/site-packages")
    # torch and the others, not installed again; its own .pth files (an editable install) do not
    # count
    (site / "parent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip("--python", python, "install", "--no-build-isolation", "-e", checkout)
    (site / "datasets").mkdir()
    (site / "datasets" / "__init__.py").write_text("WHOSE = 'theirs'\n")
    answer = ask(python, tmp_path)
    assert Path(answer.pop("segmenters")) == checkout / "segmenters"
    assert answer == expected(checkout)
    assert "siren" in checked(python.with_name("sinco-bench"), "list", "inr", cwd=tmp_path)


def second_names(text):
    """Imports of a plug-in folder by its bare name: they would make a second copy of each class."""
    for node in ast.walk(ast.parse(text)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) and node.level == 0 else []
        yield from (name for name in names if name.split(".")[0] in FOLDERS)


def test_nothing_imports_a_plugin_by_a_second_name():
    files = [
        path
        for folder in ("benchmark", "tests", *FOLDERS)
        for path in (ROOT / folder).rglob("*.py")
    ]
    assert len(files) > 40
    assert [
        (path, names)
        for path in files
        if (names := list(second_names(path.read_text(encoding="utf-8"))))
    ] == []
    assert list(second_names("import inr.siren\nfrom datasets import lgg")) == [
        "inr.siren",
        "datasets",
    ]


def test_ruff_bans_it_too(tmp_path):
    if shutil.which("ruff", path=str(Path(sys.executable).parent)) is None:
        pytest.skip("ruff is not installed: pip install -e '.[dev]'")
    (tmp_path / "x.py").write_text(
        "import inr.siren\nfrom segmenters.unet import UNet\nimport datasets\n"
    )
    ruff = Path(sys.executable).with_name("ruff")
    command = [
        ruff,
        "check",
        "--config",
        ROOT / "pyproject.toml",
        "--select",
        "TID251",
        tmp_path / "x.py",
    ]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    assert "Found 3 errors" in found

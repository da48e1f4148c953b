"""The style that the project holds itself to, counted over every line of Python that it has.

`python tests/test_style.py` prints the figures of each folder; with FOLDER behind it, those of
another checkout.
"""

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("benchmark", "inr", "segmenters", "datasets", "tests", "examples", "docs")

MOST_COMPREHENSIONS = 3.0  # in 100 lines
MOST_COLUMNS = 100
MOST_FUNCTION_LINES = 60
MOST_FILE_LINES = 400

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Figures:
    """What is counted of one file."""

    lines: int
    comprehensions: int
    long_lines: int  # over 100 columns
    longest_function: int  # in lines, decorators included
    long_functions: int  # over 60 lines


def measure(source: str) -> Figures:
    """The figures of one file's text."""
    comprehensions = 0
    function_lines = [0]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, COMPREHENSIONS):
            comprehensions += 1
        elif isinstance(node, FUNCTIONS):
            function_lines.append(count_lines(node))
    lines = source.splitlines()
    return Figures(
        lines=len(lines),
        comprehensions=comprehensions,
        long_lines=sum(len(line) > MOST_COLUMNS for line in lines),
        longest_function=max(function_lines),
        long_functions=sum(count > MOST_FUNCTION_LINES for count in function_lines),
    )


def count_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function, from its first decorator to its end."""
    first = function.lineno
    for decorator in function.decorator_list:
        first = min(first, decorator.lineno)
    last = function.end_lineno
    assert last is not None  # ast.parse always sets it
    return last - first + 1


@cache
def measure_project(root: Path) -> dict[str, Figures]:
    """The figures of every file of a checkout, by its path from the root."""
    figures = {}
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*.py")):
            figures[path.relative_to(root).as_posix()] = measure(path.read_text("utf-8"))
    return figures


def density(figures: list[Figures]) -> float:
    """Comprehensions in 100 lines."""
    lines = sum(one.lines for one in figures)
    return 100 * sum(one.comprehensions for one in figures) / max(1, lines)


def faults(path: str, found: Figures) -> Iterator[tuple[str, str, int]]:
    """Each rule that a file breaks: path, rule and the figure that is too high."""
    if found.long_lines:
        yield path, "long lines", found.long_lines
    if found.longest_function > MOST_FUNCTION_LINES:
        yield path, "function", found.longest_function
    if found.lines > MOST_FILE_LINES:
        yield path, "file", found.lines


def find_faults(root: Path) -> dict[tuple[str, str], int]:
    """Path and rule -> figure, of every rule that a file of a checkout breaks."""
    found = {}
    for path, figures in measure_project(root).items():
        for name, rule, figure in faults(path, figures):
            found[name, rule] = figure
    return found


def test_files_meet_the_aims():
    found = find_faults(ROOT)
    over = [f"{name}: {rule} {figure}" for (name, rule), figure in found.items()]
    assert not over, "\n".join(over)


def test_comprehensions_are_few():
    measured = measure_project(ROOT)
    engine = [figures for path, figures in measured.items() if path.startswith("benchmark/")]
    assert density(engine) <= MOST_COMPREHENSIONS
    assert density(list(measured.values())) <= MOST_COMPREHENSIONS


def test_each_rule_finds_what_breaks_it():
    long_line = measure("x = 1  # " + "y" * 92)
    assert list(faults("a.py", long_line)) == [("a.py", "long lines", 1)]
    long_function = measure("@wraps\ndef f():\n" + "    x = 1\n" * 59)
    assert list(faults("b.py", long_function)) == [("b.py", "function", 61)]
    long_file = measure("x = 1\n" * 401)
    assert list(faults("c.py", long_file)) == [("c.py", "file", 401)]
    dense = measure(
        "a = [x for x in y]\nb = {x for x in y}\nc = {x: x for x in y}\nd = sum(x for x in y)"
    )
    assert dense.comprehensions == 4
    assert density([dense]) == 100.0
    just_fine = measure("x" * 100 + "\ndef f():\n" + "    x = 1\n" * 59)
    assert list(faults("d.py", just_fine)) == []


def print_table(root: Path) -> None:
    """Print the figures of each folder and of the whole project."""
    groups: dict[str, list[Figures]] = {}
    for path, figures in measure_project(root).items():
        parent = Path(path).parent.as_posix()
        groups.setdefault(parent, []).append(figures)
        groups.setdefault("all of benchmark", [])
        if path.startswith("benchmark/"):
            groups["all of benchmark"].append(figures)
        groups.setdefault("all", []).append(figures)
    heads = ("files", "lines", "per 100", "> 100", "fn > 60", "file > 400")
    print(f"{'folder':34}" + "".join(f"{head:>11}" for head in heads))
    for folder in sorted(groups, key=lambda name: (name.startswith("all"), name)):
        members = groups[folder]
        total: Counter[str] = Counter()
        for one in members:
            total["lines"] += one.lines
            total["long lines"] += one.long_lines
            total["functions"] += one.long_functions
            total["files"] += one.lines > MOST_FILE_LINES
        counts = (total["long lines"], total["functions"], total["files"])
        print(
            f"{folder:34}{len(members):11}{total['lines']:11}{density(members):11.2f}"
            + "".join(f"{count:11}" for count in counts)
        )


if __name__ == "__main__":
    print_table(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT)

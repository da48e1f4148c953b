"""Reads a torch.export archive without ever running what it could hide: torch.export.load alone
trusts the file.

What torch.export.load of torch 2.13 runs, if an archive says so
(torch/export/pt2_archive/_package.py, _export/serde/serialize.py): pickles (sample inputs that the
restricted reader refuses, weights with use_pickle, opaque objects), compiled libraries
(data/aotinductor), guards_code as Python, size expressions through sympy's eval, and names that are
pasted into generated code; a node's target may be any name within `torch`. So only what is known to
be harmless is copied into a new archive, and that is what torch reads.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import Any

TARGET = re.compile(
    r"torch\.ops\.aten\.(?!save\b|from_file\b)\w+\.\w+|torch\.sym_(int|float|max|min|not|ite|sqrt)"
    r"|math\.(floor|ceil|trunc|sqrt)"
    r"|_operator\.(add|sub|mul|floordiv|truediv|mod|neg|pow|getitem|eq|ne|lt|le|gt|ge|and_|or_)"
)
NAME = re.compile(r"[\w.+-]*")  # nothing that could call, quote or end a line in generated code
TEXT = re.compile(r"[\w ,.>-]*")  # string arguments of operators: a mode, an equation of einsum
TREE = re.compile(
    r'[\w\s.,:"\[\]{}()-]*'
)  # the structure of inputs and outputs, as JSON inside JSON; no escapes
EXPRESSION = re.compile(r"[\w\s+*/%(),<>=&|~-]*")
SYMBOL = re.compile(r"Symbol\('\w+'(, \w+=(True|False))*\)")
FUNCTIONS = {
    "Add",
    "Mul",
    "Pow",
    "Integer",
    "Rational",
    "Max",
    "Min",
    "FloorDiv",
    "CeilDiv",
    "CleanDiv",
    "IntTrueDiv",
    "FloatTrueDiv",
    "Mod",
    "PythonMod",
    "ModularIndexing",
    "TruncToInt",
    "CeilToInt",
    "FloorToInt",
    "RoundToInt",
    "ToFloat",
    "PowByNatural",
    "Identity",
    "Where",
    "Eq",
    "Ne",
    "Lt",
    "Le",
    "Gt",
    "Ge",
    "And",
    "Or",
    "Not",
    "floor",
    "ceiling",
    "",
}  # "": a bracket


class Unsafe(ValueError):
    """What an archive holds that may not be read; its text ends the sentence "it holds"."""


def harmless(data: bytes) -> io.BytesIO:
    """A torch.export archive with the program, weights and tensor constants of `data` and nothing
    else; raises Unsafe.
    """
    with zipfile.ZipFile(io.BytesIO(data)) as old:
        files = {}
        for info in old.infolist():
            name = info.filename.partition("/")[2]
            if name in files or info.compress_type != zipfile.ZIP_STORED:
                raise Unsafe(f"{name} twice, or compressed, which torch.export.save never does")
            files[name] = old.read(info)
    if "models/model.json" not in files:
        raise Unsafe(
            "no program models/model.json: torch.export.save of torch 2.8 or later writes one"
        )
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as new:
        for name, content in files.items():
            if cleaned := _file(name, content):
                new.writestr(f"program/{name}", cleaned)
        new.writestr(
            "program/data/sample_inputs/model.pt", b""
        )  # always a pickle, and never needed
    made.seek(0)
    return made


def _file(name: str, content: bytes) -> bytes | None:
    """The content of a file that may be read, None where it is left out."""
    if name.startswith("data/aotinductor/"):
        raise Unsafe(f"compiled code ({name})")
    if name == "models/model.json":
        program = json.loads(content) | {"guards_code": []}
        return json.dumps(_clean(program)).encode()
    if name in (
        "data/weights/model_weights_config.json",
        "data/constants/model_constants_config.json",
    ):
        config = json.loads(content)
        for key, entry in config["config"].items():
            if entry["use_pickle"] is not False or not re.fullmatch(
                r"(weight|tensor)_\d+", entry["path_name"]
            ):
                raise Unsafe(
                    f"{key} as a pickle or an object of its own class ({entry['path_name']}), not"
                    " as a plain tensor"
                )
        return json.dumps(_clean(config)).encode()
    plain = ("archive_format", "archive_version", "byteorder", ".data/version")
    if name in plain or re.fullmatch(r"data/(weights/weight|constants/tensor)_\d+", name):
        return content
    if name.startswith(("data/sample_inputs/", "extra/", ".data/")):
        return None
    raise Unsafe(f"a file that no plain program has ({name})")


def _clean(value: Any, key: str = "") -> Any:
    """`value` without metadata, on the CPU; raises Unsafe for a string that could be more than a
    name.
    """
    if isinstance(value, dict):
        if value.keys() == {"type", "index"}:
            return {
                "type": "cpu",
                "index": None,
            }  # where it was made does not matter; Network moves it
        for name in value:
            _check(NAME, name, "the name")
        return {
            name: {} if name == "metadata" else _clean(inside, name)
            for name, inside in value.items()
        }
    if isinstance(value, list):
        return [_clean(inside, key) for inside in value]
    if isinstance(value, str):
        if key == "target" and value.startswith(("torch", "math", "_operator", "#")):
            _check(TARGET, value, "the operator")
        elif key == "expr_str":
            plain = SYMBOL.sub("n", value)
            _check(EXPRESSION, plain, "the size")
            if unknown := set(re.findall(r"(\w*|\))\s*\(", plain)) - FUNCTIONS:  # `)(` calls too
                raise Unsafe(f"the size {value!r}, which calls {', '.join(sorted(unknown))}")
        elif key in ("in_spec", "out_spec"):
            _check(TREE, value, "the structure")
        else:
            _check(TEXT if key == "as_string" else NAME, value, "the name")
    return value


def _check(allowed: re.Pattern[str], text: str, what: str) -> None:
    if not allowed.fullmatch(text):
        raise Unsafe(
            f"{what} {text[:80]!r}, which a network of plain operators (torch.ops.aten) does not"
            " have"
        )

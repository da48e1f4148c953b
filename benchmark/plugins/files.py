"""Plug-in files named by --plugin: importable as benchmark.plugins.file_<stem>, here and in worker
processes.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from pathlib import Path
from typing import Any

PLUGINS_VARIABLE = "SINCO_BENCH_PLUGINS"
_PREFIX = "benchmark.plugins.file_"


def plugin_files() -> list[Path]:
    """Files named by --plugin, in this process or in a parent of it."""
    return [Path(text) for text in os.environ.get(PLUGINS_VARIABLE, "").split(os.pathsep) if text]


def module_name(path: Path) -> str:
    return _PREFIX + re.sub(r"\W", "_", path.stem)


class _Finder:
    @staticmethod
    def find_spec(name: str, _path: Any = None, _target: Any = None) -> Any:
        if name.startswith(_PREFIX):
            for file in plugin_files():
                if module_name(file) == name:
                    return importlib.util.spec_from_file_location(name, file)
        return None


sys.meta_path.append(_Finder)

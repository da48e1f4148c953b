"""What Task01's dataset.json says."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.plugins import InputError

# Which of dataset.json's labels each merge takes, by name, so that other numbers are noticed.
MERGES = {
    "whole": ("edema", "non-enhancing tumor", "enhancing tumor"),
    "core": ("non-enhancing tumor", "enhancing tumor"),
    "enhancing": ("enhancing tumor",),
}


@dataclass(frozen=True)
class Task:
    """dataset.json: cases {name: (image, label)}, channel names in order, and label numbers by
    name.

    persons: who a case is, which `data task01` writes and the release does not say.
    """

    path: Path
    cases: dict[str, tuple[str, str]]
    channels: list[str]
    labels: dict[str, int]
    persons: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> Task:
        """The description of a data set; raises InputError where it is none."""
        try:
            return cls._of(path, json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(
                f"the data set description {path}",
                f"{type(error).__name__}: {error}",
                "restore dataset.json from the release: it has training, modality and labels",
            ) from error

    @classmethod
    def _of(cls, path: Path, task: dict[str, Any]) -> Task:
        cases = {}
        for case in task["training"]:
            files = _inside(case["image"]), _inside(case["label"])
            cases[re.sub(r"\.nii(\.gz)?$", "", Path(files[0]).name)] = files
        numbers = sorted(task["modality"], key=int)
        channels = [_text(task["modality"][number]) for number in numbers]
        labels = {}
        for number, name in task["labels"].items():
            # Task01's own file writes "tumor" and "tumour" side by side.
            labels[name.lower().replace("tumour", "tumor")] = int(number)
        persons = {}
        for name, person in task.get("persons", {}).items():
            persons[name] = _text(person)
        if not cases:
            raise ValueError("its list `training` is empty: no case")
        return cls(path, cases, channels, labels, persons)

    def channel(self, name: str) -> int:
        names = list(map(str.lower, self.channels))
        if name.lower() not in names:
            raise InputError(
                f"the channel {name} of {self.path}",
                f"it has {', '.join(self.channels)}",
                "one of these",
            )
        return names.index(name.lower())

    def numbers(self, merge: str) -> tuple[int, ...]:
        missing = [name for name in MERGES[merge] if name not in self.labels]
        if missing:
            raise InputError(
                f"labels={merge} of {self.path}",
                f"it does not name {', '.join(missing)}",
                "dataset.json with Task01's label names",
            )
        return tuple(self.labels[name] for name in MERGES[merge])


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("channels, files and persons are called by strings")
    return value


def _inside(file: Any) -> str:
    """A file's name, which must not lead out of the folder of dataset.json."""
    path = Path(_text(file))
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"the file {file} is not inside its folder")
    return str(file)

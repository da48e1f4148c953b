"""The codecs beside the fits and the regularizers in their loss: those asked for, else those that
fit the networks in the loss.
"""

from __future__ import annotations

from collections.abc import Collection

from benchmark.errors import InputError, call, field
from benchmark.networks.checkpoints import split_ensemble
from benchmark.plan.selection import CODECS, REGULARIZERS, Selection
from benchmark.plugins import index

NO_CODEC = "none"  # what --codec says where no codec is wanted


def tasks_of(selection: Selection) -> list[str]:
    """What the networks in the loss read, "label" or "mask", as they declare it: no weights are
    opened. Raises InputError where a name is unknown.
    """
    tasks = set()
    for spec in selection.segmenter:
        for part in split_ensemble(spec):
            name = part.partition("@")[0]
            tasks.add(index.get("segmenter", name).declared["task"])
    return sorted(tasks)


def codecs_of(selection: Selection, tasks: Collection[str]) -> tuple[str, ...]:
    """The names of the codecs; raises InputError where one is unknown or cannot run here.

    Where none is asked for and no loss sees the true mask, a codec that sends it is no rival.
    """
    if selection.codec is None:
        fitting = []
        for name in CODECS:
            sends_mask = index.get("codec", name).declared["sends_mask"]
            if "mask" in tasks or not sends_mask:
                fitting.append(name)
        return tuple(fitting)
    if selection.codec == (NO_CODEC,):
        return ()
    if NO_CODEC in selection.codec:
        raise InputError(
            field("codec", selection.codec),
            f"{NO_CODEC} means no codec, and others are named beside it",
            f"{field('codec', NO_CODEC)}, or the others alone",
        )
    for name in selection.codec:
        _check_available("codec", name)
    return selection.codec


def regularizers_of(selection: Selection, tasks: Collection[str]) -> dict[str, str]:
    """The name of the regularizer for each of `tasks`: the one asked for where it fits. Raises
    InputError where that one is unknown, cannot run here or fits no network in the loss.
    """
    chosen = {task: REGULARIZERS[task] for task in tasks}
    name = selection.regularizer
    if name is None:
        return chosen
    _check_available("regularizer", name)
    task = index.get("regularizer", name).declared["task"]
    if task not in tasks:
        networks = " and ".join(selection.segmenter)
        fitting = [
            other
            for other, entry in index.entries("regularizer").items()
            if entry.declared["task"] in tasks
        ]
        raise InputError(
            f"{field('regularizer', name)} with {field('segmenter', networks)}",
            f"{name} needs a network that reads {task}s, and {networks} reads"
            f" {' and '.join(f'{other}s' for other in tasks)}",
            f"{field('regularizer', ' or '.join(fitting))}, or a {field('segmenter')} that reads"
            f" {task}s",
        )
    return chosen | {task: name}


def _check_available(kind: str, name: str) -> None:
    entry = index.get(kind, name)
    why = entry.unavailable()
    if why is not None:
        todo = entry.declared["install"] or call("list", kind)
        raise InputError(field(kind, name), why, todo)

"""Learning an initial state as it is asked for: checked first, then learned and written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmark.errors import field
from benchmark.listener import Quiet, Says
from benchmark.plan.inits import check_size_is_given, default_path
from benchmark.plan.selection import INR
from benchmark.plugins import index
from benchmark.plugins.choice import Choice
from benchmark.plugins.sets import Sets, options_by_plugin
from benchmark.search.tuning import check_counts, check_plugins

ROUNDS, STEPS, LIMIT = 48, 20, 24


@dataclass(frozen=True)
class LearnRequest:
    """Which backbone, at which size, from which images.

    limit: images of the train split, each with a lesion and of another patient. sets: options of
    the backbone (its size must be among them) or the data set. rounds: moves of the state; steps:
    of each fit. out: the file, default where a run with init="learned" looks for it.
    """

    inr: str = INR
    dataset: str = "mni-lesion"
    root: Path | None = None
    limit: int = LIMIT
    sets: Sets = ()
    rounds: int = ROUNDS
    steps: int = STEPS
    out: Path | None = None
    device: str = "auto"


@dataclass(frozen=True)
class Learned:
    """A state that was written: its file, its card (see search/learn.py), and what was left out."""

    path: Path
    card: dict[str, Any]
    notes: list[str]

    @property
    def bytes(self) -> int:
        """Of the file."""
        return self.path.stat().st_size


def learn_state(request: LearnRequest, listener: Says | None = None) -> Learned:
    """Learn a state from training images and write it with its card.

    Raises InputError where something asked for does not fit, or every fit of a round goes wrong.
    """
    listener = listener or Quiet()
    plugins = [("inr", request.inr), ("dataset", request.dataset)]
    check_plugins(plugins)
    for name, usual in (("limit", LIMIT), ("rounds", ROUNDS), ("steps", STEPS)):
        check_counts({name: getattr(request, name)}, usual)
    options = options_by_plugin(request.sets, plugins)
    entry, own = index.get("inr", request.inr), options["inr", request.inr]
    size = entry.declared["size"]
    inr = Choice.of("inr", request.inr, **({size: ...} if size else {}) | own)
    check_size_is_given(inr, f"to learn {field('inr', request.inr)}")

    from benchmark.device import resolve_device
    from benchmark.search.learn import images_to_learn, learn, save

    device = resolve_device(request.device)
    dataset = index.get("dataset", request.dataset).load()(
        request.root, **options["dataset", request.dataset]
    )
    samples, notes = images_to_learn(dataset, request.limit)
    for note in notes:
        listener.say(note)
    rounds, steps = request.rounds, request.steps
    state = learn(inr, samples, rounds=rounds, steps=steps, device=device, say=listener.say)
    path = request.out or default_path(inr, request.dataset)
    card = save(path, state, inr, samples, rounds=rounds, steps=steps)
    return Learned(path, card, notes)

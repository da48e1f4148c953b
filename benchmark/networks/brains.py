"""What finds a brain, by its name: `classical`, or a network that was trained to mark brains."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from benchmark.errors import InputError, field
from benchmark.networks.checkpoints import find_checkpoint, split_ensemble
from benchmark.plugins.index import entries

if TYPE_CHECKING:
    from benchmark.networks.evaluate import Strip

CLASSICAL = "classical"
TRAINED = "a network that was trained to mark brains"


def check_strip(how: str, *known: str) -> None:
    """Raises InputError where `how` is neither one of `known` nor a network's name.

    What is wrong with the network is told by its weights, later.
    """
    if how in known:
        return
    for part in split_ensemble(how):
        if part.partition("@")[0] not in entries("segmenter"):
            raise InputError(
                field("strip", how),
                f"it is neither {' nor '.join(known)}, nor a network of that name",
                f"{', '.join(field('strip', name) for name in known)}, or a network that marks"
                f" brains: {field('strip', 'NAME@FILE')}",
            )


def strip_of(how: str, dataset: str, channels: Sequence[str] | None, device: str) -> Strip:
    """What finds the brain of a scan; raises InputError for a network that marks something else."""
    from benchmark.networks.evaluate import by_network, classical
    from benchmark.networks.network import load_network

    if how == CLASSICAL:
        return classical
    # Brains are brains, whatever data set they were learned from.
    checkpoint = find_checkpoint(how, dataset, channels=channels, force=True)
    if checkpoint.target != "brain":
        raise InputError(
            field("strip", how),
            f"{checkpoint.path} was trained to mark {checkpoint.target}s, not brains",
            f"{field('strip', CLASSICAL)}, or {TRAINED}",
        )
    return by_network(load_network(checkpoint, device=device))

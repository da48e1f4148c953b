"""Takes experiments and cells out of a store, with scores and originals that they alone need."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from benchmark.store.store import Store


def forget_experiment(store: Store, name: str) -> int:
    """Take an experiment out, and its cells that no other has; returns how many cells went.

    Raises InputError where there is no experiment of that name.
    """
    return forget_cells(store, store.experiments.forget(name))


def forget_cells(store: Store, keys: Iterable[str]) -> int:
    """Take cells out of the store and of every experiment; returns how many were there."""
    wanted = list(keys)
    there = len(store.statuses(wanted))
    store.remove(wanted)
    store.drop_empty_experiments()
    store.drop_unused_samples()
    return there


def matching(
    store: Store,
    *,
    inr: Collection[str] = (),
    lam: Collection[float] = (),
    image: Collection[str] = (),
) -> list[str]:
    """Keys of stored cells of these backbones, weights of the penalty and images; an empty
    collection asks for nothing. With `lam` only SINCO cells match: plain fits have none.
    """
    found = []
    for row in store.each_row(data=False):
        facts = row.facts
        if inr and facts.get("inr") not in inr:
            continue
        if image and facts.get("sample_id") not in image:
            continue
        if lam and (facts.get("codec") or facts.get("lambda") not in lam):
            continue
        found.append(row.key)
    return found

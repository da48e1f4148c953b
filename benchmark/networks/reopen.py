"""The networks that a run was read by, found again from its record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmark.errors import InputError
from benchmark.networks.checkpoints import find_checkpoint
from benchmark.networks.network import Network, load_network


def networks_of(record: Mapping[str, Any]) -> tuple[list[Network], list[str]]:
    """The readers of a run's record whose weights are still where they were and what they were, and
    a sentence on each that is not.
    """
    found, missing = [], []
    dataset = (record.get("dataset") or {}).get("name", "")
    for reader in record.get("readers") or []:
        try:
            checkpoint = find_checkpoint(_spec(reader), dataset, force=True)
        except InputError as error:
            missing.append(f"{reader['name']} {reader['hash']}: {error.found}")
            continue
        if checkpoint.hash == reader["hash"]:
            found.append(load_network(checkpoint))
        else:
            why = f"it has the hash {checkpoint.hash} now"
            missing.append(f"{reader['name']} {reader['hash']}: {why}")
    return found, missing


def _spec(reader: Mapping[str, Any]) -> str:
    """What --reader would say of a reader of the run's record. An ensemble's `path` is its first
    member's: `members` have their own.
    """
    if members := reader.get("members"):
        return "+".join(f"{member['name']}@{member['path']}" for member in members)
    if reader.get("path") and "+" not in reader["name"]:
        return f"{reader['name']}@{reader['path']}"
    return str(reader["name"])

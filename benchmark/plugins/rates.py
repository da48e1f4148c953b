"""Whether somebody tuned a backbone's learning rate, and the words for one that nobody did."""

from __future__ import annotations

from benchmark.errors import Words, call
from benchmark.plugins.index import Entry

# The rate of a backbone that declares none.
UNTUNED_LR = 3e-3
# Behind the backbone's name in tables.
UNTUNED = "rate not tuned"


def untuned(entry: Entry) -> bool:
    """Whether a backbone declares no learning rate: then the engine takes UNTUNED_LR."""
    return entry.kind == "inr" and entry.declared["lr"] is None


def untuned_note(name: str) -> Words:
    """What to know, and to type, before such a backbone is compared with others."""
    found = f"{name}: nobody tuned its learning rate"
    return Words(f"{found}; {call('tune', inr=name)}, then write lr=RATE into its decorator")

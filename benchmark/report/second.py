"""What to type for a second network, where only the one in the loss reads."""

from __future__ import annotations

from benchmark.plugins.index import entries


def second_network(dataset: str, in_loss: str) -> str:
    """The command that trains another network of the kind of `in_loss`, or of lesions in slices
    where that plug-in is not here. in_loss: a name, or several with + between.
    """
    known = entries("segmenter")
    used = in_loss.split("+")
    first = known.get(used[0])
    wanted = (first.declared["task"], first.declared["dims"]) if first else ("mask", 2)
    best = "NAME"
    for name, entry in sorted(known.items()):
        declared = entry.declared
        fits = (declared["task"], declared["dims"]) == wanted and declared["trains"]
        if fits and name not in used and not declared["requires"]:  # nothing to install
            best = name
            break
    return f"python -m benchmark train --segmenter {best} --dataset {dataset}"

"""Values that are allowed and yet hardly meant: each with what is usual."""

from __future__ import annotations

from benchmark.plan.selection import Selection

# The largest lambda that is of use: for a mean squared error the penalty then outweighs the
# fidelity many times over; for a sum it is about as many times larger as an image has pixels.
MOST_LAMBDA = {"mean": 0.1, "sum": 1e4}
USUAL_LAMBDA = {"mean": "1e-6 to 1e-2", "sum": "0.01 to 100"}
BPP = (0.05, 16.0)  # lossless coding of such slices takes about 3
MOST_STEPS = 200_000
MOST_RATE = 0.1


def doubts(selection: Selection) -> list[str]:
    """What in a selection looks like a slip of the finger, in words; nothing of it is an error."""
    found = []
    kind = "sum" if selection.fidelity == "sum" else "mean"
    for lam in selection.lam:
        if lam > MOST_LAMBDA[kind]:
            usual = USUAL_LAMBDA[kind]
            found.append(f"lambda {lam:g}: usual with the fidelity {kind} is {usual}")
    low, high = BPP
    if selection.bpp is not None and not low <= selection.bpp <= high:
        found.append(f"{selection.bpp:g} bits a pixel: usual is 0.1 to 4")
    if selection.steps is not None and selection.steps > MOST_STEPS:
        found.append(f"{selection.steps:,} steps: usual is 200 to 50,000")
    if selection.lr is not None and selection.lr > MOST_RATE:
        found.append(f"a learning rate of {selection.lr:g}: usual is 1e-4 to 1e-2")
    return found

"""Learning curves as a picture beside the checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmark.files.writing import replacing


def draw_curves(path: Path, history: Sequence[dict[str, float]], best_epoch: int) -> None:
    """Training loss and validation score by epoch, the epoch whose weights were kept marked."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    loss_axes = figure.add_subplot()
    score_axes = loss_axes.twinx()
    name = next(key for key in history[0] if key.startswith("val_"))
    word = {"val_dice": "validation Dice", "val_accuracy": "validation accuracy"}[name]
    epochs = [row["epoch"] for row in history]
    marker = "o" if len(history) < 3 else ""  # a line needs two points to be seen
    loss_axes.plot(epochs, [row["loss"] for row in history], color="C0", marker=marker)
    loss_axes.set_ylabel("training loss", color="C0")
    score_axes.plot(epochs, [row[name] for row in history], color="C1", marker=marker)
    score_axes.set_ylabel(word, color="C1")
    best = history[epochs.index(best_epoch)][name]
    score_axes.plot(best_epoch, best, "o", color="C1")
    score_axes.axvline(best_epoch, color="0.7", linewidth=0.8, zorder=0)
    loss_axes.set_xlabel("epoch")
    loss_axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    score_axes.set_title(f"kept: epoch {best_epoch}, {word} {best:.3f}", fontsize=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as beside:
        figure.savefig(beside, dpi=110)

"""One look for all pictures: colors that color-blind readers can tell apart (Okabe and Ito), no
window, plain axes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmark.files.writing import replacing

PLAIN, SINCO, TRUTH, EVAL, PEER, BAND = (
    "#000000",
    "#D55E00",
    "#009E73",
    "#56B4E9",
    "#0072B2",
    "#BBBBBB",
)
CYCLE = (SINCO, PEER, TRUTH, "#CC79A7")
CODEC_COLORS = (PEER, "#CC79A7", "#E69F00", "#F0E442")


def figure(rows: int, columns: int, size: tuple[float, float]) -> tuple[Any, Any]:
    """A figure of rows x columns axes of `size` inches each, drawn without a display; axes are
    always a 2-D array.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    drawn = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained", dpi=110)
    FigureCanvasAgg(drawn)
    return drawn, drawn.subplots(rows, columns, squeeze=False)


def save(drawn: Any, path: Path) -> None:
    """Write a figure, whole or not at all."""
    with replacing(path) as beside:
        drawn.savefig(beside)

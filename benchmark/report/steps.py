"""The picture of the chain on one image: as it is, without skull, its class, its lesion."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.report.pictures import contour, show
from benchmark.report.style import BAND, EVAL, SINCO, figure, save

if TYPE_CHECKING:
    import numpy as np

    from benchmark.networks.chain import Found
    from benchmark.networks.reading import ImageReading


def write_steps(found: Found, name: str, path: Path) -> Path:
    """Write a PNG with one panel a step that was taken."""
    panels = [
        "image",
        *(["brain"] if found.brain is not None else []),
        *(["class"] if found.probabilities else []),
        *(["lesion"] if found.lesion is not None else []),
    ]
    drawn, axes = figure(1, len(panels), (3.2, 3.5))
    for axis, panel in zip(axes[0], panels, strict=True):
        if panel == "class":
            names = list(found.probabilities)
            colors = [SINCO if each == found.answered else BAND for each in names]
            axis.barh(
                names[::-1], [found.probabilities[each] for each in names[::-1]], color=colors[::-1]
            )
            axis.set(xlim=(0, 1), xlabel="probability", title=found.answered, box_aspect=1)
            continue
        image = found.read if panel == "lesion" and found.read is not None else found.image
        if panel == "brain" and found.brain is not None:
            image = image * found.brain[..., None]
        show(axis, image)
        axis.set_axis_off()
        if panel == "brain" and found.brain is not None:
            contour(axis, found.brain, EVAL)
        if panel == "lesion" and found.lesion is not None:
            contour(axis, found.lesion, SINCO)
        area = int(found.lesion.sum()) if found.lesion is not None else 0
        axis.set_title(
            {
                "image": name,
                "brain": "without skull",
                "lesion": f"lesion, {area:,} px" if area else "no lesion found",
            }[panel],
            fontsize=9,
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    save(drawn, path)
    return path


def text(reading: ImageReading) -> str:
    """What was found, a line a step."""
    found, request = reading.found, reading.request
    height, width = found.image.shape[:2]
    lines = [f"image     {request.file}, read at {height} x {width} pixels"]
    if found.brain is not None:
        lines.append(f"skull     {request.strip}: {found.brain.mean():.0%} of the picture is brain")
    if reading.classifier is not None:
        said = ", ".join(f"{name} {p:.3f}" for name, p in found.probabilities.items())
        lines.append(f"class     {found.answered} ({said})")
    if found.lesion is not None:
        lines.append(f"lesion    {_area(found.lesion, found.area_mm2)}")
    return "\n".join(lines)


def _area(lesion: np.ndarray, area_mm2: float | None) -> str:
    if not lesion.any():
        return "none found"
    height, width = lesion.shape
    mm2 = (
        "in mm2 unknown: the file has no pixel size" if area_mm2 is None else f"{area_mm2:,.0f} mm2"
    )
    return f"{int(lesion.sum()):,} px of {height} x {width}, {mm2}"

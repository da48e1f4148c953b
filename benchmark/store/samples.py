"""An original and its mask as a row of the store, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from benchmark.types import Sample, VolumeStatistics


def row_of(sample: Sample, options: Mapping[str, Any]) -> tuple[str, str, bytes, bytes, bytes]:
    """(hash, facts as JSON, image, mask, brain). options: how the data set prepared it."""
    facts = {
        "id": sample.id,
        "dataset": sample.dataset,
        "patient": sample.patient,
        "shape": sample.image.shape,
        "channels": sample.channels,
        "volume": sample.volume.as_row(),
        "slice_index": sample.slice_index,
        "spacing_mm": sample.spacing_mm,
        "window": sample.window,
    }
    if sample.depth > 1:
        facts["depth"] = sample.depth
    if sample.label:
        facts["label"] = sample.label
    if options:
        facts["prepared"] = dict(options)
    return (
        sample.hash,
        json.dumps(facts),
        sample.image.astype("float32").tobytes(),
        sample.mask.astype("uint8").tobytes(),
        sample.brain.astype("uint8").tobytes(),
    )


def sample_of(text: str, image: bytes, mask: bytes, brain: bytes) -> Sample:
    """The sample of a row; its arrays may be written to."""
    import numpy as np

    facts = json.loads(text)
    height, width, _ = facts["shape"]
    pixels = np.frombuffer(image, np.float32).reshape(facts["shape"])
    return Sample(
        id=facts["id"],
        dataset=facts["dataset"],
        patient=facts["patient"],
        image=pixels.copy(),
        mask=np.frombuffer(mask, np.uint8).reshape(height, width).astype(bool),
        brain=np.frombuffer(brain, np.uint8).reshape(height, width).astype(bool),
        channels=tuple(facts["channels"]),
        volume=VolumeStatistics(*facts["volume"]),
        slice_index=facts["slice_index"],
        spacing_mm=tuple(facts["spacing_mm"]),
        window=tuple(facts["window"]),
        depth=facts.get("depth", 1),
        label=facts.get("label", ""),
    )

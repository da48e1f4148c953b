"""Stores whose answers are known, made without a fit: cells, scores and originals as a run would
leave them.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.plugins.contracts import Decoded
from benchmark.store.store import Row, Score, Store
from benchmark.types import Sample, VolumeStatistics

UNET, DILATED = "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb"
BASE = {
    "psnr_db": 30.0,
    "ssim": 0.85,
    "psnr_brain_db": 28.0,
    "ssim_brain": 0.8,
    "dice": 0.8,
    "dice_eval": 0.75,
    "fp_area_px": 40.0,
}
CODECS = {
    "jpeg2000": {"psnr_db": 37.0, "dice": 0.82},
    "jpeg2000+mask": {"psnr_db": 36.0, "dice": 1.0, "dice_eval": 1.0},
}


def sample(name: str, patient: str, *, lesion: bool = True, size: int = 48) -> Sample:
    y, x = np.mgrid[:size, :size] / (size - 1) * 2 - 1
    shift = (sum(map(ord, name)) % 7 - 3) / 12
    brain, mask = x**2 + y**2 < 0.8, ((x - shift) ** 2 + (y + shift) ** 2 < 0.06) & lesion
    image = (brain * (0.4 + 0.1 * np.sin(6 * x + shift) + 0.35 * mask)).astype(np.float32)[
        ..., None
    ]
    return Sample(
        name, "synthetic", patient, image, mask, brain, ("flair",), VolumeStatistics.of(image)
    )


def decode(data: bytes) -> Decoded:
    image = np.frombuffer(data, np.float32)
    size = int(len(image) ** 0.5)
    return Decoded(image.reshape(size, size, 1))


SPREAD = {
    "psnr_db": 1.0,
    "psnr_brain_db": 1.0,
    "ssim": 0.01,
    "ssim_brain": 0.01,
    "dice": 0.1,
    "dice_eval": 0.1,
    "fp_area_px": 5.0,
}
READERS = {"dice": ("unet", UNET), "fp_area_px": ("unet", UNET), "dice_eval": ("dilated", DILATED)}
COMMON = {
    "dataset": "synthetic",
    "bpp_requested": 0.6,
    "bits": 10,
    "inr_args": {"hidden_features": 16},
    "recipe": {"optimizer": "soap", "steps": 200, "penalty_every": 1},
    "fidelity": "mean",
    "precision": "float32",
    "fit_seconds": 1.5,
    "encode_seconds": 0.1,
    "n_parameters": 881,
}
RUN = {
    "command": ["run", "--inr", "siren"],
    "environment": {"device": "cpu", "packages": {"torch": "2.13"}},
    "dataset": {"name": "synthetic", "licence": "none", "citation": "nobody"},
    "readers": [
        {"name": "unet", "hash": UNET, "role": "loss"},
        {"name": "dilated", "hash": DILATED, "role": "eval"},
    ],
}


def remember(store: Store, record: dict[str, Any], keys: Iterable[str] = ()) -> None:
    """Make a finished experiment called `synthetic`; without keys it stands for all cells."""
    store.experiments.begin("synthetic", record, keys)
    store.experiments.end("synthetic", "finished")


def make_store(
    folder: Path,
    *,
    images: int = 6,
    patients: int = 3,
    inrs=("siren",),
    lams=(1e-5,),
    seeds: int = 1,
    noise: float = 0.5,
    nulls: bool = True,
    codecs=CODECS,
    without_lesion: int = 0,
    effect=None,
    failed=None,
    score_as=("decoded",),
    readers: bool = True,
    keep_images: bool = True,
    scale=None,
) -> Store:
    """A store of every combination. Each fit's score is BASE, by image a little apart, + chaos of
    `noise` (in dB; a tenth of it in Dice, a hundredth in SSIM) + `effect(image number, inr, lambda,
    metric)`.

    failed(image number, inr, lambda, seed, null) -> why a cell fails; scale(image number)
    multiplies an image's noise.
    """
    store = Store(folder)
    writer = Writer(failed, score_as)
    for number in range(images):
        patient = f"p{number % patients}"
        s = sample(f"{patient}_{number}", patient, lesion=number >= without_lesion)
        if keep_images:
            store.add_samples([s])
        chaos = noise * (scale(number) if scale else 1.0)
        for inr in inrs:
            for seed in range(seeds):
                writer.add_fits(number, s, inr, seed, lams, nulls, effect, chaos)
            for codec, values in (codecs or {}).items():
                gain = {metric: values[metric] - BASE[metric] for metric in values}
                facts = plain_facts(inr, 0) | {"method": codec, "codec": codec}
                writer.add(number, s, facts, gain, 0.0)
    store.add(writer.rows, writer.scores)
    if readers:
        remember(store, RUN)
    return store


def plain_facts(inr: str, seed: int) -> dict:
    """What the row of a plain fit says of it."""
    return {
        "method": inr,
        "inr": inr,
        "codec": None,
        "lambda": 0.0,
        "null": False,
        "segmenter": None,
        "segmenter_hash": None,
        "twin": None,
        "seed": seed,
    }


class Writer:
    """Rows and scores in the order in which they are drawn."""

    def __init__(self, failed, score_as) -> None:
        self.failed, self.score_as = failed, score_as
        self.rng = np.random.default_rng(0)
        self.rows: list[Row] = []
        self.scores: list[Score] = []

    def add_fits(self, number: int, s: Sample, inr: str, seed: int, lams, nulls, effect, chaos):
        """A plain fit, its null twin and a SINCO fit for each lambda."""
        plain = plain_facts(inr, seed)
        twin = self.add(number, s, plain, {}, chaos)
        if nulls:
            self.add(number, s, plain | {"null": True, "twin": twin}, {}, chaos)
        for lam in lams:
            gain = {}
            if effect:
                gain = {metric: effect(number, inr, lam, metric) for metric in SPREAD}
            penalty = {"segmenter": "unet", "segmenter_hash": UNET, "regularizer": "dice"}
            self.add(number, s, plain | penalty | {"lambda": lam, "twin": twin}, gain, chaos)

    def add(self, number: int, s: Sample, facts: dict, gain: dict, chaos: float) -> str:
        """One row with its scores; returns its key."""
        who = [facts["inr"], facts["lambda"], facts["seed"], facts["null"]]
        key = "-".join(map(str, (facts["method"], facts["inr"], s.id, *who[1:])))
        common = COMMON | {"sample_id": s.id, "patient": s.patient} | facts
        if self.failed and facts["codec"] is None:
            reason = self.failed(number, *who)
            if reason:
                self.rows.append(Row(key, "failed", reason, s.hash, common))
                return key
        noisy = s.image + 0.03 * self.rng.standard_normal(s.image.shape)
        picture = np.clip(noisy, 0, 1).astype(np.float32)
        self.rows.append(Row(key, "ok", "", s.hash, common | {"bpp": 0.59}, picture.tobytes()))
        for as_ in self.score_as:
            self._score(key, number, s, as_, gain, chaos)
        return key

    def _score(self, key: str, number: int, s: Sample, as_: str, gain: dict, chaos: float) -> None:
        for metric, base in BASE.items():
            if metric.startswith("dice") != s.has_lesion and metric.startswith(("dice", "fp")):
                continue
            value = base + 0.01 * SPREAD[metric] * number + gain.get(metric, 0.0)
            loss = 14.0 if as_ != "decoded" and metric == "psnr_db" else 0.0
            value += chaos * SPREAD[metric] * self.rng.standard_normal() - loss
            reader = READERS.get(metric, ("", ""))
            self.scores.append(Score(key, metric.removesuffix("_eval"), value, *reader, as_))
        if s.has_lesion:
            for reader in (("unet", UNET), ("dilated", DILATED)):
                self.scores.append(Score(key, "dice_original", 0.9, *reader, as_))

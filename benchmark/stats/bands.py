"""How far a difference moves by chance: null bands, intervals over patients, and the verdict."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

FEWEST_NULLS = 3


def t_quantile(df: int) -> float:
    """The 0.975 quantile of Student's t: half of a two-sided 95 % interval, in standard errors."""
    return float(stdtrit(df, 0.975))


def rms(values: np.ndarray) -> float:
    """sqrt(mean(x^2)): the spread of differences whose mean is zero by construction."""
    return float(np.sqrt(np.mean(np.square(values))))


def null_band(pooled: np.ndarray, own: np.ndarray, seeds: int) -> float | None:
    """How far the mean of `seeds` paired differences of one image moves by chance: half the width
    of a 95 % band.

    pooled: all null differences (null twin - plain twin) of the comparison; own: those of this
    image. n = len(pooled):

        band = t(0.975, n) * max(rms(pooled), rms(own) where own has at least 3) / sqrt(seeds)

    and None where n < 3. Null differences have mean zero by construction, so n of them leave n
    degrees of freedom; a SINCO fit and its twin differ by two draws of chaos as two twins do, as
    long as lambda leaves chaos as it is.

    Sound? In a simulation where lambda does nothing, verdicts other than tie come out at 4-5 %
    where all images are equally chaotic. Where chaos differs about 8-fold between images, one seed
    gives 7 %, but 40 % on the most chaotic image; three to five seeds give 2-3 %, and about 10 %
    there, thanks to the image's own nulls. So one seed screens, several decide, and among many
    images a few verdicts are chance. The band speaks of the seeds and images that were run (the
    interval of the total: of other patients), and not of a lambda so large that it makes fits more
    chaotic.
    """
    if len(pooled) < FEWEST_NULLS:
        return None
    spread = rms(pooled)
    if len(own) >= FEWEST_NULLS:
        spread = max(spread, rms(own))
    return t_quantile(len(pooled)) * spread / math.sqrt(seeds)


def verdict(difference: float, band: float | None) -> str:
    """win or loss beyond the band, tie within it, unknown where no band was measured; of a
    `gain`.
    """
    if band is None:
        return "unknown"
    if abs(difference) <= band:
        return "tie"
    return "win" if difference > 0 else "loss"


def patient_interval(
    differences: Sequence[float], patients: Sequence[str]
) -> tuple[float, float, float]:
    """(mean, low, high): the mean of the patients' means and its 95 % t interval; bounds are nan
    below 2 patients.

    Slices of one patient are not independent, so a patient counts once: mean +- t(0.975, P - 1) * s
    / sqrt(P).
    """
    by_patient: dict[str, list[float]] = defaultdict(list)
    for difference, patient in zip(differences, patients, strict=True):
        by_patient[patient].append(difference)
    means = np.array([np.mean(values) for values in by_patient.values()])
    if means.size == 0:
        return math.nan, math.nan, math.nan
    mean = float(means.mean())
    if means.size == 1:
        return mean, math.nan, math.nan
    half = t_quantile(means.size - 1) * float(means.std(ddof=1)) / math.sqrt(means.size)
    return mean, mean - half, mean + half

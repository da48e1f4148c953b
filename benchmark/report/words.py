"""How metrics, methods and numbers are called in every table and picture."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from benchmark.plugins.rates import UNTUNED
from benchmark.stats.compare import Group
from benchmark.store.view import Scored

LABELS = {
    "psnr_db": "PSNR",
    "ssim": "SSIM",
    "dice": "Dice (loss)",
    "dice_eval": "Dice (eval)",
    "label_kept": "kept (loss)",
    "label_kept_eval": "kept (eval)",
    "kl": "KL (loss)",
    "kl_eval": "KL (eval)",
}
UNITS = {"psnr_db": " dB"}
DIGITS = {
    "psnr_db": 2,
    "ssim": 3,
    "dice": 3,
    "dice_eval": 3,
    "label_kept": 2,
    "label_kept_eval": 2,
    "kl": 4,
    "kl_eval": 4,
    "label_right": 2,
    "label_right_eval": 2,
    "fp_area_px": 0,
    "fp_area_px_eval": 0,
}
# The settings of a recipe that do not change from one table to the next, as (name, JSON text).
FIXED = ("depth", "fit_version", "init", "inr_args", "inr_source", "recipe", "untuned")
Fixed = tuple[tuple[str, str], ...]
TOGETHER = "\u00a0"  # a space at which no line is folded
MARKS = {"win": ">>", "loss": "<<", "tie": "", "unknown": "?"}
LEGEND = """\
diff: SINCO - plain;  << worse beyond the null band,  < worse within it,
  >> better beyond it,  ? no band (fewer than 3 null twins)"""
DICE_LEGEND = "Dice (loss): by the network in the loss;  Dice (eval): by {others}, not in it"
LABEL_LEGEND = """\
kept: 1 where the most probable class is that of the original
KL: of the answers on file and original, in nats; lower is better
  (loss): by the network in the loss;  (eval): by {others}, not in it"""


def plain(value: Any) -> Any:
    """The value as JSON can write it: None where a number is not finite."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def number(value: float | None, digits: int, *, sign: bool = False) -> str:
    """A number for a table; "-" where there is none."""
    return "-" if value is None or math.isnan(value) else f"{value:{'+' if sign else ''}.{digits}f}"


def measured(metric: str, value: float | None, *, sign: bool = False) -> str:
    return number(value, DIGITS[metric], sign=sign)


def interval(metric: str, low: float, high: float) -> str:
    """A 95 % interval, or why there is none."""
    if math.isnan(low):
        return "[no interval: one patient]"
    return f"[{measured(metric, low, sign=True)}, {measured(metric, high, sign=True)}]"


def mark(gain: float, verdict: str) -> str:
    """The sign behind a difference: see LEGEND. gain: the difference, above 0 where it is for the
    better.
    """
    return "<" if verdict == "tie" and gain < 0 else MARKS[verdict]


def lambda_text(lam: float) -> str:
    """1e-5 rather than 0.00001 or 1e-05."""
    if lam == 0 or lam >= 0.1:
        return f"{lam:g}"
    mantissa, exponent = f"{lam:e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"


def plural(count: int, noun: str) -> str:
    return (
        f"{count} {noun}" if count == 1 else f"{count} {noun}{'es' if noun.endswith('s') else 's'}"
    )


def backbone(inr: str, settings: Collection[str]) -> str:
    """A backbone's name, apart where its fits start from a learned state, or at a rate that nobody
    tuned; settings: those of its fits, by name.
    """
    name = f"{inr} ({UNTUNED})" if "untuned" in settings else inr
    return f"{name} (learned init)" if "init" in settings else name


def learned_inits(scored: Scored) -> list[str]:
    """A sentence on each learned initial state: its bytes are in no file and in no bpp."""
    found = set()
    for row in scored.rows:
        facts = row.facts
        if facts.get("init"):
            found.add((facts["inr"], facts["init"], facts["init_bytes"]))
    said = []
    for inr, hash_, size in sorted(found):
        said.append(
            f"{backbone(inr, ('init',))}: fits start from the initial state {hash_}, {size:,} bytes"
            " shared by all images, not in bpp; files hold all weights, so decoding does not need"
            " it"
        )
    return said


def group_labels(
    groups: Sequence[Group], numbers: Mapping[Fixed, int] | None = None
) -> dict[Group, str]:
    """A short name for each comparison: backbone, segmenter, lambda, and those settings that tell
    two of them apart. numbers: see `told_apart`.
    """
    several = len({group.dataset for group in groups}) > 1
    bases, settings = [], []
    for group in groups:
        asked = dict(group.settings)
        name = f"{backbone(group.inr, asked)} + {group.segmenter}, lambda {lambda_text(group.lam)}"
        bases.append(f"{group.dataset}: {name}" if several else name)
        settings.append(asked | {"weights": group.segmenter_hash[:6]})
    return dict(zip(groups, told_apart(bases, settings, numbers), strict=True))


def told_apart(
    bases: Sequence[str],
    settings: Sequence[dict[str, str]],
    numbers: Mapping[Fixed, int] | None = None,
) -> list[str]:
    """`bases` with the settings appended that differ between those of the same name; settings are
    JSON texts.

    numbers: recipe -> its number, which stands for the settings that `fixed_part` takes.
    """
    flat = [_flat(_with_number(asked, numbers or {})) for asked in settings]
    rivals: dict[str, list[dict[str, Any]]] = {}
    for base, mine in zip(bases, flat, strict=True):
        rivals.setdefault(base, []).append(mine)
    out = []
    for base, mine in zip(bases, flat, strict=True):
        for name in _differing(rivals[base]):
            base += f", {name} {_spelled(mine.get(name, 'unset'))}"
        out.append(base)
    return out


def fixed_part(settings: Mapping[str, str]) -> Fixed:
    """The settings of a recipe that one number stands for: all but rate and penalty."""
    return tuple((name, settings[name]) for name in FIXED if name in settings)


def _with_number(settings: dict[str, str], numbers: Mapping[Fixed, int]) -> dict[str, str]:
    number = numbers.get(fixed_part(settings))
    if number is None:
        return settings
    rest = {name: text for name, text in settings.items() if name not in FIXED}
    return {"recipe": str(number), **rest}


def _differing(rivals: Sequence[dict[str, Any]]) -> list[str]:
    """The names whose values are not the same in all of them."""
    values: dict[str, set[str]] = {}
    names: set[str] = set().union(*rivals)
    for name in sorted(names, key=lambda name: (name != "recipe", name)):
        values[name] = {str(rival.get(name)) for rival in rivals}
    return [name for name, found in values.items() if len(found) > 1]


def _spelled(value: Any) -> str:
    """Options, which are stored as [[name, value], ...], as (name value, ...)."""
    if not isinstance(value, list):
        return str(value)
    return "(" + ", ".join(f"{name} {own}" for name, own in value) + ")"


def _flat(settings: dict[str, str]) -> dict[str, Any]:
    """{"recipe": '{"steps": 5}', "bits": "8"} -> {"steps": 5, "bits": 8}."""
    out: dict[str, Any] = {}
    for name, text in settings.items():
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        out.update(value if isinstance(value, dict) else {name: value})
    return out

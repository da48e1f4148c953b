"""What a checkpoint's card says, read without its weights and without torch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from benchmark.errors import InputError, call

CARD_KEYS = (
    "segmenter",
    "options",
    "channels",
    "dataset",
)  # what a card must have to be used; `train` writes more


def _is_anything(_: Any) -> bool:
    return True


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_settings(value: Any) -> bool:
    return isinstance(value, dict)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


# What is used of a card, and what it must be. None is as good as nothing of what a card need not
# have.
CARD_TYPES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "segmenter": (_is_text, "a name"),
    "dataset": (_is_text, "a name"),
    "options": (_is_settings, "options by name"),
    "channels": (lambda value: _are_texts(value) and bool(value), "one name or more"),
    "dataset_options": (
        lambda value: (
            _is_settings(value)
            and isinstance(value.get("size") or 0, int)
            and (value.get("size") or 0) >= 0
        ),
        "options by name, `size` a whole number",
    ),
    "target": (lambda value: value in ("lesion", "brain"), "lesion or brain"),
    "train_patients": (_are_texts, "a list of names"),
    "note": (_is_text, "a sentence"),
    **dict.fromkeys(
        ("parameters", "epochs_run", "minutes", "cpu_minutes"), (_is_number, "a number")
    ),
}


def read_card(path: Path) -> dict[str, Any]:
    """The card of a checkpoint; raises InputError where the file is absent, no safetensors file, or
    has no card.
    """
    asked = f"the checkpoint {path}"
    todo = f"NAME@FILE with a file that `{call('train')}` wrote"
    if not path.is_file():
        raise InputError(asked, "no such file", todo)
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:  # OSError: an empty file, no rights
        found = f"it is not a safetensors file, or it is cut short: {error}"
        raise InputError(asked, found, todo) from None
    try:
        card = json.loads(metadata["card"])
    except (KeyError, ValueError, RecursionError):
        found = "it holds weights but no card that says what they are"
        raise InputError(asked, found, todo) from None
    if not isinstance(card, dict):
        raise InputError(asked, "its card is damaged", todo)
    missing = [key for key in CARD_KEYS if key not in card]
    if missing:
        raise InputError(asked, f"its card does not say its {', '.join(missing)}", todo)
    for key, value in card.items():
        fits, due = CARD_TYPES.get(key, (_is_anything, ""))
        if not fits(value) and (value is not None or key in CARD_KEYS):
            found = f"its card is damaged: {key} is {repr(value)[:60]}, {due} is due"
            raise InputError(asked, found, todo)
    return card

"""Errors that a person can act on: what was asked, what was found, what to type next.

The library knows no shell. Its texts name a *field*, `field("bits", 8)`, an option of a plug-in,
`option("size", 128)`, or a *call*, `call("train", segmenter="unet")`. Python shows them as
`bits=8`, `sets={'size': 128}` and `sb.train(segmenter='unet')`; the command shows `--bits 8`,
`--set size=128` and `python -m benchmark train --segmenter unet`.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from keyword import iskeyword
from pathlib import Path

# Around a mention, which is JSON: two characters for private use, which no text of a person has.
OPEN, CLOSE = "\ue000", "\ue001"
MENTION = re.compile(f"{OPEN}([^{CLOSE}]*){CLOSE}")

Value = str | int | float | bool | None | Path | Sequence["Value"]
Plain = str | int | float | bool | None | list["Plain"]


def field(name: str, value: Value = None) -> str:
    """A mention of a field, alone or with a value, to be put into a text: `field("bits", 8)`."""
    return _mention("field", name, [], {} if value is None else {name: value})


def option(name: str, value: Value) -> str:
    """A mention of an option of a plug-in, `size` or `lgg.size`, with its value."""
    return _mention("option", name, [], {name: value})


def call(name: str, *words: str, **fields: Value) -> str:
    """A mention of a call: `call("train", segmenter="unet")`, `call("list", "segmenter")`."""
    return _mention("call", name, list(words), fields)


def _mention(kind: str, name: str, words: list[str], fields: Mapping[str, Value]) -> str:
    return OPEN + json.dumps([kind, name, words, fields], default=_plain) + CLOSE


def _plain(value: object) -> Plain:
    """What JSON does not hold, as what it holds."""
    return str(value)


class Words(str):
    """A text as Python shows it. `marked`: the same text with its mentions still marked.

    Whoever shows it in another way (the command) starts from `marked`. In an f-string it is a plain
    text, with the words of Python.
    """

    marked: str

    def __new__(cls, text: str) -> Words:
        marked = marked_of(text)
        words = super().__new__(cls, render(marked, _in_python))
        words.marked = marked
        return words


def marked_of(text: str) -> str:
    """The text with its mentions marked, where it still has them."""
    return text.marked if isinstance(text, Words) else str(text)


Show = Callable[[str, str, list[str], dict[str, Plain]], str]  # of (kind, name, words, fields)


def render(text: str, show: Show) -> str:
    """The text with each mention in the words of `show`."""
    return MENTION.sub(lambda found: show(*json.loads(found[1])), text)


def _in_python(kind: str, name: str, words: list[str], fields: dict[str, Plain]) -> str:
    if kind == "option":
        return f"sets={fields!r}"
    given = [f"{name}={value!r}" for name, value in fields.items()]
    if kind == "field":
        return given[0] if given else name
    function = name.replace(" ", "_") + "_" * iskeyword(name)
    return f"sb.{function}({', '.join([*map(repr, words), *given])})"


class BenchmarkError(Exception):
    """An error meant for the user; the command line prints it without a traceback.

    `asked`: what was asked for; `found`: what was found instead; `todo`: what to do next. Their
    texts may mention fields (see above); `fields` are the names of those that were asked for.
    """

    exit_code = 2

    def __init__(self, asked: str, found: str, todo: str) -> None:
        super().__init__(marked_of(asked), marked_of(found), marked_of(todo))
        self.asked, self.found, self.todo = Words(asked), Words(found), Words(todo)

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields that the error is about: ("bits",)."""
        mentions = map(json.loads, MENTION.findall(self.asked.marked))
        return tuple(name for kind, name, *_ in mentions if kind == "field")

    def told(self, words: Callable[[str], str]) -> str:
        """The whole error, each part shown by `words`."""
        return f"asked: {words(self.asked)}\nfound: {words(self.found)}\n  try: {words(self.todo)}"

    def __str__(self) -> str:
        return self.told(str)


class InputError(BenchmarkError):
    """A file, folder, image or option that cannot be used."""


class CellFailed(BenchmarkError):
    """One cell cannot be completed; its row says why and the others go on."""

    exit_code = 1


def closest(name: str, known: Sequence[str], listed_by: str) -> str:
    """Like `did_you_mean`, for names too many to list: how many there are, and what lists them."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    suggestion = f"did you mean {close[0]!r}? " if close else ""
    return f"{suggestion}all {len(known)} of them: {listed_by}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return "did you mean 'x'? " and the list of known names, as the `todo` part of an error."""
    names = sorted(known)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return (
        (f"did you mean {close[0]!r}? " if close else "") + "known: " + (", ".join(names) or "none")
    )

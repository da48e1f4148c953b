"""Errors that a person can act on: what was asked, what was found, what to type next.

The library knows no shell. Its texts name a *field*, `field("bits", 8)`, an option of a plug-in,
`option("size", 128)`, or a *call*, `call("train", segmenter="unet")`. Python shows them as
`bits=8`, `sets={'size': 128}` and `sb.train(segmenter='unet')`; the command shows `--bits 8`,
`--set size=128` and `python -m benchmark train --segmenter unet`. A call that `import benchmark`
has no function for is a command to Python too: nobody can follow other advice.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

# Around a mention, which is JSON: two characters for private use, which no text of a person has.
OPEN, CLOSE = "\ue000", "\ue001"
MENTION = re.compile(f"{OPEN}([^{CLOSE}]*){CLOSE}")

Value = str | int | float | bool | None | Path | Sequence["Value"] | Mapping[str, "Value"]
Plain = str | int | float | bool | None | list["Plain"] | dict[str, "Plain"]

# The functions of `import benchmark as sb` that texts may call, and how many words each takes
# before its fields: `sb.list("inr")` is one, `sb.list("inr", "siren")` is none.
FUNCTIONS = {
    "add_plugin": 1,
    "check": 2,
    "decode": 1,
    "evaluate": 0,
    "list": 1,
    "open": 1,
    "read": 1,
    "run": 0,
    "train": 0,
}
# What a field of the command alone is to Python, which has no such field.
IN_PYTHON = {"debug": "the traceback"}

# Fields whose option is not just their name with dashes.
OPTIONS = {
    "add_plugin": "plugin",
    "folders": "from-brats",
    "lam": "lambda",
    "seeds": "seed",
    "sets": "set",
    "stop_at_db": "stop-at",
}
# Fields whose several values are one word for a shell, with commas.
COMMAS = ("codec", "lam", "lr", "seeds")


def field(name: str, value: Value = None, **more: Value) -> str:
    """A mention of a field, alone or with a value, to be put into a text: `field("bits", 8)`.

    more: others that go with it, as in `field("segmenter", "unet", force=True)`.
    """
    return _mention("field", name, [], {} if value is None else {name: value, **more})


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
        return IN_PYTHON.get(name) or ", ".join(given) or name
    if len(words) > FUNCTIONS.get(name, -1):
        return _in_a_shell(kind, name, words, fields)
    return f"sb.{name}({', '.join([*map(repr, words), *given])})"


def as_options(text: str) -> str:
    """The text as the command shows it, its fields as options: `--bits 8`, `--set size=128`."""
    return render(marked_of(text), _in_a_shell)


def _in_a_shell(kind: str, name: str, words: list[str], fields: dict[str, Plain]) -> str:
    """A mention as options and commands: how the command shows all, and Python what it lacks."""
    if kind == "option":
        return " ".join(_options("sets", dict(fields)))
    given: list[str] = []
    for one, value in fields.items():
        given += _options(one, value)
    if kind == "field":
        return " ".join(given) or _flag(name)
    if name == "add_plugin":  # no command: an option of all that load plug-ins
        return " ".join([_flag(name), *words])
    return " ".join(["python -m benchmark", name, *words, *given])


def _options(name: str, value: Plain) -> Iterator[str]:
    """An option with its value: a flag where it is True, repeated where there are several."""
    if value is True:
        yield _flag(name)
    elif isinstance(value, list) and name in COMMAS:
        yield f"{_flag(name)} {','.join(map(_word, value))}"
    elif isinstance(value, list):
        for one in value:
            yield f"{_flag(name)} {_word(one)}"
    elif isinstance(value, dict):
        for key, one in value.items():
            yield f"{_flag(name)} {key}={_word(one)}"
    else:
        yield f"{_flag(name)} {_word(value)}"


def _word(value: Plain) -> str:
    """A value as a person types it: 1e-5, not 1e-05."""
    return re.sub(r"e([+-])0", r"e\1", str(value)) if isinstance(value, float) else str(value)


def _flag(name: str) -> str:
    return "--" + OPTIONS.get(name, name.replace("_", "-"))


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
        names: list[str] = []
        for mention in MENTION.findall(self.asked.marked):
            kind, name, _, given = json.loads(mention)
            if kind == "field":
                names += given or [name]
            elif kind == "option":
                names.append("sets")
        return tuple(names)

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

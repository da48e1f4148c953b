"""sinco-bench: does a segmenter in the loss make INR-compressed MRI better to read, and on which
images does it not?

    import benchmark as sb

    run = sb.run(inr=["siren"], lam=[1e-5], seeds=range(3))
    run.underperformers()

The names of benchmark/api.py are handed on when they are first used, so that this import costs
nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False  # the name is enough for type checkers, and `typing` takes 5 ms to load
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from benchmark.api import Picture as Picture
    from benchmark.api import Run as Run
    from benchmark.api import add_plugin as add_plugin
    from benchmark.api import check as check
    from benchmark.api import decode as decode
    from benchmark.api import evaluate as evaluate
    from benchmark.api import list as list
    from benchmark.api import open as open
    from benchmark.api import read as read
    from benchmark.api import run as run
    from benchmark.api import train as train

__version__ = "0.2.0"
HANDED_ON = (
    "Picture",
    "Run",
    "add_plugin",
    "check",
    "decode",
    "evaluate",
    "list",
    "open",
    "read",
    "run",
    "train",
)


def __getattr__(name: str) -> Any:
    if name in HANDED_ON:
        from benchmark import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> Sequence[str]:
    return sorted([*globals(), *HANDED_ON])

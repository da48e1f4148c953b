"""What data sets and kernels warn of, as a person reads it: a line each, and of many only the first
few.
"""

from __future__ import annotations

import sys
import warnings
from typing import TextIO

from benchmark.cli.words import as_options

SHOWN = 6


class Notes:
    """Takes the place of warnings.showwarning: `note: ...` for our own, the usual lines for those
    of libraries.
    """

    def __init__(self, everything: bool = False) -> None:
        self.everything, self.seen = everything, 0

    def __call__(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: TextIO | None = None,
        line: str | None = None,
    ) -> None:
        if category is not UserWarning:
            print(
                warnings.formatwarning(message, category, filename, lineno, line),
                end="",
                file=file or sys.stderr,
            )
            return
        self.seen += 1
        if self.everything or self.seen <= SHOWN:
            said = message.args[0] if isinstance(message, Warning) else message
            print(f"note: {as_options(said)}", file=file or sys.stderr)

    def close(self) -> None:
        """Say how many were not shown."""
        if not self.everything and self.seen > SHOWN:
            print(
                f"note: and {self.seen - SHOWN} more like these; --debug shows all", file=sys.stderr
            )

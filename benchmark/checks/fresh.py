"""Decoding in a fresh process, which knows nothing but the bytes and the installed code."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np

_DECODE = """
import io, sys
import numpy as np
from benchmark.plugins import index
{decode}
data = sys.stdin.buffer.read()
out = io.BytesIO()
np.save(out, decode(data).image)
sys.stdout.buffer.write(out.getvalue())
"""


def decode_inr(data: bytes) -> np.ndarray:
    """The picture [H, W, C] of an INR's file."""
    return _run("from benchmark.bitstream import decode", data)


def decode_codec(name: str, data: bytes) -> np.ndarray:
    """The picture [H, W, C] of the file of a registered codec."""
    return _run(f"decode = index.get('codec', {name!r}).load()().decode", data)


def _run(decode: str, data: bytes) -> np.ndarray:
    # The checkout may be found through the working directory alone, so the child gets this
    # process's import path.
    code = f"import sys; sys.path[:] = {sys.path!r}" + _DECODE.format(decode=decode)
    done = subprocess.run(
        [sys.executable, "-c", code], input=data, capture_output=True, check=False
    )
    assert done.returncode == 0, "a fresh process cannot decode it: " + "; ".join(
        done.stderr.decode().strip().splitlines()[-3:]
    )
    image: np.ndarray = np.load(io.BytesIO(done.stdout), allow_pickle=False)
    return image

"""Parameters <-> bytes. A file: header, one float16 scale a tensor, the weights' bits, a CRC32 of
all before it.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Literal

import numpy as np

from benchmark.bitstream.header import MAGIC, Header, refuse
from benchmark.bitstream.quantiser import (
    SCALE_BYTES,
    dequantise,
    pack_bits,
    quantise,
    scale_of,
    unpack_bits,
)
from benchmark.errors import InputError
from benchmark.images.grid import dims, grid
from benchmark.plugins import index
from benchmark.plugins.contracts import Decoded

if TYPE_CHECKING:
    from torch import nn

__all__ = ["MAGIC", "Header", "decode", "encode", "file_bytes", "read_header", "unpack"]
CRC_BYTES = 4
PIXELS_AT_ONCE = 65_536
VALUES_PER_BYTE = (
    65_536  # 0.0001 bits a value: a file that asks for more would only fill the memory
)


def file_bytes(tensor_sizes: Sequence[int], header: Header) -> int:
    """The exact length in bytes of a file with tensors of these numbers of weights."""
    return len(header.pack()) + _bytes_after_header(tensor_sizes, header.bits)


def _bytes_after_header(tensor_sizes: Sequence[int], bits: int) -> int:
    return SCALE_BYTES * len(tensor_sizes) + -(-sum(tensor_sizes) * bits // 8) + CRC_BYTES


def encode(header: Header, state: Mapping[str, np.ndarray]) -> bytes:
    """The file of a fit; `state` has the parameters by name, in the order in which the backbone
    names them.

    Raises CellFailed where a weight is not finite.
    """
    arrays = list(state.values())
    scales = [scale_of(array) for array in arrays]
    levels = np.concatenate(
        [quantise(array, scale, header.bits) for array, scale in zip(arrays, scales, strict=True)]
    )
    body = header.pack() + np.array(scales, "<f2").tobytes() + pack_bits(levels, header.bits)
    return body + zlib.crc32(body).to_bytes(CRC_BYTES, "little")


def read_header(data: bytes) -> Header:
    """The header of a whole, undamaged file; raises InputError where it is none. Needs no torch and
    runs no plug-in.
    """
    header, _ = _start(data)
    if not _sound(data):
        raise refuse("its checksum is wrong: it is damaged or cut short")
    return header


def unpack(data: bytes) -> tuple[Header, dict[str, np.ndarray]]:
    """Header and dequantised parameters of a file; raises InputError where it is foreign, damaged
    or cut short.
    """
    header, state, _ = _open(data)
    return header, state


def decode(data: bytes) -> Decoded:
    """The picture of a file, from its bytes and the backbone's code alone: float32 [H, W, C]
    clipped to [0, 1].

    A volume's planes lie one below the other: [D * H, W, C]. Raises InputError where the file is
    foreign, damaged or cut short, or its backbone is not here.
    """
    import torch

    header, state, module = _open(data)
    module.load_state_dict(
        {name: torch.from_numpy(array) for name, array in state.items()}, strict=False
    )
    entry = index.get("inr", header.name)
    device = entry.declared["device"] or "cpu"
    module.to(device)
    kind: Literal["centers", "corners"] = "corners" if header.grid == "corners" else "centers"
    coords = torch.from_numpy(
        grid(header.height, header.width, entry.declared["coordinates"], kind, header.depth)
    ).to(device)
    with torch.no_grad():
        pixels = torch.cat([module(part).float().cpu() for part in coords.split(PIXELS_AT_ONCE)])
    image = pixels.reshape(header.depth * header.height, header.width, header.channels).clamp(
        0.0, 1.0
    )
    if not torch.isfinite(image).all():
        raise refuse("its weights give values that are not finite")
    return Decoded(image.numpy())


def _sound(data: bytes) -> bool:
    return zlib.crc32(data[:-CRC_BYTES]) == int.from_bytes(data[-CRC_BYTES:], "little")


def _start(data: bytes) -> tuple[Header, int]:
    """Header and its length. Where it is unusable and the checksum is wrong too, the error says
    both: it is damage.
    """
    try:
        header, start = Header.unpack(data)
        values = header.depth * header.height * header.width * header.channels
        if values > VALUES_PER_BYTE * len(data):
            raise refuse(f"its {len(data)} bytes ask for a picture of {values} values")
    except InputError as error:
        if data[: len(MAGIC)] == MAGIC and not _sound(data):
            raise refuse(
                f"{error.found} (and its checksum is wrong: it is damaged or cut short)"
            ) from None
        raise
    return header, start


def _open(data: bytes) -> tuple[Header, dict[str, np.ndarray], nn.Module]:
    header, start = _start(data)
    sound = _sound(data)
    shapes = _shapes(header, len(data), sound)
    sizes = [math.prod(shape) for shape in shapes.values()]
    expected = start + _bytes_after_header(sizes, header.bits)
    if len(data) < expected:
        raise refuse(
            f"it is cut short within its weights: {len(data)} bytes, where its header asks for"
            f" {expected}"
        )
    if len(data) > expected:
        raise refuse(
            f"{len(data) - expected} bytes follow its end: its header asks for {expected} bytes"
        )
    if not sound:
        raise refuse("its checksum is wrong: it is damaged")
    payload = start + SCALE_BYTES * len(sizes)
    scales = np.frombuffer(data[start:payload], "<f2")
    levels = unpack_bits(data[payload:-CRC_BYTES], sum(sizes), header.bits)
    return header, dict(_weights(shapes, scales, levels, header.bits)), _module(header, len(data))


def _shapes(header: Header, length: int, sound: bool) -> dict[str, tuple[int, ...]]:
    """Name -> shape of the backbone's parameters, from a copy without memory: a hostile header
    costs none.

    Some plug-ins compute while they are built, which such a copy cannot: for a sound file they are
    built in earnest.
    """
    try:
        module = _module(header, length, "meta")
    except InputError:
        if not sound:
            raise
        module = _module(header, length)
    return {name: tuple(p.shape) for name, p in module.named_parameters()}


def _weights(
    shapes: Mapping[str, tuple[int, ...]], scales: np.ndarray, levels: np.ndarray, bits: int
) -> Iterator[tuple[str, np.ndarray]]:
    at = 0
    for (name, shape), scale in zip(shapes.items(), scales, strict=True):
        count = math.prod(shape)
        yield name, dequantise(levels[at : at + count], scale, bits).reshape(shape)
        at += count


def _module(header: Header, length: int, device: str | None = None) -> nn.Module:
    """The backbone as the header describes it, its weights not yet set; the caller's random state
    is left as it was.
    """
    import torch

    entry = index.get("inr", header.name)
    args = dict(header.args)
    for name, value in args.items():
        # No size or count exceeds the bits that are there.
        if isinstance(value, int) and abs(value) > 8 * length:
            raise refuse(f"its {name} is {value}, which no file of {length} bytes can hold")
    if "seed" in entry.defaults:
        args["seed"] = header.seed
    plugin = entry.load()
    try:
        with torch.random.fork_rng(devices=[]), torch.device(device) if device else nullcontext():
            torch.manual_seed(header.seed)
            module: nn.Module = plugin(dims(header.depth), header.channels, **args)
    except InputError:
        raise
    except Exception as error:  # a plug-in may raise anything at values that it was not made for
        raise refuse(
            f"its hyper-parameters are refused by {header.name}: {type(error).__name__}: {error}"
        ) from error
    return module

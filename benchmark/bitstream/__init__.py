"""Parameters <-> bytes. A file is a header, one float16 scale a tensor, the weights' bits, and a CRC32 of all before it."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from benchmark.bitstream.header import Header, refuse
from benchmark.bitstream.quantiser import SCALE_BYTES, dequantise, pack_bits, quantise, scale_of, unpack_bits
from benchmark.images.grid import grid
from benchmark.plugins import index
from benchmark.plugins.contracts import Decoded

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Header", "decode", "encode", "file_bytes", "unpack"]
CRC_BYTES = 4
PIXELS_AT_ONCE = 65_536


def file_bytes(tensor_sizes: Sequence[int], header: Header) -> int:
    """The exact length in bytes of a file with tensors of these numbers of weights."""
    return len(header.pack()) + SCALE_BYTES * len(tensor_sizes) + -(-sum(tensor_sizes) * header.bits // 8) + CRC_BYTES


def encode(header: Header, state: Mapping[str, np.ndarray]) -> bytes:
    """The file of a fit; `state` has the parameters by name, in the order in which the backbone names them.

    Raises CellFailed where a weight is not finite.
    """
    arrays = list(state.values())
    scales = [scale_of(array) for array in arrays]
    levels = np.concatenate([quantise(array, scale, header.bits) for array, scale in zip(arrays, scales, strict=True)])
    body = header.pack() + np.array(scales, "<f2").tobytes() + pack_bits(levels, header.bits)
    return body + zlib.crc32(body).to_bytes(CRC_BYTES, "little")


def unpack(data: bytes) -> tuple[Header, dict[str, np.ndarray]]:
    """Header and dequantised parameters of a file; raises InputError where it is foreign, damaged or cut short."""
    header, state, _ = _open(data)
    return header, state


def decode(data: bytes) -> Decoded:
    """The picture of a file, from its bytes and the backbone's code alone: float32 [H, W, C] clipped to [0, 1].

    Raises InputError where the file is foreign, damaged or cut short, or its backbone is not here.
    """
    import torch

    header, state, module = _open(data)
    module.load_state_dict({name: torch.from_numpy(array) for name, array in state.items()}, strict=False)
    coords = torch.from_numpy(grid(header.height, header.width, index.get("inr", header.name).declared["coordinates"], header.grid))
    with torch.no_grad():
        pixels = torch.cat([module(part) for part in coords.split(PIXELS_AT_ONCE)])
    image = pixels.float().reshape(header.height, header.width, header.channels).clamp(0.0, 1.0)
    if not torch.isfinite(image).all():
        raise refuse("its weights give values that are not finite")
    return Decoded(image.numpy())


def _open(data: bytes) -> tuple[Header, dict[str, np.ndarray], nn.Module]:
    import torch

    header, start = Header.unpack(data)
    if zlib.crc32(data[:-CRC_BYTES]) != int.from_bytes(data[-CRC_BYTES:], "little"):
        raise refuse("its checksum is wrong: it is damaged or cut short")
    with torch.device("meta"):  # counts the weights and allocates none: a hostile header costs no memory
        shapes = {name: tuple(p.shape) for name, p in _module(header, len(data)).named_parameters()}
    sizes = [math.prod(shape) for shape in shapes.values()]
    expected = file_bytes(sizes, header)
    if len(data) != expected:
        raise refuse(f"it has {len(data)} bytes, its header asks for {expected}")
    payload = start + SCALE_BYTES * len(sizes)
    scales = np.frombuffer(data[start:payload], "<f2")
    levels = unpack_bits(data[payload:-CRC_BYTES], sum(sizes), header.bits)
    with torch.random.fork_rng(devices=[]):
        module = _module(header, len(data))
    return header, dict(_weights(shapes, scales, levels, header.bits)), module


def _weights(shapes: Mapping[str, tuple[int, ...]], scales: np.ndarray, levels: np.ndarray, bits: int) -> Iterator[tuple[str, np.ndarray]]:
    at = 0
    for (name, shape), scale in zip(shapes.items(), scales, strict=True):
        count = math.prod(shape)
        yield name, dequantise(levels[at:at + count], scale, bits).reshape(shape)
        at += count


def _module(header: Header, length: int) -> nn.Module:
    """The backbone as the header describes it, its weights not yet set."""
    entry = index.get("inr", header.name)
    args = dict(header.args)
    for name, value in args.items():
        if isinstance(value, int) and abs(value) > 8 * length:  # no size or count exceeds the bits that are there
            raise refuse(f"its {name} is {value}, which no file of {length} bytes can hold")
    if "seed" in entry.defaults:
        args["seed"] = header.seed
    try:
        return entry.load()(2, header.channels, **args)
    except (ValueError, TypeError, RuntimeError, AssertionError, ZeroDivisionError) as error:
        raise refuse(f"its hyper-parameters are refused by {header.name}: {error}") from None

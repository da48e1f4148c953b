"""docs/format.md is enough to write a decoder: this one is written from the page, with numpy and
the standard library alone, and agrees with `decode`.
"""

from __future__ import annotations

import math
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "format.md").read_text()
MASK64 = 2**64 - 1


def page_file() -> bytes:
    """The file whose bytes the page shows."""
    dump = re.search(r"## A file, read by hand.*?```text\n(.*?)```", PAGE, re.DOTALL)
    assert dump, "the page shows no file"
    return bytes.fromhex(dump.group(1))


# --- the decoder; nothing of ours is imported from here to the end of `decoded` ---


@dataclass
class Stream:
    """A place in bytes, from which msgpack values are read."""

    data: bytes
    at: int

    def take(self, count: int) -> bytes:
        part = self.data[self.at : self.at + count]
        assert len(part) == count, "the file is cut short"
        self.at += count
        return part

    def value(self) -> Any:
        first = self.take(1)[0]
        if first < 0x80:
            return first
        if first >= 0xE0:
            return first - 256
        if 0xA0 <= first <= 0xBF:
            return self.take(first - 0xA0).decode()
        if 0x90 <= first <= 0x9F:
            return [self.value() for _ in range(first - 0x90)]
        if first in (0xC2, 0xC3):
            return first == 0xC3
        if first == 0xD9:
            return self.take(self.take(1)[0]).decode()
        if first == 0xDC:
            return [self.value() for _ in range(struct.unpack(">H", self.take(2))[0])]
        numbers = {0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xCA: ">f", 0xCB: ">d"}
        numbers |= {0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q"}
        form = numbers[first]
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]


@dataclass
class Fields:
    name: str
    args: list[Any]
    height: int
    width: int
    channels: int
    bits: int
    seed: int
    low: float
    high: float
    grid: int
    depth: int = 1

    @property
    def inputs(self) -> int:
        return 3 if self.depth > 1 else 2


def coordinates(fields: Fields, low: float, high: float) -> np.ndarray:
    sides = [fields.height, fields.width]
    if fields.depth > 1:
        sides = [fields.depth, *sides]
    axes = []
    for n in sides:
        i = np.arange(n, dtype=np.float64)
        t = (i + 0.5) / n if fields.grid == 0 else i / max(n - 1, 1)
        axes.append((low + (high - low) * t).astype(np.float32).astype(np.float64))
    points = [axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")]
    return np.stack(points, axis=1)


def siren(fields: Fields) -> tuple[list[tuple[int, ...]], Callable[..., np.ndarray]]:
    h, k, omega_0, omega_hidden, *_ = fields.args
    widths = [fields.inputs, *[h] * (k + 1), fields.channels]

    def forward(tensors: list[np.ndarray]) -> np.ndarray:
        x = coordinates(fields, -1, 1)
        for i in range(k + 1):
            omega = omega_0 if i == 0 else omega_hidden
            x = np.sin(omega * (x @ tensors[2 * i].T + tensors[2 * i + 1]))
        return x @ tensors[-2].T + tensors[-1]

    return _linear_shapes(widths), forward


def _linear_shapes(widths: list[int]) -> list[tuple[int, ...]]:
    shapes: list[tuple[int, ...]] = []
    for n, m in zip(widths, widths[1:], strict=False):
        shapes += [(m, n), (m,)]
    return shapes


def fourier(fields: Fields) -> tuple[list[tuple[int, ...]], Callable[..., np.ndarray]]:
    f, sigma, h, k = fields.args
    B = sigma * normals(fields.seed, f * fields.inputs).reshape(f, fields.inputs)
    B = B.astype(np.float32).astype(np.float64)

    def forward(tensors: list[np.ndarray]) -> np.ndarray:
        z = 2 * np.pi * coordinates(fields, 0, 1) @ B.T
        x = np.concatenate([np.cos(z), np.sin(z)], axis=1)
        for i in range(k):
            x = np.maximum(0, x @ tensors[2 * i].T + tensors[2 * i + 1])
        return x @ tensors[-2].T + tensors[-1]

    return _linear_shapes([2 * f, *[h] * k, fields.channels]), forward


def philox_words(seed: int) -> Iterator[int]:
    counter = 0
    while True:
        counter += 1
        c, key = (counter, 0, 0, 0), (seed, 0)
        for _ in range(10):
            first, second = 0xD2E7470EE14C6C93 * c[0], 0xCA5A826395121157 * c[2]
            c = (
                second >> 64 ^ c[1] ^ key[0],
                second & MASK64,
                first >> 64 ^ c[3] ^ key[1],
                first & MASK64,
            )
            key = (key[0] + 0x9E3779B97F4A7C15 & MASK64, key[1] + 0xBB67AE8584CAA73B & MASK64)
        yield from c


def normals(seed: int, n: int) -> np.ndarray:
    m = math.ceil(n / 2)
    words = philox_words(seed)
    u = np.array([((next(words) >> 11) + 0.5) / 2**53 for _ in range(2 * m)])
    radius, angle = np.sqrt(-2 * np.log(u[:m])), 2 * np.pi * u[m:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:n]


def hashgrid(fields: Fields) -> tuple[list[tuple[int, ...]], Callable[..., np.ndarray]]:
    levels, features, log2_size, base, growth, h, k = fields.args
    d = fields.inputs
    scales, resolutions, rows = [], [], []
    for level in range(levels):
        exponent = np.float32(level) * np.float32(np.log2(growth))
        scale = np.float32(2.0 ** float(exponent)) * np.float32(base) - np.float32(1)
        resolution = math.ceil(scale) + 1
        scales.append(float(scale))
        resolutions.append(resolution)
        rows.append(min(math.ceil(resolution**d / 8) * 8, 2**log2_size))
    widths = [levels * features, *[h] * k, fields.channels]
    shapes: list[tuple[int, ...]] = list(zip(widths[1:], widths, strict=False))
    shapes += [(count, features) for count in rows]

    def level_features(v: np.ndarray, level: int, table: np.ndarray) -> np.ndarray:
        position = (scales[level] * v + 0.5).astype(np.float32)
        cell = np.floor(position)
        fraction, cell = (position - cell).astype(np.float64), cell.astype(np.int64)
        found = np.zeros((len(v), features))
        for corner in range(2**d):
            weight, row = np.ones(len(v)), np.zeros(len(v), np.int64)
            for i, prime in zip(range(d), (1, 2654435761, 805459861), strict=False):
                bit = corner >> i & 1
                weight = weight * (fraction[:, i] if bit else 1 - fraction[:, i])
                p = cell[:, i] + bit
                if resolutions[level] ** d <= rows[level]:
                    row = row + p * resolutions[level] ** i
                else:
                    row = row ^ (p * prime & 0xFFFFFFFF)
            found += weight[:, None] * table[row % rows[level]]
        return found

    def forward(tensors: list[np.ndarray]) -> np.ndarray:
        matrices, tables = tensors[: k + 1], tensors[k + 1 :]
        v = coordinates(fields, 0, 1)
        x = np.concatenate([level_features(v, i, t) for i, t in enumerate(tables)], axis=1)
        for matrix in matrices[:-1]:
            x = np.maximum(0, x @ matrix.T)
        return x @ matrices[-1].T

    return shapes, forward


BACKBONES = {"siren": siren, "fourier": fourier, "hashgrid-torch": hashgrid}


def decoded(data: bytes) -> tuple[Fields, np.ndarray]:
    """Header and picture [depth * height, width, channels] of a file."""
    assert data[:3] == b"INR"
    assert zlib.crc32(data[:-4]) == struct.unpack("<I", data[-4:])[0], "the checksum is wrong"
    stream = Stream(data, 4)
    fields = Fields(*(stream.value() for _ in range({1: 10, 2: 11}[data[3]])))
    shapes, forward = BACKBONES[fields.name](fields)
    scales = np.frombuffer(stream.take(2 * len(shapes)), "<f2").astype(np.float64)
    count = sum(math.prod(shape) for shape in shapes)
    packed = stream.take(math.ceil(count * fields.bits / 8))
    assert stream.at + 4 == len(data), "the length is wrong"
    bits = "".join(f"{byte:08b}" for byte in packed)
    top, at, tensors = 2 ** (fields.bits - 1) - 1, 0, []
    for shape, scale in zip(shapes, scales, strict=True):
        weights = []
        for _ in range(math.prod(shape)):
            level = int(bits[at : at + fields.bits], 2)
            weights.append((level - top) * (scale / top))
            at += fields.bits
        tensors.append(np.array(weights).astype(np.float32).astype(np.float64).reshape(shape))
    values = np.clip(forward(tensors), 0, 1)
    return fields, values.reshape(fields.depth * fields.height, fields.width, fields.channels)


# --- the tests ---


def made(name: str, args: dict[str, Any], **picture: Any) -> bytes:
    """A file of a backbone with random weights, written by the program."""
    import torch

    from benchmark.bitstream import Header, encode
    from benchmark.plugins import index

    entry = index.get("inr", name)
    args = {n: v for n, v in {**entry.defaults, **args}.items() if n != "seed"}
    where = {"height": 12, "width": 9, "channels": 1, "bits": 10, "seed": 5} | picture
    header = Header(name, args, **where)
    given = args | ({"seed": header.seed} if "seed" in entry.defaults else {})
    torch.manual_seed(0)
    module = entry.load()(3 if header.depth > 1 else 2, header.channels, **given)
    state = {}
    for parameter, tensor in module.named_parameters():
        state[parameter] = tensor.detach().numpy()
    # Fresh weights give values around zero, and fresh tables are near zero: a picture of one shade,
    # or one that is clipped, would prove nothing.
    if name == "hashgrid-torch":
        for parameter in state:
            grow = 1e4 if parameter.startswith("tables") else 1
            state[parameter] = grow * state[parameter]
        last = f"network.{args['n_hidden_layers']}"
        state[last] = np.abs(state[last])
    else:
        state[list(state)[-1]] = np.full(header.channels, 0.5, np.float32)
    return encode(header, state)


FILES = {
    "siren": ("siren", {}, {}),
    "siren, corners, RGB": ("siren", {"hidden_features": 5}, {"grid": "corners", "channels": 3}),
    "siren, other omegas": ("siren", {"omega_0": 12.7, "omega_hidden": 1.0, "bias": "torch"}, {}),
    "siren, a volume": ("siren", {}, {"depth": 4, "bits": 7}),
    "fourier": ("fourier", {"features": 7}, {"seed": 4_000_000_000}),
    "fourier, a volume": ("fourier", {"features": 3, "sigma": 1.3}, {"depth": 3, "bits": 16}),
    "hash grid": ("hashgrid-torch", {}, {"height": 40, "width": 33}),
    "hash grid, a volume": ("hashgrid-torch", {"n_features_per_level": 2}, {"depth": 5}),
}


@pytest.mark.parametrize("name", FILES)
def test_a_decoder_written_from_the_page_agrees_with_decode(name):
    from benchmark.bitstream import decode

    backbone, args, picture = FILES[name]
    data = made(backbone, args, window=(-3.5, 1040.0), **picture)
    fields, image = decoded(data)
    ours = decode(data).image
    assert image.shape == ours.shape
    assert np.ptp(ours) > 0.05, "a picture of one shade would prove nothing"
    assert np.mean((ours > 0) & (ours < 1)) > 0.5, "most of it is clipped"
    np.testing.assert_allclose(image, ours, atol=2e-5)
    assert (fields.low, fields.high) == (-3.5, 1040.0)


def test_the_file_on_the_page_is_what_the_page_says():
    from benchmark.bitstream import decode

    data = page_file()
    fields, image = decoded(data)
    assert fields == Fields("siren", [2, 1, 30.0, 30.0, 0], 3, 4, 1, 8, 7, 0.0, 1040.0, 0)
    np.testing.assert_allclose(image, decode(data).image, atol=1e-6)
    row = re.search(r"first row of the picture: ([\d., ]+)\.", PAGE)
    assert row
    np.testing.assert_allclose(
        image[0, :, 0], [float(x) for x in row.group(1).split(",")], atol=6e-6
    )


def test_the_page_names_every_argument_in_order_with_its_default():
    from benchmark.plugins import index

    for name in BACKBONES:
        section = re.search(rf"^## {name}\n(.*?)^## ", PAGE, re.DOTALL | re.MULTILINE)
        assert section, name
        shown = re.findall(r"^\| `(\w+)`[^|]*\|[^|]*\| ([\d.]+)", section.group(1), re.MULTILINE)
        options = [option for option in index.get("inr", name).options if option.name != "seed"]
        assert [argument for argument, _ in shown] == [option.name for option in options]
        for (argument, default), option in zip(shown, options, strict=True):
            real = option.choices.index(option.default) if option.choices else option.default
            assert float(default) == real, argument


def test_the_generator_on_the_page_is_numpys_philox():
    for seed in (0, 7, 2**32 - 1):
        words = philox_words(seed)
        assert [next(words) for _ in range(9)] == list(np.random.Philox(key=seed).random_raw(9))


def test_a_changed_byte_is_noticed():
    data = bytearray(page_file())
    data[-8] ^= 1
    with pytest.raises(AssertionError, match="checksum"):
        decoded(bytes(data))

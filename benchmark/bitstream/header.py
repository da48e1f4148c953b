"""The header of a file: all that decoding needs besides the weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgpack
import numpy as np

from benchmark.errors import InputError, call, did_you_mean
from benchmark.plugins import index
from benchmark.plugins.options import Option

MAGIC = b"INR"
VERSION, VOLUME = 1, 2  # of an image; of a volume, which has its depth as a further field
MAX_SIDE = 1 << 14
MAX_DEPTH, MAX_ROWS = 1 << 12, 1 << 18  # rows: of all planes together
_GRIDS = ("centers", "corners")
_TODO = f"a file that `{call('run')}` wrote, copied whole"


def refuse(found: str, todo: str = _TODO) -> InputError:
    return InputError("to decode a file", found, todo)


@dataclass(frozen=True)
class Header:
    """Backbone, hyper-parameters, picture and quantiser of one file; about 40 bytes when packed.

    name, args: the INR plug-in and its hyper-parameters (all but `seed`); height, width, channels:
    of the picture; bits: of each weight; seed: of random constants that are made again, not sent;
    window: the source intensities that 0 and 1 stand for, rounded to float32; grid: where pixels
    lie (images/grid.py); depth: planes of a volume, 1 of an image. Raises InputError where a field
    is out of range.
    """

    name: str
    args: Mapping[str, Any]
    height: int
    width: int
    channels: int
    bits: int
    seed: int = 0
    window: tuple[float, float] = (0.0, 1.0)
    grid: str = "centers"
    depth: int = 1

    def __post_init__(self) -> None:
        checks: dict[str, tuple[Any, Callable[[Any], bool], str]] = {
            "name": (
                self.name,
                lambda v: isinstance(v, str) and 0 < len(v) <= 64,
                "1 to 64 letters",
            ),
            "height": (self.height, lambda v: _whole(v) and 1 <= v <= MAX_SIDE, f"1 to {MAX_SIDE}"),
            "width": (self.width, lambda v: _whole(v) and 1 <= v <= MAX_SIDE, f"1 to {MAX_SIDE}"),
            "channels": (self.channels, lambda v: _whole(v) and 1 <= v <= 16, "1 to 16"),
            "bits": (self.bits, lambda v: _whole(v) and 6 <= v <= 16, "6 to 16"),
            "seed": (self.seed, lambda v: _whole(v) and 0 <= v < 2**32, "0 to 4294967295"),
            "window": (
                self.window,
                lambda v: len(v) == 2 and all(map(_finite, v)),
                "two numbers that float32 holds",
            ),
            "grid": (self.grid, lambda v: v in _GRIDS, " or ".join(_GRIDS)),
            "depth": (
                self.depth,
                lambda v: _whole(v) and 1 <= v <= MAX_DEPTH and v * self.height <= MAX_ROWS,
                f"1 to {MAX_DEPTH}, with at most {MAX_ROWS} rows in all planes",
            ),
        }
        for field, (value, valid, expected) in checks.items():
            if not valid(value):
                raise refuse(f"its {field} is {value!r}, not {expected}")
        object.__setattr__(self, "window", tuple(float(np.float32(x)) for x in self.window))

    def pack(self) -> bytes:
        """Magic, version and msgpack values; hyper-parameters by position, in the order of the
        plug-in's signature.

        A signature, and the choices of an option, may only grow at their end: files with fewer
        values than a signature has take the defaults for the rest, and a choice is sent as its
        number.
        """
        values = [_short(_sent(option, self.args[option.name])) for option in _options(self.name)]
        fields = [
            self.name,
            values,
            self.height,
            self.width,
            self.channels,
            self.bits,
            self.seed,
            *(_short(float(x)) for x in self.window),
            _GRIDS.index(self.grid),
        ]
        version, fields = (VERSION, fields) if self.depth == 1 else (VOLUME, [*fields, self.depth])
        return MAGIC + bytes([version]) + b"".join(_pack(field) for field in fields)

    @classmethod
    def unpack(cls, data: bytes) -> tuple[Header, int]:
        """The header at the start of `data`, and its length in bytes; raises InputError where it is
        none.
        """
        if data[:3] != MAGIC:
            raise refuse(
                f"it does not start with {MAGIC.decode()}: another kind of file, or a damaged one"
            )
        if len(data) < 4 or data[3] not in (VERSION, VOLUME):
            found = "it is cut short before its version"
            if len(data) > 3:
                found = f"it is of version {data[3]}"
            raise refuse(
                f"{found}, this program reads {VERSION} and {VOLUME}",
                "a newer version of this program",
            )
        unpacker = msgpack.Unpacker(
            max_buffer_size=max(1, len(data)), raw=False, strict_map_key=False
        )
        unpacker.feed(data[4:])
        try:
            name, values, height, width, channels, bits, seed, low, high, grid = (
                unpacker.unpack() for _ in range(10)
            )
            known = _GRIDS[grid] if _whole(grid) and 0 <= grid < len(_GRIDS) else repr(grid)
            depth = unpacker.unpack() if data[3] == VOLUME else 1
            header = cls(
                name,
                _named(name, values),
                height,
                width,
                channels,
                bits,
                seed,
                (low, high),
                known,
                depth,
            )
        except InputError:
            raise
        except (msgpack.UnpackException, ValueError, TypeError, RecursionError) as error:
            raise refuse(
                f"its header cannot be read ({type(error).__name__}): it is cut short or damaged"
            ) from None
        return header, 4 + unpacker.tell()

    def describe(self) -> str:
        """The header in words, one field a line."""
        args = ", ".join(f"{name}={value}" for name, value in self.args.items())
        low, high = self.window
        planes = "" if self.depth == 1 else f"{self.depth} planes x "
        return "\n".join(
            [
                f"backbone  {self.name} ({args})",
                (
                    f"picture   {planes}{self.height} rows x {self.width} columns, {self.channels}"
                    f" channel{'s' * (self.channels > 1)}"
                ),
                f"weights   {self.bits} bits each",
                f"seed      {self.seed}",
                f"window    0 stands for {low:g}, 1 for {high:g}",
                f"grid      pixel {self.grid}",
            ]
        )


def _options(name: str) -> list[Option]:
    try:
        return [option for option in index.get("inr", name).options if option.name != "seed"]
    except InputError:
        raise refuse(
            f"its backbone is {name!r}, and no plug-in of that name is here",
            f"{did_you_mean(name, index.entries('inr'))}; {call('add_plugin', 'FILE.py')} for one"
            " of your own",
        ) from None


def _named(name: str, values: Any) -> dict[str, Any]:
    if not isinstance(name, str) or not isinstance(values, list):
        raise refuse(
            "its header is damaged: no backbone's name or hyper-parameters where they should stand"
        )
    options = _options(name)
    if len(values) > len(options):
        raise refuse(
            f"it has {len(values)} hyper-parameters of {name}, which takes {len(options)} here",
            "a newer version of this program",
        )
    given = {}
    for option, value in zip(options, values, strict=False):
        if option.choices and _whole(value) and 0 <= value < len(option.choices):
            value = option.choices[value]
        foreign = option.default is not None and type(value) is not type(option.default)
        if foreign or (option.choices and value not in option.choices):
            raise refuse(
                f"its {option.name} is {value!r}: damaged, or of another version of {name}"
            )
        given[option.name] = value
    return {option.name: given.get(option.name, option.default) for option in options}


def _sent(option: Option, value: Any) -> Any:
    """The value as it stands in a file; 30 is as good as 30.0, but only a float is read back for
    one.
    """
    if option.choices:
        return option.choices.index(value)
    return float(value) if isinstance(option.default, float) and _whole(value) else value


class _Single(float):
    """A float that 32 bits hold exactly, to be packed as such."""


def _short(value: Any) -> Any:
    if not isinstance(value, float) or not _finite(value):
        return value
    # float(): numpy compares a float32 and a Python float as float32, where they are always equal.
    return _Single(value) if float(np.float32(value)) == value else value


def _pack(value: Any) -> bytes:
    packed: bytes
    if isinstance(value, list):
        packed = msgpack.Packer().pack_array_header(len(value))
        return packed + b"".join(_pack(item) for item in value)
    if isinstance(value, _Single):
        packed = msgpack.packb(float(value), use_single_float=True)
    else:
        packed = msgpack.packb(value)
    return packed


def _finite(value: Any) -> bool:
    return isinstance(value, float | int) and abs(value) <= float(np.finfo(np.float32).max)


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)

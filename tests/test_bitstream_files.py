"""Files: what goes in comes out, in a fresh process too, and a broken file says what is wrong with
it.
"""

import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmark.bitstream import Header, decode, encode, file_bytes, read_header, unpack
from benchmark.errors import CellFailed, InputError
from benchmark.images.grid import grid
from benchmark.plugins import index

ROOT = Path(__file__).parents[1]
SMALL = {
    "hidden_features": 3,
    "hidden_layers": 1,
    "omega_0": 30.0,
    "omega_hidden": 30.0,
    "bias": "weights",
}


def module_of(header):
    torch.manual_seed(1)
    entry = index.get("inr", header.name)
    seed = {"seed": header.seed} if "seed" in entry.defaults else {}
    return entry.load()(2, header.channels, **header.args, **seed)


def state_of(module):
    return {name: p.detach().numpy() for name, p in module.named_parameters()}


def picture_of(module, header):
    bounds = index.get("inr", header.name).declared["coordinates"]
    with torch.no_grad():
        values = module(torch.from_numpy(grid(header.height, header.width, bounds, header.grid)))
    return values.clamp(0, 1).reshape(header.height, header.width, header.channels).numpy()


@pytest.fixture
def small():
    header = Header("siren", SMALL, 12, 10, 1, 10, window=(0.0, 255.0))
    return header, encode(header, state_of(module_of(header)))


def sealed(body):
    """A file of `body` with the checksum that belongs to it."""
    return body + zlib.crc32(body).to_bytes(4, "little")


@given(
    st.builds(
        dict,
        hidden_features=st.integers(1, 9),
        hidden_layers=st.integers(0, 3),
        omega_0=st.floats(0.5, 90),
        omega_hidden=st.sampled_from([1.0, 30.0]),
        bias=st.sampled_from(["weights", "torch"]),
    ),
    st.integers(1, 20),
    st.integers(1, 300),
    st.integers(1, 4),
    st.integers(6, 16),
    st.integers(0, 2**31 - 1),
    st.tuples(*[st.floats(-1e6, 1e6)] * 2),
    st.sampled_from(["centers", "corners"]),
)
@settings(max_examples=60, deadline=None)
def test_what_goes_in_comes_out(args, height, width, channels, bits, seed, window, kind):
    header = Header("siren", args, height, width, channels, bits, seed, window, kind)
    module = module_of(header)
    state = state_of(module)
    data = encode(header, state)
    assert len(data) == file_bytes([a.size for a in state.values()], header)
    read, weights = unpack(data)
    assert read == read_header(data) == header
    assert list(weights) == list(state)
    for name, original in state.items():
        assert weights[name].shape == original.shape
        assert (
            np.abs(weights[name] - original).max()
            <= 1.001 * np.abs(original).max() / (2 ** (bits - 1) - 1) / 2 + 1e-7
        )
    module.load_state_dict({name: torch.from_numpy(array) for name, array in weights.items()})
    image = decode(data).image
    assert image.dtype == np.float32 and image.shape == (height, width, channels)
    assert np.array_equal(image, picture_of(module, header))


def test_constants_come_from_the_seed_and_cost_no_bytes():
    args = dict(features=4, sigma=3.0, hidden_features=4, hidden_layers=1)
    header = Header("fourier", args, 16, 16, 1, 16, seed=5)
    module = module_of(header)
    data = encode(header, state_of(module))
    assert np.abs(decode(data).image - picture_of(module, header)).max() < 1e-3
    other = encode(Header("fourier", args, 16, 16, 1, 16, seed=6), state_of(module))
    assert len(other) == len(data)
    assert np.abs(decode(other).image - decode(data).image).max() > 0.01


def test_a_fresh_process_decodes_the_same_image(small, tmp_path):
    (tmp_path / "fit.inr").write_bytes(small[1])
    command = [sys.executable, "-m", "benchmark", "decode", "fit.inr", "-o", "image.npy"]
    subprocess.run(
        command,
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HOME": str(tmp_path)},
        check=True,
        timeout=60,
        capture_output=True,
    )
    assert np.array_equal(np.load(tmp_path / "image.npy"), decode(small[1]).image)


def test_the_header_is_small_and_says_what_it_holds():
    header = Header("siren", SMALL | {"hidden_features": 16}, 128, 128, 1, 10, window=(0.0, 255.0))
    assert len(header.pack()) <= 44
    for words in (
        "siren",
        "hidden_features=16",
        "128 rows x 128 columns",
        "10 bits",
        "255",
        "centers",
    ):
        assert words in header.describe()


def test_a_whole_number_is_as_good_as_a_float(small):
    header = Header("siren", SMALL | {"omega_0": 30}, 12, 10, 1, 10, window=(0, 255))
    assert header.pack() == small[0].pack()


def test_every_window_costs_the_same_bytes():
    lengths = {
        len(Header("siren", SMALL, 12, 10, 1, 10, window=w).pack())
        for w in ((0.0, 1.0), (0.1, 663.27), (-1e9, 1 / 3))
    }
    assert len(lengths) == 1


def test_reading_a_header_needs_no_torch(small, tmp_path):
    (tmp_path / "fit.inr").write_bytes(small[1])
    code = (
        "import sys; from benchmark.bitstream import read_header\n"
        f"assert read_header(open({str(tmp_path / 'fit.inr')!r}, 'rb').read()).height == 12\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)


def test_the_callers_random_state_is_left_alone(small):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    decode(small[1])
    assert torch.equal(torch.rand(3), expected)


# --- broken files


def test_cut_short_at_every_length(small):
    header, data = small
    for n in range(len(data)):
        with pytest.raises(InputError) as error:
            decode(data[:n])
        if n >= len(header.pack()):
            assert "cut short" in error.value.found and str(n) in error.value.found
        with pytest.raises(InputError):
            read_header(data[:n])


def test_a_flip_of_any_bit_is_noticed(small):
    data = small[1]
    for i in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[i // 8] ^= 1 << i % 8
        for read in (unpack, read_header):
            with pytest.raises(InputError) as error:
                read(bytes(flipped))
            assert (
                i < 24
                or "checksum is wrong" in error.value.found
                or "cut short" in error.value.found
                or "follow its end" in error.value.found
            )


def test_bytes_after_the_end(small):
    with pytest.raises(InputError, match="2 bytes follow its end"):
        decode(small[1] + b"ab")
    with pytest.raises(InputError, match="follow its end"):
        decode(sealed(small[1][:-4] + b"ab"))


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        (b"INR", b"PNG", "does not start with INR"),
        (b"INR\x01", b"INR\x03", "version 3"),
        (b"\xa5siren", b"\xa5sired", "sb.add_plugin('FILE.py')"),
        (b"\x0c\x0a\x01\x0a", b"\x0c\x0a\x01\x11", "bits is 17"),
        (b"\x0c\x0a\x01\x0a", b"\x0c\x0a\x01\x05", "bits is 5"),
        (b"\x0c\x0a\x01\x0a", b"\x00\x0a\x01\x0a", "height is 0"),
        (b"\x0c\x0a\x01\x0a", b"\x0c\x0a\xc3\x0a", "channels is True"),
        (
            b"\x0c\x0a\x01\x0a",
            b"\xcd\x40\x00\xcd\x40\x00\x01\x0a",
            "ask for a picture of 268435456 values",
        ),
        (b"\x95\x03\x01", b"\x95\xce\x7f\xff\xff\xff\x01", "no file of"),
        (b"\x95\x03\x01", b"\x95\xff\x01", "refused by siren"),
        (b"\x95\x03\x01", b"\x95\xcd\x01\x00\x01", "cut short within its weights"),
        (b"\x95\x03\x01", b"\x95\xa1x\x01", "hidden_features is 'x'"),
        (b"\x95\x03\x01", b"\x97\x03\x03\x03\x01", "has 7 hyper-parameters"),
        (b"\x95\x03\x01", b"\xdd\xff\xff\xff\xff\x03\x01", "header cannot be read"),
    ],
)
def test_a_file_with_a_right_checksum_and_a_wrong_header(small, old, new, found):
    body = small[1][:-4]
    assert body.count(old) == 1
    with pytest.raises(InputError) as error:
        unpack(sealed(body.replace(old, new)))
    assert found in str(error.value)
    assert "checksum" not in str(error.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e6])
def test_a_diverged_fit_is_a_failed_cell(small, bad):
    header, _ = small
    state = state_of(module_of(header))
    next(iter(state.values())).flat[2] = bad
    with pytest.raises(CellFailed):
        encode(header, state)


@pytest.mark.parametrize(
    "wrong",
    [
        {"bits": 17},
        {"height": 0},
        {"width": 20_000},
        {"channels": 17},
        {"seed": -1},
        {"window": (0.0, np.nan)},
        {"grid": "edges"},
    ],
)
def test_a_header_out_of_range_is_refused_before_it_is_written(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Header(
            **{"name": "siren", "args": SMALL, "height": 8, "width": 8, "channels": 1, "bits": 8}
            | wrong
        )


# --- plug-ins of one's own

PLUGIN = """
import torch
from benchmark.plugins import register

@register.inr("mine", size="width")
class Mine(torch.nn.Module):
    def __init__(self, in_dim, out_dim, *, {options}):
        super().__init__()
        self.layer = torch.nn.Linear(in_dim, out_dim)
        {more}

    def forward(self, coords):
        return self.layer(coords)
"""


def write_plugin(folder, options, more="pass"):
    path = folder / "mine.py"
    path.write_text(PLUGIN.format(options=options, more=more))
    for name in [name for name in sys.modules if name.startswith("benchmark.plugins.file_")]:
        del sys.modules[name]
    index.entries.cache_clear()
    index.add_plugin_file(path)


def test_a_signature_may_grow_at_its_end(tmp_path):
    write_plugin(tmp_path, "width: int = 3, a: float = 0.5")
    header = Header("mine", {"width": 4, "a": 0.25}, 4, 4, 1, 8)
    data = encode(header, state_of(module_of(header)))
    write_plugin(tmp_path, "width: int = 3, a: float = 0.5, b: str = 'new'")
    assert unpack(data)[0].args == {"width": 4, "a": 0.25, "b": "new"}
    decode(data)
    write_plugin(tmp_path, "width: int = 3")
    with pytest.raises(InputError, match="2 hyper-parameters of mine"):
        decode(data)


def test_a_plugin_that_computes_while_it_is_built_is_decoded_too(tmp_path):
    write_plugin(tmp_path, "width: int = 3", "assert self.layer.weight.abs().max().item() > 0")
    header = Header("mine", {"width": 4}, 4, 4, 1, 8)
    assert decode(encode(header, state_of(module_of(header)))).image.shape == (4, 4, 1)

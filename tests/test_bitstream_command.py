"""`python -m benchmark decode`."""

import imagecodecs
import numpy as np
import pytest
import tifffile
import torch

from benchmark.bitstream import Header, decode, encode
from benchmark.cli import main
from benchmark.plugins import Sample, VolumeStatistics, index


@pytest.fixture(params=[1, 3])
def fit(request, tmp_path):
    """(path of a file, its image)"""
    header = Header(
        "siren", index.get("inr", "siren").defaults, 20, 30, request.param, 12, window=(-10.0, 90.0)
    )
    torch.manual_seed(0)
    module = index.get("inr", "siren").load()(2, request.param, **header.args)
    data = encode(header, {name: 3 * p.detach().numpy() for name, p in module.named_parameters()})
    (tmp_path / "fit.inr").write_bytes(data)
    image = decode(data).image
    assert image.std() > 0.02
    return tmp_path / "fit.inr", image


@pytest.mark.parametrize(("words", "white"), [([], 255), (["--depth", "16"], 65_535)])
def test_a_png(fit, words, white):
    path, image = fit
    out = path.with_suffix(".png")
    assert main(["decode", str(path), "-o", str(out), *words]) == 0
    values = imagecodecs.png_decode(out.read_bytes())
    assert values.shape == (image.shape if image.shape[2] == 3 else image.shape[:2])
    assert np.abs(values.reshape(image.shape) / white - image).max() <= 0.51 / white


def test_arrays_and_source_units(fit):
    path, image = fit
    npy, tif = path.with_suffix(".npy"), path.with_suffix(".tif")
    assert main(["decode", str(path), "-o", str(npy)]) == 0
    assert np.array_equal(np.load(npy), image)
    assert main(["decode", str(path), "-o", str(tif), "--source-units"]) == 0
    assert np.allclose(tifffile.imread(tif).reshape(image.shape), 100 * image - 10, atol=1e-4)


def test_without_an_output_it_says_what_is_in_the_file(fit, capsys, tmp_path):
    path, image = fit
    before = sorted(tmp_path.iterdir())
    assert main(["decode", str(path)]) == 0
    out = capsys.readouterr().out
    assert (
        "siren" in out and "20 rows x 30 columns" in out and f"{path.stat().st_size:,} bytes" in out
    )
    assert sorted(tmp_path.iterdir()) == before


def test_what_is_there_is_kept_unless_forced(fit, capsys):
    path, _ = fit
    out = path.with_suffix(".png")
    out.write_bytes(b"precious")
    assert main(["decode", str(path), "-o", str(out)]) == 2
    assert out.read_bytes() == b"precious" and "--force" in capsys.readouterr().err
    assert main(["decode", str(path), "-o", str(out), "--force"]) == 0
    assert out.read_bytes() != b"precious"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["{folder}/none.inr"], "no such file"),
        (["{file}", "-o", "{folder}/a.jpg"], ".jpg is none of the formats"),
        (["{file}", "-o", "{folder}/no/a.png"], "no folder"),
        (["{file}", "-o", "{folder}/a.png", "--mask", "{folder}/m.png"], "sends no mask"),
        (["{file}", "-o", "{folder}/a.png", "--source-units"], "-o image.npy"),
        (["{file}", "--plugin", "{folder}/none.py"], "no such file"),
        (["{foreign}"], "does not start with INR"),
    ],
)
def test_what_cannot_be_done_is_said_and_leaves_nothing(fit, capsys, words, said):
    path, _ = fit
    (path.parent / "foreign").write_bytes(b"hello")
    before = sorted(path.parent.iterdir())
    places = {"file": path, "folder": path.parent, "foreign": path.parent / "foreign"}
    assert main(["decode", *(word.format(**places) for word in words)]) == 2
    assert said in capsys.readouterr().err
    assert sorted(path.parent.iterdir()) == before


def test_the_peers_files_and_their_mask(tmp_path, capsys):
    image = np.random.default_rng(0).random((24, 16, 1)).astype(np.float32)
    mask = image[..., 0] > 0.5
    sample = Sample("a", "b", "c", image, mask, mask, ("x",), VolumeStatistics.of(image))
    for name, sends in (("jpeg2000", False), ("jpeg2000+mask", True)):
        path, out, sent = (tmp_path / f"{name}{suffix}" for suffix in (".j2k", ".npy", ".png"))
        codec = index.get("codec", name).load()()
        path.write_bytes(codec.encode(sample, 900))
        assert (
            main(["decode", str(path), "-o", str(out), *(["--mask", str(sent)] if sends else [])])
            == 0
        )
        assert name in capsys.readouterr().out
        assert np.array_equal(np.load(out), codec.decode(path.read_bytes()).image)
    assert np.array_equal(imagecodecs.png_decode(sent.read_bytes()) == 255, mask)

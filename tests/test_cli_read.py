"""`read` as a user types it: pictures, volumes and compressed files, with networks that see what is
bright.
"""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from PIL import Image

from benchmark.bitstream import Header, decode, encode
from benchmark.cli import main
from benchmark.networks.checkpoints import default_path
from benchmark.networks.network import save_checkpoint
from benchmark.plugins.index import add_plugin_file, get

BRIGHT = Path(__file__).with_name("bright_networks.py")
OPTIONS = {"size": 64, "window": "full", "fit": "resize", "strip": False}


def head(lesion: bool = True, scalp: float = 1.0, size: int = 128) -> np.ndarray:
    """A brain (0.5) in a dark skull and a scalp; the lesion (0.9) is 20 x 20 pixels."""
    y, x = np.mgrid[:size, :size] - size / 2
    r = np.hypot(y, x)
    image = np.where(r < 40, 0.5, np.where(r < 46, 0.05, np.where(r < 51, scalp, 0.0)))
    if lesion:
        image[50:70, 50:70] = 0.9
    return image


@pytest.fixture(autouse=True)
def networks(tmp_path, monkeypatch):
    add_plugin_file(BRIGHT)
    for name, more in (("bright", {}), ("spot", {"classes": ["none", "tumor"]}), ("deep", {})):
        save_checkpoint(
            default_path(name, "mine"),
            get("segmenter", name).load()(1),
            {
                "segmenter": name,
                "options": {},
                "channels": ["gray"],
                "dataset": "mine",
                "dataset_options": OPTIONS,
                **more,
            },
        )
    module = get("segmenter", "bright").load()(1)
    with torch.no_grad():
        module.at.fill_(0.3)
    save_checkpoint(
        tmp_path / "brain.safetensors",
        module,
        {
            "segmenter": "bright",
            "options": {},
            "channels": ["gray"],
            "dataset": "mine",
            "dataset_options": OPTIONS,
            "target": "brain",
        },
    )
    monkeypatch.chdir(tmp_path)


def save(path, image):
    Image.fromarray(np.rint(255 * image).astype(np.uint8)).save(path)
    return str(path)


def read(capsys, *words, code=0):
    assert main(["read", *words]) == code
    said = capsys.readouterr()
    return json.loads(said.out) if "--json" in words and not code else said.out + said.err


def test_the_chain_strips_classifies_and_segments(tmp_path, capsys):
    scan = save(tmp_path / "scan.png", head())
    words = [scan, "--classify", "spot", "--segment", "bright", "--dataset", "mine", "--json"]
    said = read(capsys, *words)
    assert (
        said["class"] == "tumor"
        and said["probabilities"]["tumor"] > 0.9
        and said["area_px"] == 100
        and said["size"] == [64, 64]
    )
    assert said["area_mm2"] is None and said["brain_px"] == pytest.approx(np.pi * 20**2, rel=0.05)
    assert any("128 x 128 pixels are brought to 64 x 64" in note for note in said["notes"])
    assert any("this file alone" in note for note in said["notes"]) and any(
        "--strip none" in note for note in said["notes"]
    )
    assert (tmp_path / "scan-read.png").stat().st_size > 5_000
    bare = read(capsys, *words, "--strip", "none")
    assert bare["area_px"] > 300 and "brain_px" not in bare  # the scalp is bright too


def test_nothing_is_segmented_where_the_class_is_none(tmp_path, capsys):
    scan = save(tmp_path / "scan.png", head(lesion=False))
    said = read(
        capsys, scan, "--classify", "spot", "--segment", "bright", "--dataset", "mine", "--json"
    )
    assert (
        said["class"] == "none"
        and said["area_px"] is None
        and "nothing is segmented: the class is none" in said["notes"]
    )
    assert (
        read(capsys, scan, "--segment", "bright", "--dataset", "mine", "--json")["area_px"] == 0
    )  # always, without a classifier


def test_a_network_that_marks_brains_may_strip(tmp_path, capsys):
    scan = save(tmp_path / "scan.png", head(scalp=0.0))
    said = read(capsys, scan, "--strip", f"bright@{tmp_path / 'brain.safetensors'}", "--json")
    assert said["brain_px"] == pytest.approx(
        np.pi * 40**2, rel=0.05
    )  # the picture keeps its size, the network reads its own


def test_a_volume_is_read_in_one_plane_and_has_square_millimetres(tmp_path, capsys):
    volume = np.stack([head(lesion=z == 3) for z in range(5)])
    voxels = volume[:, ::-1, ::-1].transpose(2, 1, 0)  # to the right, to the front, up
    nibabel.save(
        nibabel.Nifti1Image(voxels.astype(np.float32), np.diag([1.5, 1.5, 4, 1])),
        tmp_path / "v.nii.gz",
    )
    words = [str(tmp_path / "v.nii.gz"), "--segment", "bright", "--dataset", "mine", "--json"]
    assert read(capsys, *words)["area_px"] == 0  # the middle plane, 2
    said = read(capsys, *words, "--slice", "3")
    assert said["area_px"] == 100 and said["area_mm2"] == pytest.approx(20 * 20 * 1.5**2)
    assert "it has slices 0 to 4" in read(capsys, *words, "--slice", "5", code=2)


def test_a_network_of_volumes_strips_a_slice_of_a_volume(tmp_path, capsys):
    module = get("segmenter", "deep").load()(1)
    with torch.no_grad():
        module.at.fill_(0.3)
    save_checkpoint(
        tmp_path / "deep.safetensors",
        module,
        {
            "segmenter": "deep",
            "options": {},
            "channels": ["gray"],
            "dataset": "mine",
            "dataset_options": OPTIONS,
            "target": "brain",
        },
    )
    volume = np.stack(
        [head(lesion=False, scalp=0.0) * (1.0 if z < 6 else 0.2) for z in range(10)]
    )  # no brain in the upper planes
    nibabel.save(
        nibabel.Nifti1Image(volume[:, ::-1, ::-1].transpose(2, 1, 0).astype(np.float32), np.eye(4)),
        tmp_path / "v.nii.gz",
    )
    words = ["--strip", f"deep@{tmp_path / 'deep.safetensors'}", "--json"]
    assert read(capsys, str(tmp_path / "v.nii.gz"), *words)["brain_px"] == pytest.approx(
        np.pi * 40**2, rel=0.05
    )
    assert read(capsys, str(tmp_path / "v.nii.gz"), *words, "--slice", "8")["brain_px"] == 0
    bare = ["--segment", "bright", "--dataset", "mine", "--slice", "3"]  # which reads at 64 x 64
    assert read(capsys, str(tmp_path / "v.nii.gz"), *words, *bare)["brain_px"] == pytest.approx(
        np.pi * 20**2, rel=0.05
    )
    assert "reads volumes whole" in read(
        capsys, save(tmp_path / "scan.png", head()), *words, code=2
    )


def test_decoded_images_are_read_as_originals_are(tmp_path, capsys):
    header = Header("siren", get("inr", "siren").defaults, 64, 64, 1, 12)
    torch.manual_seed(0)
    module = get("inr", "siren").load()(2, 1, **header.args)
    weights = {name: 3 * p.detach().numpy() for name, p in module.named_parameters()}
    weights[list(weights)[-1]] += 0.7  # the last bias: bright enough to be marked
    (tmp_path / "fit.inr").write_bytes(encode(header, weights))
    image = decode((tmp_path / "fit.inr").read_bytes()).image
    np.save(tmp_path / "same.npy", np.rint(255 * image[..., 0]).astype(np.uint8))
    words = ["--segment", "bright", "--dataset", "mine", "--strip", "none", "--json"]
    decoded, same = (read(capsys, str(tmp_path / name), *words) for name in ("fit.inr", "same.npy"))
    assert (
        decoded["area_px"] == int((image[..., 0] >= 0.75).sum()) > 0
        and abs(decoded["area_px"] - same["area_px"]) < 20
    )


def test_one_channel_of_a_picture_in_color(tmp_path, capsys):
    scan = str(tmp_path / "color.png")
    Image.fromarray(
        np.rint(255 * np.stack([head(False), head(), head(False)], -1)).astype(np.uint8)
    ).save(scan)
    words = [scan, "--segment", "bright", "--dataset", "mine"]
    assert "--channel red or green or blue, or gray" in read(capsys, *words, code=2)
    assert [
        read(capsys, *words, "--json", "--channel", name)["area_px"] for name in ("red", "green")
    ] == [0, 100]


# What is typed, and what the error says.
REFUSED = [
    (["nothing.png", "--segment", "bright", "--dataset", "mine"], "no such file"),
    (["scan.png", "--strip", "none"], "no step is left"),
    (["scan.png", "--segment", "bright"], "--dataset NAME"),
    (["scan.png", "--segment", "spot", "--dataset", "mine"], "answers with a class"),
    (["scan.png", "--classify", "bright", "--dataset", "mine"], "marks lesions"),
    (["scan.png", "--segment", "deep", "--dataset", "mine"], "reads volumes"),
    (["scan.png", "--strip", "bright", "--dataset", "mine"], "trained to mark lesions"),
    (["scan.png", "--segment", "bright@brain.safetensors"], "--strip bright@brain"),
    (["scan.png", "--segment", "", "--dataset", "mine"], "segmenter ''"),
    (
        ["scan.png", "--segment", "bright", "--dataset", "other"],
        "--dataset other, or --segment NAME@FILE",
    ),
    (
        [
            "dim.png",
            "--segment",
            "bright",
            "--dataset",
            "mine",
            "--strip",
            "bright@brain.safetensors",
        ],
        "no brain is found",
    ),
    (
        ["scan.png", "--segment", "bright@brain.safetensors+bright@small.safetensors"],
        "prepared otherwise: size=64 and 32",
    ),
    (["scan.png", "--segment", "brigth", "--dataset", "mine"], "did you mean 'bright'"),
    (
        ["scan.png", "--segment", "bright", "--dataset", "mine", "--size", "72"],
        "multiples of 16",
    ),
    (["scan.png", "--size", "8"], "16 to 4096"),
    (["scan.png", "--out", "scan.jpg"], "--out scan.png"),
    (["scan.png", "--out", "scan.png"], "scan-read.png"),
    (["scan.inr", "--segment", "bright", "--dataset", "mine"], "it does not start with INR"),
    (
        ["scan.png", "--strip", "clasical"],
        "--strip classical, --strip none, or a network that marks brains",
    ),
    (["scan.gif", "--segment", "bright", "--dataset", "mine"], ".gif is not read here"),
    ([".", "--segment", "bright", "--dataset", "mine"], "without a series of DICOM slices"),
    ([".scan.png", "--segment", "bright", "--dataset", "mine"], "a hidden file"),
    (["broken.png", "--segment", "bright", "--dataset", "mine"], "no readable PNG"),
]


@pytest.mark.parametrize("words, says", REFUSED)
def test_what_cannot_be_done_is_said_with_exit_code_2(words, says, tmp_path, capsys):
    save(tmp_path / "scan.png", head())
    save(tmp_path / "dim.png", 0.2 * head())
    save(tmp_path / "scan.gif", head())
    save(tmp_path / ".scan.png", head())
    save_checkpoint(
        tmp_path / "small.safetensors",
        get("segmenter", "bright").load()(1),
        {
            "segmenter": "bright",
            "options": {},
            "channels": ["gray"],
            "dataset": "mine",
            "dataset_options": OPTIONS | {"size": 32},
            "target": "brain",
        },
    )
    (tmp_path / "scan.inr").write_bytes(b"nothing of ours")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG broken")
    assert says in read(capsys, *words, code=2)

"""Volumes in plain types, files and fits: planes one below the other."""

from __future__ import annotations

from dataclasses import replace

import imagecodecs
import nibabel
import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from benchmark.bitstream import Header, decode, read_header
from benchmark.bitstream.header import MAX_DEPTH, MAX_ROWS
from benchmark.cli import main
from benchmark.errors import InputError
from benchmark.images.grid import dims, grid
from benchmark.plan.cells import Cell, Rate
from benchmark.store.store import Store
from benchmark.types import Recipe, Sample, VolumeStatistics, extent, planes
from tests.volume_fits import ARGS, SIREN, file_of


@pytest.fixture
def volume(tiny_dataset) -> Sample:
    """[4 * 32, 32, 1]: a lesion on the first two planes, the last one empty."""
    return tiny_dataset.load_volume("p6")


def test_coordinates_of_a_volume_are_those_of_its_planes_and_heights():
    coords = grid(4, 6, (-1.0, 1.0), "centers", 3).reshape(3, 24, 3)
    assert coords.dtype == np.float32
    for z, height in enumerate((-2 / 3, 0.0, 2 / 3)):
        np.testing.assert_allclose(coords[z, :, 0], height, atol=1e-7)
        np.testing.assert_array_equal(coords[z, :, 1:], grid(4, 6, (-1.0, 1.0)))
    np.testing.assert_array_equal(
        grid(4, 6, (0.0, 1.0), "corners", 3)[[0, -1]], [[0, 0, 0], [1, 1, 1]]
    )
    assert grid(4, 6, (0.0, 1.0)).shape == (24, 2) and (dims(1), dims(2)) == (2, 3)


def test_planes_are_images_of_their_own(volume, tiny_dataset):
    slice_ = tiny_dataset.load("p6-0")
    first = volume.plane(0)
    assert (
        first.depth == 1
        and first.image.shape == (32, 32, 1)
        and first.slice_index == 0
        and volume.plane(3).slice_index == 3
    )
    np.testing.assert_array_equal(first.image, slice_.image)
    np.testing.assert_array_equal(planes(volume.image, 4)[1], volume.image[32:64])
    assert not volume.plane(2).has_lesion and volume.plane(1).has_lesion
    assert (
        extent(volume.image.shape, 4) == "4 x 32 x 32 voxels"
        and extent((32, 16, 1), 1) == "32 x 16 pixels"
    )


def test_the_depth_is_part_of_what_a_volume_is_and_changes_no_image(volume):
    assert len({volume.hash, replace(volume, depth=2).hash, replace(volume, depth=1).hash}) == 3
    image = np.linspace(0, 1, 24, dtype=np.float32).reshape(6, 4, 1)
    slice_ = Sample(
        "a",
        "b",
        "c",
        image,
        image[..., 0] > 0.5,
        image[..., 0] > 0.1,
        ("t1",),
        VolumeStatistics(0.5, 0.25, 0.125, 0.75),
    )
    assert slice_.hash == "aa16acd8cbbb56ae"  # as before samples had a depth


def test_a_cell_of_another_depth_has_the_same_key_and_no_common_batch(volume):
    cells = [
        Cell(
            "tiny",
            "p6",
            "p6",
            "hash",
            SIREN,
            Rate(None, 10),
            Recipe("adam", 1e-3, 5, "constant", 0),
            shape=volume.image.shape,
            depth=depth,
        )
        for depth in (1, 4)
    ]
    assert cells[0].key == cells[1].key and "depth" not in cells[1].identity()
    assert cells[0].batch_key() != cells[1].batch_key() and cells[0].size_key != cells[1].size_key


def test_a_store_gives_a_volume_back(volume, tmp_path):
    with Store(tmp_path) as store:
        store.add_samples([volume])
        found = store.sample(volume.hash)
    assert found is not None and found.depth == 4 and found.hash == volume.hash


def test_a_file_knows_its_depth_and_an_image_spends_no_byte_on_it():
    image, volume = (Header("siren", ARGS, 64, 64, 1, 10, depth=depth).pack() for depth in (1, 32))
    assert (image[3], volume[3]) == (1, 2) and volume == image[:3] + b"\x02" + image[4:] + b"\x20"
    header = read_header(file_of(5))
    assert header.depth == 5 and "5 planes x 8 rows x 10 columns" in header.describe()
    decoded = decode(file_of(5)).image
    assert decoded.shape == (40, 10, 1) and planes(decoded, 5).std(0).max() > 0.01, (
        "all planes are alike: this checks nothing"
    )


@given(st.integers(2, MAX_DEPTH), st.integers(1, 64))
def test_every_depth_comes_out_as_it_went_in(depth, height):
    header = Header("siren", ARGS, height, 3, 1, 10, depth=depth)
    assert Header.unpack(header.pack()) == (header, len(header.pack()))


@pytest.mark.parametrize(
    "depth, height",
    [(0, 8), (MAX_DEPTH + 1, 8), (MAX_DEPTH, MAX_ROWS // MAX_DEPTH + 1), (2.0, 8), (True, 8)],
)
def test_depths_out_of_range_are_refused(depth, height):
    with pytest.raises(InputError, match="its depth is|its height is") as error:
        Header("siren", ARGS, height, 8, 1, 10, depth=depth)
    assert error.value.exit_code == 2


def test_a_file_that_asks_for_too_many_planes_costs_no_memory():
    body = file_of(5)[:-4]
    head = Header("siren", ARGS, 8, 10, 1, 12, window=(-10.0, 90.0), depth=5).pack()
    greedy = replace(
        Header("siren", ARGS, 8, 10, 1, 12), height=64, width=1 << 14, depth=MAX_DEPTH
    ).pack()
    with pytest.raises(InputError, match="ask for a picture of"):
        read_header(greedy + body[len(head) :] + b"\0\0\0\0")


@pytest.mark.parametrize("channels", [1, 3])
def test_decode_writes_arrays_volumes_and_pictures(tmp_path, channels):
    path, image = tmp_path / "volume.inr", planes(decode(file_of(5, channels)).image, 5)
    path.write_bytes(file_of(5, channels))
    for suffix in (".npy", ".nii.gz", ".nii", ".tif", ".png"):
        assert main(["decode", str(path), "-o", str(tmp_path / f"v{suffix}")]) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "v.npy"), image)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "v.tif").reshape(image.shape), image)
    picture = imagecodecs.png_decode((tmp_path / "v.png").read_bytes()).reshape(40, 10, channels)
    assert np.abs(picture / 255 - image.reshape(40, 10, channels)).max() <= 0.51 / 255
    for name in ("v.nii.gz", "v.nii"):
        nifti = nibabel.load(tmp_path / name)
        assert nibabel.aff2axcodes(nifti.affine) == (
            "L",
            "P",
            "S",
        )  # column 0 is the patient's right, row 0 anterior, plane 0 lowest
        np.testing.assert_array_equal(
            np.asarray(nifti.dataobj).reshape(10, 8, 5, channels), image.transpose(2, 1, 0, 3)
        )


def test_decode_says_what_a_volume_costs_a_voxel(tmp_path, capsys):
    (tmp_path / "volume.inr").write_bytes(file_of(5))
    assert main(["decode", str(tmp_path / "volume.inr")]) == 0
    assert f"{8 * len(file_of(5)) / 400:.3f} bits a voxel" in capsys.readouterr().out

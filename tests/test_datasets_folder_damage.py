"""The data set folder: what is no picture, damaged, or claims more than it has."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
import tifffile
from PIL import Image

from benchmark.errors import InputError
from benchmark.files import pictures as _pictures
from tests.own_folders import GRAY, all_ids, folder, refused, save, write


@pytest.mark.parametrize(
    "kind",
    [
        "transparent",
        "CMYK",
        "film",
        "arrays",
        "text",
        "shape",
        "NaN",
        "two sizes",
        "pickle",
        "zipped",
    ],
)
def test_what_no_picture_is_here_is_refused_by_name(tmp_path, kind) -> None:
    there = tmp_path / "images"
    there.mkdir()
    picture = Image.fromarray(GRAY)
    if kind == "transparent":
        clear = picture.convert("RGBA")
        clear.putpixel((3, 3), (0, 0, 0, 7))
        clear.save(there / "a.png")
        out = "1 of its pixels are transparent"
    elif kind == "CMYK":
        picture.convert("CMYK").save(there / "a.jpg")
        out = "its colors are CMYK"
    elif kind == "film":
        picture.save(there / "a.png", save_all=True, append_images=[Image.fromarray(GRAY.T)])
        out = "film of 2 pictures"
    elif kind == "arrays":
        np.savez(there / "a.npz", first=GRAY, second=GRAY)
        out = "2 arrays: first, second"
    elif kind == "two sizes":
        tifffile.imwrite(there / "a.tif", GRAY)
        tifffile.imwrite(there / "a.tif", GRAY[:16], append=True)
        out = "2 pictures of unequal sizes"
    else:
        values = {
            "text": np.array([["a"]]),
            "shape": np.ones((4, 4, 2)),
            "NaN": np.where(GRAY > 9, GRAY, np.nan),
        }
        array = values.get(kind, np.array([[{}]], dtype=object))
        (
            np.savez(there / "a.npz", array)
            if kind == "zipped"
            else np.save(there / "a.npy", array, allow_pickle=True)
        )
        out = {
            "text": "of type <U1",
            "shape": "(4, 4, 2)",
            "pickle": "Python objects",
            "zipped": "allow_pickle=False",
        }.get(kind, kind)
    message = refused(tmp_path, masks="")
    assert out in message and str(there / "a.") in message


@pytest.mark.parametrize(
    "suffix", [".png", ".jpg", ".tif", ".npy", ".npz", ".nii.gz", ".mha", ".dcm"]
)
@pytest.mark.parametrize("size", [0, 40, 0.6])
def test_a_damaged_file_is_named_and_the_others_are_read(tmp_path, suffix, size) -> None:
    path = tmp_path / "images" / f"a{suffix}"
    save(path, GRAY) if suffix == ".jpg" else write(path, GRAY)
    data = path.read_bytes()
    path.write_bytes(data[: size if size in (0, 40) else int(size * len(data))])
    save(tmp_path / "images" / "b.png", GRAY)
    dataset = folder(tmp_path, masks="")
    assert all_ids(dataset) in (["a-000", "b-000"], ["b-000", "a-000"])
    assert dataset.load("b-000").image.max() == 1
    with pytest.raises(InputError, match=f"a{suffix}"):
        dataset.load("a-000")


def test_bombs_are_refused(tmp_path, monkeypatch) -> None:
    save(tmp_path / "images" / "a.png", np.zeros((64, 64), np.uint8))
    for limit in (
        1500,
        3000,
    ):  # Pillow raises above twice its limit, and between it and that only warns
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        assert "decompression bomb" in refused(tmp_path, masks="")
    (tmp_path / "images" / "a.png").unlink()
    monkeypatch.setattr(_pictures, "MOST_BYTES", 5000)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (100, 100)}
    )
    with zipfile.ZipFile(tmp_path / "images" / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header.getvalue() + bytes(10_000))
    assert "unpacks to 10,128 bytes" in refused(tmp_path, masks="")
    (tmp_path / "images" / "a.npz").unlink()
    tifffile.imwrite(
        tmp_path / "images" / "a.tif", np.zeros((100, 100), np.uint8), compression="zlib"
    )
    assert "promises 10,000 bytes" in refused(tmp_path, masks="")
    (tmp_path / "images" / "a.tif").unlink()
    (tmp_path / "images" / "a.npy").write_bytes(
        header.getvalue().replace(b"(100, 100)", b"(9999,9999)"[:10]) + bytes(100)
    )
    assert "no readable NPY" in refused(tmp_path, masks="")


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_arrays_whose_header_claims_more_than_there_is(tmp_path, suffix, monkeypatch) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (2**20, 2**20)}
    )
    (tmp_path / "images").mkdir()
    path = tmp_path / "images" / f"a{suffix}"
    if suffix == ".npy":
        path.write_bytes(header.getvalue() + bytes(100))
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("x.npy", header.getvalue() + bytes(100))
    monkeypatch.setattr(np, "load", lambda *_, **__: pytest.fail("memory was asked for"))
    assert "its header claims 1,099,511,627,904 bytes" in refused(tmp_path, masks="")


def test_an_archive_whose_directory_claims_more_than_there_is(tmp_path) -> None:
    np.savez_compressed(tmp_path / "a.npz", np.zeros((64, 64), np.uint8))
    data = bytearray((tmp_path / "a.npz").read_bytes())
    at = data.index(b"PK\x01\x02") + 24  # the unpacked size, in the archive's directory
    data[at : at + 4] = (2**31).to_bytes(4, "little")
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(InputError, match="claims to unpack to 2,147,483,648 bytes"):
        _pictures.read_picture(tmp_path / "a.npz")

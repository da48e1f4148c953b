"""Folders of images and masks as a user has them."""

from __future__ import annotations

import warnings
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
from PIL import Image

from benchmark.errors import InputError
from benchmark.plugins.index import get

SIDE = 32


GRAY = np.random.default_rng(0).integers(1, 256, (SIDE, SIDE)).astype(np.uint8)


GRAY[0, 0] = 0  # corners that differ: no background


MASK = np.zeros((SIDE, SIDE), np.uint8)


MASK[8:16, 4:20] = 255


def save(path: Path, array: np.ndarray, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)
    return path


def pair(root: Path, stem: str, image: np.ndarray = GRAY, mask: np.ndarray | None = MASK) -> None:
    save(root / "images" / f"{stem}.png", image)
    if mask is not None:
        save(root / "masks" / f"{stem}.png", mask)


def folder(root: Path, **options):
    return get("dataset", "folder").load()(root, **{"size": 0, "window": "full", **options})


def all_ids(dataset) -> list[str]:
    return [sample_id for split in ("train", "val", "test") for sample_id in dataset.ids(split)]


def only(root: Path, **options):
    """The sample of the one image in a folder; a warning that the test does not wait for is an
    error.
    """
    dataset = folder(root, **options)
    (sample_id,) = all_ids(dataset)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return dataset.load(sample_id)


def refused(root: Path, **options) -> str:
    """What the error about a folder says."""
    dataset = folder(root, **options)
    with pytest.raises(InputError) as error:
        for sample_id in all_ids(dataset):
            dataset.load(sample_id)
    return str(error.value)


def write(path: Path, plane: np.ndarray) -> None:
    """A plane in the format of the suffix; volumes so that they are turned back to it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, plane)
    elif path.suffix == ".npz":
        np.savez_compressed(path, plane)
    elif path.suffix in (".tif", ".png"):
        tifffile.imwrite(path, plane) if path.suffix == ".tif" else save(path, plane)
    elif path.suffix == ".gz":  # axes run left, back and up: LPS
        nibabel.save(nibabel.Nifti1Image(plane.T[..., None], np.diag([-0.5, -0.5, 3, 1])), path)
    else:
        sitk = pytest.importorskip("SimpleITK")
        image = sitk.GetImageFromArray(plane[None])
        image.SetSpacing((0.5, 0.5, 3.0))
        sitk.WriteImage(image, str(path))

"""Grids: labels lie where their image lies, or both files are named."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from benchmark.errors import InputError
from benchmark.files.volumes import read_volume, same_grid
from tests.test_files_volumes import CODES, canonical, poke, write


@pytest.fixture(params=[".nii", ".nii.gz"])
def path(tmp_path, request) -> Path:
    return tmp_path / f"case{request.param}"


OBLIQUE = np.array(
    [[0.96, -0.2, 0.1, -40], [0.25, 1.9, 0.3, 12], [-0.1, -0.4, 2.9, 7], [0, 0, 0, 1]]
)


def lies(folder: Path, affine: np.ndarray, name: str = "seg.nii") -> None:
    """Whether labels with this affine are taken to lie as an oblique image does; raises InputError
    where not.
    """
    image = read_volume(write(folder / "flair.nii", canonical(), OBLIQUE))
    same_grid(image, [image, read_volume(write(folder / name, canonical(), affine))])


def test_grids_that_are_the_same(tmp_path) -> None:
    rounded = OBLIQUE.copy()
    rounded[:3, :3] += 4e-4
    moved = OBLIQUE.copy()
    moved[:3, 3] += 0.2 * OBLIQUE[:3, 0]
    for affine in (OBLIQUE, rounded, moved, OBLIQUE.astype(np.float32)):
        lies(tmp_path, affine)
    stored = canonical()[::-1].transpose(2, 0, 1)  # the same voxels in another order
    image = nibabel.Nifti1Image(canonical(), OBLIQUE)
    turned = image.as_reoriented(np.array([[1, -1], [2, 1], [0, 1]]))
    assert np.array_equal(turned.dataobj, stored)
    nibabel.save(turned, tmp_path / "turned.nii")
    same_grid(read_volume(tmp_path / "flair.nii"), [read_volume(tmp_path / "turned.nii")])


@pytest.mark.parametrize("wrong", ["mirrored", "eye", "shifted", "turned", "zoomed"])
def test_grids_that_are_not(wrong, tmp_path) -> None:
    affine = OBLIQUE.copy()
    if wrong == "mirrored":
        affine[:3, 0] *= -1
    elif wrong == "eye":
        affine = np.eye(4)
    elif wrong == "shifted":
        affine[:3, 3] += 0.5 * OBLIQUE[:3, 2]
    elif wrong == "turned":  # by 6 degrees: two voxels agree, the farthest corner does not
        c, s = np.cos(0.1), np.sin(0.1)
        affine[:3, :3] = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ OBLIQUE[:3, :3]
    elif wrong == "zoomed":
        affine[:3, 1] *= 1.2
    with pytest.raises(InputError) as error:
        lies(tmp_path, affine)
    assert (
        str(tmp_path / "seg.nii") in error.value.found
        and str(tmp_path / "flair.nii") in error.value.found
    )
    assert ("voxels of" if wrong in ("eye", "zoomed") else "voxels apart") in error.value.found


def test_labels_that_do_not_say_how_they_lie_lie_as_their_image(tmp_path, path) -> None:
    """The image is stored to the back, down and left; nibabel would take such labels to lie left,
    front and up.
    """
    affine = np.array([[0, 0, -3.0, 9], [-1, 0, 0, 8], [0, -2, 0, 7], [0, 0, 0, 1]])
    image = read_volume(write(tmp_path / "image.nii", canonical(), affine))
    poke(write(path, canonical(), affine), (CODES, "hh", (0, 0)))
    with pytest.warns(
        UserWarning, match=r"case\.nii.* does not say how it lies: taken to lie as image.nii does"
    ) as told:
        labels = read_volume(path, like=image.path)
    assert (
        len(told) == 1
        and np.array_equal(labels.voxels, image.voxels)
        and labels.orientation == image.orientation == "PIL"
    )
    same_grid(image, [labels])
    with (
        pytest.warns(UserWarning, match="sides may be swapped"),
        pytest.raises(InputError, match="unknown, from"),
    ):
        poke(write(path, canonical()[:, :, :4], np.diag([1, 1, 1, 1])), (CODES, "hh", (0, 0)))
        same_grid(
            read_volume(write(tmp_path / "b.nii", canonical()[:, :, :4], np.eye(4))),
            [read_volume(path)],
        )
    with pytest.warns(UserWarning, match="sides may be swapped"):  # nor does the image
        assert read_volume(path, like=path).orientation == "unknown"

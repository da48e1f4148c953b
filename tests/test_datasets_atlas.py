"""atlas: the layouts of its releases, the planes that prior work drops, and cases whose masks are
hidden.
"""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from benchmark.errors import InputError
from benchmark.plugins.datasets.atlas import template_brain
from benchmark.plugins.index import get
from benchmark.types import SPLITS
from tests.volume_files import save_volume

SHAPE = (106, 18, 12)  # planes 50 to 55 are kept
SPACE = "space-MNI152NLin2009aSym"
OFF_GRID = "ignore:atlas .*grid of 12 x 18 x 106 voxels is not the template's"
pytestmark = pytest.mark.filterwarnings(OFF_GRID)


def scan() -> tuple[np.ndarray, np.ndarray]:
    """T1w and a lesion [Z, H, W]; the lesion is largest in plane 20, which is dropped, and then in
    53.
    """
    t1, lesion = np.zeros(SHAPE, np.float32), np.zeros(SHAPE, np.uint8)
    t1[5:100, 2:16, 1:11] = np.random.default_rng(2).uniform(20, 90, (95, 14, 10))
    lesion[20, 3:10, 3:9] = lesion[53, 4:8, 3:6] = lesion[54, 4:6, 3:6] = 1
    return t1, lesion


def write(
    root: Path,
    subject: str = "sub-r001s001",
    session: str = "ses-1",
    *,
    part: str = "Training",
    mask: bool = True,
    end: str = "label-L_desc-T1lesion_mask",
    t1w: str = "T1w",
) -> Path:
    t1, lesion = scan()
    folder = root / "ATLAS_2" / part / subject[4:8].upper() / subject / session / "anat"
    save_volume(folder / f"{subject}_{session}_{SPACE}_{t1w}.nii.gz", t1)
    if mask:
        save_volume(folder / f"{subject}_{session}_{SPACE}_{end}.nii.gz", lesion)
    return folder


def write_first(folder: Path, stem: str, t1w: str, masks: tuple[np.ndarray, ...]) -> None:
    save_volume(folder / f"{stem}_{t1w}_stx.nii.gz", scan()[0])
    for n, mask in enumerate(masks):
        save_volume(folder / f"{stem}_LesionSmooth{f'_{n}' if n else ''}_stx.nii.gz", mask)


def atlas(root: Path | None, **options):
    return get("dataset", "atlas").load()(root, **{"size": 0} | options)


def all_ids(dataset) -> list[str]:
    return [sample_id for split in SPLITS for sample_id in dataset.ids(split)]


@pytest.mark.parametrize(
    ("end", "t1w"),
    [
        ("label-L_desc-T1lesion_mask", "T1w"),
        ("label-lesion_desc-T1lesion_mask", "desc-brainnorm_T1w"),
    ],
)
def test_fifty_planes_are_dropped_at_either_end(end, t1w, tmp_path) -> None:
    write(tmp_path, end=end, t1w=t1w)
    image, lesion = scan()
    dataset = atlas(tmp_path)
    assert all_ids(dataset) == ["sub-r001s001_ses-1-053"]  # not 020, where the lesion is larger
    assert all_ids(atlas(tmp_path, slices="middle")) == ["sub-r001s001_ses-1-053"]
    assert all_ids(atlas(tmp_path, slices="all")) == [
        f"sub-r001s001_ses-1-{z:03d}" for z in range(50, 56)
    ]
    assert all_ids(atlas(tmp_path, drop=0)) == ["sub-r001s001_ses-1-020"]
    sample = atlas(tmp_path, window="minmax").load("sub-r001s001_ses-1-053")
    kept = image[50:56]
    assert (
        np.array_equal(sample.image[..., 0], (kept[3] / kept.max()).astype(np.float32))
        and sample.slice_index == 53
    )
    assert np.array_equal(sample.mask, lesion[53] > 0) and sample.patient == "sub-r001s001"
    with pytest.raises(InputError, match="has slices 50 to 55"):
        dataset.load("sub-r001s001_ses-1-020")
    with pytest.raises(InputError, match="106 planes, and 106 would be left out"):
        atlas(tmp_path, drop=53).load("sub-r001s001_ses-1-053")


def test_pictures_are_padded_to_a_square(tmp_path) -> None:
    write(tmp_path)
    native = atlas(tmp_path, window="minmax").load("sub-r001s001_ses-1-053").image[..., 0]
    resized = atlas(tmp_path, window="minmax", size=36).load("sub-r001s001_ses-1-053").image[..., 0]
    assert np.allclose(
        resized, np.pad(native, ((0, 0), (3, 3))).repeat(2, 0).repeat(2, 1), atol=1e-6
    )  # size 18 would be native
    with pytest.warns(
        UserWarning, match="is not the template's: brain is all that differs from the corner"
    ):
        assert atlas(tmp_path).load("sub-r001s001_ses-1-053").brain.sum() == 14 * 10


def test_the_first_release_joins_its_masks(tmp_path) -> None:
    _, lesion = scan()
    other = np.zeros(SHAPE, np.uint8)
    other[53, 12:14, 3:5] = 255
    write_first(
        tmp_path / "Site1" / "031768" / "t01", "031768", "t1w_deface", (lesion * 255, other)
    )
    write_first(
        tmp_path / "standard_part1" / "c0003" / "c0003s0002t01", "c0003s0002t01", "t1w", (lesion,)
    )
    dataset = atlas(tmp_path)
    assert sorted(all_ids(dataset)) == ["031768_t01-053", "c0003s0002t01-053"]
    assert np.array_equal(dataset.load("031768_t01-053").mask, (lesion[53] > 0) | (other[53] > 0))
    assert [dataset.patient(case) for case in dataset.files] == ["031768", "c0003s0002"]
    write(tmp_path)  # the same patients under other names
    with pytest.raises(InputError, match="release 1 .*beside a later one"):
        atlas(tmp_path).ids("test")


def test_hidden_masks_have_no_place_in_splits(tmp_path) -> None:
    write(tmp_path, "sub-r001s001")
    write(tmp_path, "sub-r001s001", "ses-2")
    write(tmp_path, "sub-r052s001", part="Testing", mask=False)
    with pytest.warns(
        UserWarning,
        match="1 of 3 cases have no labels and are left out, such as sub-r052s001_ses-1",
    ):
        dataset = atlas(tmp_path)
        assert len(all_ids(dataset)) == 2
    assert (
        len([split for split in SPLITS if dataset.ids(split)]) == 1
    )  # two sessions of one patient
    assert dataset.person("sub-r001s001_ses-2") == "ATLAS_sub-r001s001"
    write(tmp_path / "other", "sub-r001s001")
    with pytest.raises(
        InputError, match="atlas case sub-r001s001_ses-1\n.*one is too many: .*other"
    ):
        atlas(tmp_path).read("sub-r001s001_ses-1")
    assert atlas(tmp_path).read("sub-r001s001_ses-2").labels.any()


def test_what_is_wrong_is_named(tmp_path, monkeypatch) -> None:
    folder = write(tmp_path)
    mask = next(folder.glob("*mask*"))
    save_volume(mask, scan()[1] * 2)
    with pytest.raises(
        InputError, match=r"T1lesion_mask.nii.gz\n.*voxels with the numbers 2; ATLAS has 0, 1"
    ):
        atlas(tmp_path).load("sub-r001s001_ses-1-053")
    save_volume(mask, scan()[1][:, :, 1:])
    with pytest.raises(InputError, match="T1lesion_mask.nii.gz has 11 x 18 x 106 voxels"):
        atlas(tmp_path).load("sub-r001s001_ses-1-053")
    next(folder.glob("*T1w*")).unlink()
    with pytest.raises(
        InputError, match="channel t1 of atlas sub-r001s001_ses-1\n.*there are none"
    ):
        atlas(tmp_path).load("sub-r001s001_ses-1-053")
    with pytest.raises(InputError, match="drop=-1"):
        atlas(tmp_path, drop=-1)
    monkeypatch.delenv("SINCO_BENCH_DATA", raising=False)
    for where in (None, tmp_path / "nowhere"):
        with pytest.raises(
            InputError,
            match="fcon_1000.projects.nitrc.org/indi/retro/atlas.html[^~]*data use agreement",
        ):
            atlas(where).fetch()


def test_the_brain_is_the_templates(tmp_path, recwarn) -> None:
    """On the release's own grid, in its own orientation."""
    brain = template_brain()
    assert brain.shape == (189, 233, 197) and 0.2 < brain.mean() < 0.24
    rows = np.flatnonzero(brain[:20].any((0, 2)))
    assert (
        rows.mean() > 117 and np.mean(brain == brain[:, :, ::-1]) > 0.99
    )  # lowest is the cerebellum, which lies behind; left as right
    case = "sub-r001s001_ses-1"
    folder = tmp_path / "ATLAS_2" / "Training" / "R001" / "sub-r001s001" / "ses-1" / "anat"
    folder.mkdir(parents=True)
    t1 = np.zeros((197, 233, 189), np.uint8)
    t1[20:180, 20:210, 10:170] = 50
    t1[60:90, 60:90, 60:90] = 90
    affine = np.array([[1, 0, 0, -98], [0, 1, 0, -134], [0, 0, 1, -72], [0, 0, 0, 1.0]])
    for name, voxels in (
        (f"{case}_{SPACE}_T1w.nii", t1),
        (f"{case}_{SPACE}_label-L_desc-T1lesion_mask.nii", (t1 == 90).astype(np.uint8)),
    ):
        nibabel.save(nibabel.Nifti1Image(voxels, affine), folder / name)
    sample = atlas(tmp_path).load(f"{case}-070")
    assert (
        sample.image.shape == (233, 197, 1)
        and np.array_equal(sample.brain, brain[70])
        and not recwarn.list
    )
    assert sample.mask.sum() == 900 and sample.mask[233 - 90 : 233 - 60, 197 - 90 : 197 - 60].all()

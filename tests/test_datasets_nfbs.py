"""nfbs: the layout of the release; the brain is what is to be found, and where PSNR over the brain
is taken.
"""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

from benchmark.errors import InputError
from benchmark.plugins.index import get
from benchmark.types import SPLITS
from tests.volume_files import save_scaled_mask, save_volume

SHAPE = (9, 22, 18)
BRAIN = np.zeros(SHAPE, bool)
BRAIN[2:8, 6:16, 5:13] = True
CASE = "A00028185"


def write(root: Path, subject: str = CASE, mask: bool = True) -> Path:
    folder, stem = root / "NFBS_Dataset" / subject, f"sub-{subject}_ses-NFB3_T1w"
    head = np.zeros(SHAPE, np.int16)
    head[1:, 2:20, 2:16] = np.random.default_rng(len(subject)).integers(10, 900, (8, 18, 14))
    # The release stores sagittal planes: posterior, superior, right.
    affine = np.array([[0, 0, 1, 0], [-1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1.0]])
    folder.mkdir(parents=True)
    for name, voxels in (
        ("", head),
        ("_brain", head * BRAIN),
        ("_brainmask", BRAIN.astype(np.uint8)),
    )[: 3 if mask else 2]:
        stored = voxels[:, :, ::-1].transpose(1, 0, 2)  # [to the back, up, to the right]
        nibabel.save(
            nibabel.Nifti1Image(np.ascontiguousarray(stored), affine),
            folder / f"{stem}{name}.nii.gz",
        )
    return folder


def nfbs(root: Path | None, **options):
    return get("dataset", "nfbs").load()(root, **{"size": 0} | options)


def test_the_mask_is_the_brain(tmp_path) -> None:
    folder = write(tmp_path)
    dataset = nfbs(tmp_path)
    assert [sample_id for split in SPLITS for sample_id in dataset.ids(split)] == [f"{CASE}-004"]
    sample = dataset.load(f"{CASE}-004")
    assert np.array_equal(sample.mask, BRAIN[4]) and np.array_equal(sample.brain, BRAIN[4])
    head = nibabel.as_closest_canonical(
        nibabel.load(folder / f"sub-{CASE}_ses-NFB3_T1w.nii.gz")
    ).get_fdata()
    whole = nfbs(tmp_path, window="minmax").load(f"{CASE}-004")
    assert np.array_equal(
        whole.image[..., 0], (head[:, :, 4].T[::-1, ::-1] / head.max()).astype(np.float32)
    )
    assert (whole.image[..., 0] > 0).sum() > 2 * BRAIN[
        4
    ].sum()  # the head, not the stripped file beside it
    assert dataset.scan(CASE).orientation == "PSR" and sample.patient == CASE
    stripped = nfbs(tmp_path, strip=True).load(f"{CASE}-004")
    assert not stripped.image[~BRAIN[4]].any()


def test_a_mask_that_reads_as_almost_one(tmp_path) -> None:
    folder = write(tmp_path)
    save_volume(folder / f"sub-{CASE}_ses-NFB3_T1w.nii.gz", BRAIN * np.int16(3) + 1)
    save_scaled_mask(folder / f"sub-{CASE}_ses-NFB3_T1w_brainmask.nii.gz", BRAIN)
    assert np.array_equal(nfbs(tmp_path).load(f"{CASE}-004").mask, BRAIN[4])


def test_what_is_missing_is_named(tmp_path, monkeypatch) -> None:
    folder = write(tmp_path)
    write(tmp_path, "A00028352", mask=False)
    with pytest.warns(
        UserWarning, match="1 of 2 cases have no labels and are left out, such as A00028352"
    ):
        assert list(nfbs(tmp_path).files) == [CASE]
    (folder / f"sub-{CASE}_ses-NFB3_T1w.nii.gz").unlink()
    with pytest.raises(InputError, match=f"channel t1 of nfbs {CASE}"), pytest.warns(UserWarning):
        nfbs(tmp_path).load(f"{CASE}-004")
    write(tmp_path / "again")
    with pytest.raises(InputError, match=f"nfbs case {CASE}\n.*one is too many: .*again"):
        nfbs(tmp_path).read(CASE)
    write(tmp_path, "A00028399")
    assert nfbs(tmp_path).read("A00028399").shape == SHAPE
    monkeypatch.delenv("SINCO_BENCH_DATA", raising=False)
    for where in (None, tmp_path / "nowhere"):
        with pytest.raises(InputError, match="NFBS_Dataset.tar.gz"):
            nfbs(where).fetch()
    monkeypatch.setenv("SINCO_BENCH_DATA", str(tmp_path / "again"))
    assert nfbs(None).fetch() == tmp_path / "again"

"""`data strip` as a user types it: what it writes is read back by `folder`, with the same slices,
masks and splits.
"""

from __future__ import annotations

import os

import nibabel
import numpy as np
import pytest
import tifffile
import torch

from benchmark.cli import main
from benchmark.images.splits import Split
from benchmark.networks.network import save_checkpoint
from benchmark.plugins.index import add_plugin_file, get
from tests.test_cli_read import BRIGHT, head
from tests.volume_files import save_volume

CASES = ("TCGA_CS_4941_19960909", "TCGA_DU_7301_19911112", "TCGA_HT_8113_19930809")
NUMBERS = (1, 2, 4, 5)  # of the planes that are there: 3 is missing
SIZE = 64
pytestmark = pytest.mark.filterwarnings("ignore:.*slice 3 is missing")


@pytest.fixture
def lgg(tmp_path):
    """Heads with a bright scalp; lesions in planes 2 and 4."""
    for case in CASES:
        (tmp_path / "kaggle_3m" / case).mkdir(parents=True)
        for n in NUMBERS:
            gray = np.rint(200 * head(lesion=n in (2, 4), size=128)[::2, ::2]).astype(np.uint8) + n
            mask = 255 * (
                (gray > 160 + n) & (np.hypot(*(np.mgrid[:SIZE, :SIZE] - SIZE / 2)) < 20)
            ).astype(np.uint8)
            base = tmp_path / "kaggle_3m" / case / f"{case}_{n}"
            tifffile.imwrite(f"{base}.tif", np.stack([gray // 2, gray, gray // 4], -1))
            tifffile.imwrite(f"{base}_mask.tif", mask)
    return tmp_path


@pytest.fixture
def volumes(tmp_path):
    """Three volumes of 6 planes of 96 x 64 pixels without scalp, 4 x 1.5 x 1.2 mm, on a background
    of -100, with masks.
    """
    for name in ("a", "b", "c"):
        pictures = np.stack(
            [
                np.rint(1000 * head(lesion=z == 2, scalp=0.0)[16:112:1, 32:96] - 100)
                for z in range(6)
            ]
        ).astype(np.int16)
        pictures[0] = -100  # nothing below the head
        save_volume(tmp_path / "own" / "images" / f"{name}.nii.gz", pictures, (4, 1.5, 1.2))
        save_volume(
            tmp_path / "own" / "masks" / f"{name}.nii.gz",
            (pictures > 700).astype(np.uint8),
            (4, 1.5, 1.2),
        )
    return tmp_path / "own"


@pytest.fixture
def network(tmp_path):
    """Write a network that marks what is brighter than 0.3, `bright` by slices or `deep` by
    volumes; returns what --by takes.
    """
    add_plugin_file(BRIGHT)

    def write(name: str, **card) -> list[str]:
        module = get("segmenter", name).load()(1)
        with torch.no_grad():
            module.at.fill_(0.3)
        options = {"dataset_options": {"size": 32, "window": "minmax", "fit": "resize"}}
        save_checkpoint(
            tmp_path / f"{name}.safetensors",
            module,
            {
                "segmenter": name,
                "options": {},
                "channels": ["gray"],
                "dataset": "mine",
                "target": "brain",
                **options,
                **card,
            },
        )
        return ["--by", f"{name}@{tmp_path / f'{name}.safetensors'}", "--force"]

    return write


def strip(capsys, *words, code=0):
    assert main(["data", "strip", *map(str, words)]) == code
    said = capsys.readouterr()
    return said.out + said.err


def read(name, root, **options):
    return get("dataset", name).load()(root, **options)


def all_ids(dataset):
    return {split: dataset.ids(split) for split in ("train", "val", "test")}


def voxels(path):
    return np.asarray(nibabel.load(path).dataobj)


def test_folder_reads_the_same_slices_masks_persons_and_splits(lgg, tmp_path, capsys):
    out = tmp_path / "out"
    said = strip(capsys, "lgg", "--root", lgg, "--out", out)
    assert (
        "of the volume is brain" in said
        and "slice 3 is missing" in said
        and "--set slices=tumour --set window=full" in said
    )
    options = {"slices": "tumour", "window": "full", "size": 0}
    before, after = read("lgg", lgg, **options), read("folder", out, **options)
    assert list(after.files) == list(CASES) and all_ids(after) == all_ids(before)
    listed = read("folder", out, **options, splits=str(out / "splits.tsv"))
    assert all_ids(listed) == all_ids(before)
    for case in CASES:
        assert after.person(case) == before.person(case) and after.split(case) == before.split(case)
        for n in (2, 4):
            one, other = before.load(f"{case}-{n:03d}"), after.load(f"{case}-{n:03d}")
            brain = voxels(out / "brains" / f"{case}.nii.gz")[:, ::-1, n].T[:, ::-1].astype(bool)
            np.testing.assert_array_equal(other.mask, one.mask)
            np.testing.assert_array_equal(other.image, one.image * brain[..., None])
            scalp = np.hypot(*(np.mgrid[:SIZE, :SIZE] - SIZE / 2)) > 23
            assert (
                one.image[scalp].max() > 0.7
                and other.image[scalp].max() == 0
                and 0.2 < brain.mean() < 0.4
            )
    assert voxels(out / "images" / f"{CASES[0]}.nii.gz").dtype == np.uint8
    assert (
        all_ids(read("folder", out, slices="all"))["train"]
        == all_ids(read("lgg", lgg, slices="all"))["train"]
    )


def test_several_channels_become_one_4_d_file(lgg, tmp_path, capsys):
    strip(
        capsys,
        "lgg",
        "--root",
        lgg,
        "--set",
        "channel=all",
        "--limit",
        1,
        "--out",
        tmp_path / "out",
    )
    options = {"slices": "tumour", "window": "full", "size": 0}
    one, other = (
        read("lgg", lgg, channel="all", **options),
        read("folder", tmp_path / "out", **options),
    )
    first = f"{CASES[0]}-002"
    brain = other.load(first).image.any(-1, keepdims=True)
    assert other.load(first).image.shape == (SIZE, SIZE, 3) and brain.any()
    np.testing.assert_array_equal(other.load(first).image, one.load(first).image * brain)


def test_spacing_background_and_a_split_of_ones_own_are_kept(volumes, tmp_path, capsys):
    mine = tmp_path / "mine.tsv"
    mine.write_text(Split({"a": "val", "b": "test", "c": "val"}).text("own"))
    out = tmp_path / "out"
    said = strip(
        capsys,
        "folder",
        "--root",
        volumes,
        "--set",
        f"splits={mine}",
        "--split",
        "val",
        "--out",
        out,
    )
    assert "2 cases in" in said and (out / "splits.tsv").read_text().endswith("a\tval\nc\tval\n")
    after = read("folder", out, splits=str(out / "splits.tsv"), size=0, slices="largest")
    assert after.ids("val") == ["a-002", "c-002"] and after.ids("test") == []
    scan, before = after.scan("a"), read("folder", volumes).scan("a")
    assert scan.spacing_mm == pytest.approx((4, 1.5, 1.2)) and scan.background == {"image": -100.0}
    assert scan.channels["image"].dtype == np.int16
    brain = read("folder", out, masks="brains/{stem}*").scan("a").labels.astype(bool)
    np.testing.assert_array_equal(
        scan.channels["image"], np.where(brain, before.channels["image"], -100)
    )
    np.testing.assert_array_equal(scan.labels, before.labels)


def test_what_has_no_masks_gets_none(volumes, tmp_path, capsys):
    said = strip(capsys, "folder", "--root", volumes, "--set", "masks=", "--out", tmp_path / "out")
    assert "--set masks=" in said and not list((tmp_path / "out" / "masks").iterdir())
    assert "is there" in strip(
        capsys, "folder", "--root", volumes, "--set", "masks=", "--out", tmp_path / "out"
    )


def test_a_second_run_writes_what_is_missing_only(lgg, tmp_path, capsys):
    out = tmp_path / "out"
    strip(capsys, "lgg", "--root", lgg, "--limit", 2, "--out", out)
    first, second = (out / "images" / f"{case}.nii.gz" for case in CASES[:2])
    stamp, content = first.stat().st_mtime_ns, second.read_bytes()
    second.unlink()
    said = strip(capsys, "lgg", "--root", lgg, "--out", out)
    assert said.count("is there") == 1 and "3 cases in" in said
    assert first.stat().st_mtime_ns == stamp and second.read_bytes() == content


@pytest.mark.parametrize("at", [1, 2, 3])
def test_ctrl_c_leaves_no_half_case(at, lgg, tmp_path, capsys, monkeypatch):
    """While the second case's brain, mask or image is put in its place."""
    out, calls = tmp_path / "out", []
    whole = os.replace

    def replace(one, other):
        calls.append(other)
        if len(calls) == 1 + 3 + at:  # the note, the first case, then this
            raise KeyboardInterrupt
        whole(one, other)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        assert "the same line goes on" in strip(
            capsys, "lgg", "--root", lgg, "--out", out, code=130
        )
    assert [path.name for path in (out / "images").iterdir()] == [
        f"{CASES[0]}.nii.gz"
    ] and not list(out.rglob("*.part*"))
    assert list(read("folder", out).files) == [CASES[0]] and (out / "splits.tsv").is_file()
    assert strip(capsys, "lgg", "--root", lgg, "--out", out).count("is there") == 1


@pytest.mark.parametrize(
    ("name", "words"),
    [("bright", ()), ("deep", ()), ("deep", ("--planes", 32)), ("bright", ("--size", 112))],
)
def test_what_a_network_marks_lies_on_the_grid_of_the_case(
    name, words, volumes, network, tmp_path, capsys
):
    strip(
        capsys,
        "folder",
        "--root",
        volumes,
        "--limit",
        1,
        *network(name),
        *words,
        "--out",
        tmp_path / "out",
    )
    brain = read("folder", tmp_path / "out", masks="brains/{stem}*").scan("a").labels.astype(bool)
    there = read("folder", volumes).scan("a").channels["image"] > 170
    assert brain.shape == there.shape == (6, 96, 64) and not brain[0].any() and not there[0].any()
    for found, true in zip(brain[1:], there[1:], strict=True):
        assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.97


def test_padded_pictures_come_back_too(volumes, network, tmp_path, capsys):
    card = {
        "dataset_options": {"size": 80, "window": "minmax", "fit": "pad"}
    }  # cut above and below, padded at the sides
    strip(
        capsys,
        "folder",
        "--root",
        volumes,
        "--limit",
        1,
        *network("bright", **card),
        "--out",
        tmp_path / "out",
    )
    brain = read("folder", tmp_path / "out", masks="brains/{stem}*").scan("a").labels.astype(bool)
    there = read("folder", volumes).scan("a").channels["image"] > 200
    np.testing.assert_array_equal(brain[:, 8:88], there[:, 8:88])
    assert not brain[:, :8].any() and not brain[:, 88:].any()


def test_a_case_that_cannot_be_stripped_leaves_the_others(lgg, tmp_path, capsys):
    for n in NUMBERS:
        tifffile.imwrite(
            lgg / "kaggle_3m" / CASES[0] / f"{CASES[0]}_{n}.tif",
            np.full((SIZE, SIZE, 3), 7, np.uint8),
        )
    (lgg / "kaggle_3m" / CASES[1] / f"{CASES[1]}_2_mask.tif").unlink()
    said = strip(capsys, "lgg", "--root", lgg, "--out", tmp_path / "out", code=1)
    assert "no brain is found" in said and f"{CASES[1]}_2_mask.tif" in said and "1 cases in" in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["brain-tumor-mri"], "classes"),
        (["mni-lesion"], "no volumes"),
        (["lgg", "--limit", "0"], "at least 1"),
        (["lgg", "--split", "val"], "none of 3 cases"),
        (["lgg", "--by", "nothing@x"], "nothing"),
        (["lgg", "--by", "unet@none"], "no weights"),
    ],
)
def test_what_cannot_be_done_is_said_with_exit_code_2(
    words, says, lgg, tmp_path, capsys, monkeypatch
):
    root = ["--root", lgg] if words[0] == "lgg" else []
    if words[-1] == "val":  # whoever is in val today
        monkeypatch.setattr(get("dataset", "lgg").load(), "split", lambda self, case: "train")
    assert (
        says in strip(capsys, *words, *root, "--out", tmp_path / "out", code=2)
        and not (tmp_path / "out").exists()
    )


def test_networks_and_folders_that_do_not_fit_are_refused(lgg, volumes, network, tmp_path, capsys):
    def refused(*words) -> str:
        return strip(capsys, "lgg", "--root", lgg, *words, code=2)

    by = network("bright")
    assert "or --force" in refused(*by[:2], "--out", tmp_path / "out")
    assert "slice by slice" in refused(*by, "--planes", 3, "--out", tmp_path / "out")
    assert "mark lesions" in refused(*network("bright", target="lesion"), "--out", tmp_path / "out")
    assert "--size" in refused(*network("bright", dataset_options=None), "--out", tmp_path / "out")
    assert "is the data set itself" in refused("--out", lgg / "kaggle_3m")
    assert "not what `data strip` wrote" in refused("--out", tmp_path)
    strip(capsys, "lgg", "--root", lgg, "--limit", 1, "--out", tmp_path / "out")
    said = refused(*network("bright"), "--out", tmp_path / "out")
    assert "by classical, now bright" in said
    assert os.listdir(tmp_path / "out" / "images") == [f"{CASES[0]}.nii.gz"]

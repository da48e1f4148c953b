"""`data check` as a person and a script meet it: exit codes, tables, JSON, several data sets,
ctrl-C; and the real copies.
"""

from __future__ import annotations

import io
import json
import os
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import tifffile
from rich.console import Console

from benchmark.cli import main
from benchmark.datacheck import Source, survey
from benchmark.report.data_check import print_data_check
from tests.made_scans import Made, scan

NAMES = ("TCGA_CS_4941_19960909", "TCGA_DU_7301_19911112")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in NAMES:
        (tmp_path / "kaggle_3m" / name).mkdir(parents=True)
        rng = np.random.default_rng(len(name) + int(name[-2:]))
        for n, area in enumerate((0, 4, 30, 12, 0), 1):
            image, mask = np.zeros((64, 64, 3), np.uint8), np.zeros((64, 64), np.uint8)
            image[8:56, 8:56] = rng.integers(40, 200, (48, 48, 3))
            mask[20 : 20 + area, 20 : 15 + int(name[-2:])] = 255  # 4 and 7 wide
            tifffile.imwrite(tmp_path / "kaggle_3m" / name / f"{name}_{n}.tif", image)
            tifffile.imwrite(tmp_path / "kaggle_3m" / name / f"{name}_{n}_mask.tif", mask)
    return tmp_path


def check(*argv: object) -> int:
    return main(["data", "check", *map(str, argv)])


def spoil(root: Path, name: str) -> None:
    (root / "kaggle_3m" / name / f"{name}_2.tif").write_bytes(b"not a picture")


def test_a_good_copy(root, capsys) -> None:
    assert check("lgg", "--root", root) == 0
    out = capsys.readouterr().out
    assert "5 x 64 x 64" in out and "pre-contrast, flair, post-contrast" in out
    assert out.endswith("2 cases looked at: 0 failures, 0 warnings, 0 notes\n")


def test_damage_is_a_failure_and_stops_nothing(root, capsys) -> None:
    spoil(root, NAMES[0])
    path = root / "kaggle_3m" / NAMES[1]
    for n in range(1, 6):
        image = tifffile.imread(path / f"{NAMES[1]}_{n}.tif")
        image[..., 2] = image[..., 1]
        tifffile.imwrite(path / f"{NAMES[1]}_{n}.tif", image)
    assert check("lgg", "--root", root) == 1
    out = capsys.readouterr().out
    assert (
        "failure  unreadable  1 case" in out
        and f"{NAMES[0]}_2.tif" in out
        and "warning  copied-channel  1 case" in out
    )
    assert check("lgg", "--root", root, "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["failed"] and [f["name"] for f in told["findings"]] == [
        "unreadable",
        "copied-channel",
        "note",
    ]
    meant = {
        "name": "copied-channel",
        "level": "warning",
        "where": [f"lgg/{NAMES[1]}"],
        "what": "flair = post-contrast",
    }
    assert meant.items() <= told["findings"][1].items() and {"meaning", "todo"} <= set(
        told["findings"][1]
    )
    broken, good = told["cases"]
    assert (broken["case"], broken["readable"]) == (NAMES[0], False) and "shape" not in broken
    assert (
        good["shape"] == [5, 64, 64]
        and good["labels"] == {"0": 5 * 64 * 64 - 322, "1": 322}
        and good["lesion_planes"] == 3
    )
    assert good["channels"]["flair"]["dtype"] == "uint8" and good["person"] == "TCGA_DU_7301"


def test_options_choose_channels(root, capsys) -> None:
    assert check("lgg", "--root", root, "--set", "channel=flair", "--json") == 0
    assert {
        name for case in json.loads(capsys.readouterr().out)["cases"] for name in case["channels"]
    } == {"flair"}


def test_against_another_copy(root, tmp_path, capsys) -> None:
    assert check("lgg", "--root", root, "--against", f"lgg@{root / 'kaggle_3m'}", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert sorted(f["name"] for f in told["findings"]) == [
        "duplicate",
        "duplicate",
        "same-person",
        "same-person",
    ]
    assert told["findings"][0]["where"] == [
        f"lgg@{root}/{NAMES[0]}",
        f"lgg@{root / 'kaggle_3m'}/{NAMES[0]}",
    ]
    for wrong in ("lgg@", "@folder"):
        assert check("lgg", "--root", root, "--against", wrong) == 2
    assert check("lgg", "--root", tmp_path / "nowhere") == check("lgx") == 2


def test_interrupted(root, monkeypatch, capsys) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("benchmark.datacheck.facts_of", stop)
    assert check("lgg", "--root", root) == 130


@pytest.mark.parametrize("width", [80, 160])
def test_the_table_fits(width) -> None:
    scans = [
        scan(f"a_case_with_a_long_name_{n:04d}_x", n % 5, known=(0, 2), notes=("a word " * 40,))
        for n in range(9)
    ]
    text = io.StringIO()
    print_data_check(
        survey([Source("made", Made(scans))]),
        Console(file=text, force_terminal=True, width=width, color_system=None),
    )
    lines = text.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    shown = "\n".join(lines)
    assert (
        "unknown-label  9 cases" in shown
        and "and 3 more: --json" in shown
        and "flair" in shown
        and "int16" in shown
    )


def test_one_scan_in_memory_at_a_time() -> None:
    class Counted(Made):
        alive = most = 0

        def read(self, case):
            made = scan(case)
            Counted.alive += 1
            Counted.most = max(Counted.most, Counted.alive)
            weakref.finalize(made, lambda: setattr(Counted, "alive", Counted.alive - 1))
            return made

    import weakref

    survey([Source("made", Counted([scan(f"case_{n}_x") for n in range(5)]))])
    assert Counted.most <= 2  # the last one goes when the next has taken its name


DATA = Path(os.environ.get("SINCO_BENCH_DATA", "/nowhere"))


def real(name: str, folder: str, capsys, *more: object) -> dict[str, list[str]]:
    if not (DATA / folder).is_dir():
        pytest.skip(f"no {folder} in $SINCO_BENCH_DATA")
    check(name, "--root", DATA / folder, *more, "--json")
    out: dict[str, list[str]] = {}
    for finding in json.loads(capsys.readouterr().out)["findings"]:
        out.setdefault(finding["name"], []).append(f"{finding['where'][0]}: {finding['what']}")
    return out


def test_the_real_brats(capsys) -> None:
    """The release that was z-scored, against the one that was not: one patient is in both."""
    if not (DATA / "brats18").is_dir():
        pytest.skip("no brats18 in $SINCO_BENCH_DATA")
    found = real(
        "brats",
        "brats2015",
        capsys,
        "--against",
        f"brats@{DATA / 'brats18'}",
        "--set",
        "channel=flair",
    )
    assert set(found) == {
        "label-outside-brain",
        "same-mask",
        "near-duplicate",
        "same-person",
        "background",
    }
    assert len(found["background"]) == 3 and "background -5.34254" in found["background"][1]
    assert [text.split(" labeled voxels ")[1][:2] for text in found["label-outside-brain"]] == [
        "14",
        "2 ",
        "14",
    ]
    assert (
        "0 of 256 bits differ" in found["near-duplicate"][0]
        and "BRATS2013_21_1, all in test" in found["same-person"][0]
    )


def test_the_real_jpegs(capsys) -> None:
    """One slice stands in Testing twice, flipped, and in Training: no list of duplicates has it."""
    found = real("brain-tumor-mri", "brain_tumor_mri_masoudnickparvar_224", capsys)
    copies = ("Testing-none-Te-no_0185", "Testing-none-Te-no_0249", "Training-none-Tr-no_1224")
    for one, other in combinations(copies, 2):
        pairs = [
            text for text in found["near-duplicate"] if f"{one} (" in text and f"{other} (" in text
        ]
        assert len(pairs) == 1, (one, other)
    assert set(found) == {"near-duplicate", "note"}
    assert real("brain-tumor-mri", "brain_tumor_classification_sartajbhuvaji", capsys) == {}

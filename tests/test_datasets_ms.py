"""ms: the three spaces of open_ms_data, and which channels lie as the mask does."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from benchmark.errors import InputError
from benchmark.plugins.index import get
from benchmark.types import SPLITS
from tests.volume_files import save_volume

SHAPE = (8, 20, 16)
MNI = {
    part: f"{name}_N4_noneck_reduced_winsor_regtoFLAIR_brain_N4_regtoMNI"
    for part, name in {"t1": "T1", "t1post": "T1POST", "t2": "T2", "flair": "FLAIR"}.items()
}
MNI["labels"] = "GOLD_STANDARD_N4_noneck_reduced_winsor_regtoFLAIR_regtoMNI"
OWN = {
    "t1": "T1W",
    "t1post": "T1WKS",
    "t2": "T2W",
    "flair": "FLAIR",
    "labels": "consensus_gt",
    "brain": "brainmask",
}


def scan() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(4)
    arrays = {}
    for part in ("t1", "t1post", "t2", "flair"):
        arrays[part] = np.zeros(SHAPE, np.float32)
        arrays[part][1:7, 3:17, 2:14] = rng.uniform(-50, 900, (6, 14, 12))
    arrays["labels"], arrays["brain"] = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    arrays["labels"][4, 6:9, 5:9] = arrays["labels"][5, 6:8, 5:9] = 1
    arrays["brain"][2:7, 4:16, 3:13] = 1
    return arrays


def write(
    root: Path,
    space: str,
    case: str,
    parts: tuple[str, ...] = ("t1", "t1post", "t2", "flair", "labels"),
    prefix: str = "",
) -> Path:
    folder, arrays = root / "open_ms_data" / "cross_sectional" / space / case, scan()
    for part in parts:
        voxels = (
            arrays[part][:, ::2]
            if space == "raw" and part not in ("flair", "labels")
            else arrays[part]
        )
        save_volume(folder / f"{prefix}{(MNI if space == 'MNI' else OWN)[part]}.nii.gz", voxels)
    return folder


def ms(root: Path | None, **options):
    return get("dataset", "ms").load()(root, **{"size": 0} | options)


@pytest.mark.parametrize("channel", ["t1", "t1post", "t2", "flair"])
@pytest.mark.parametrize(
    ("space", "prefix"),
    [("MNI", ""), ("coregistered", ""), ("coregistered", "patient07_"), ("raw", "")],
)
def test_channels_and_masks_of_each_space(space, prefix, channel, tmp_path) -> None:
    brain = space == "coregistered"
    write(
        tmp_path,
        space,
        "patient07",
        (*("t1", "t1post", "t2", "flair", "labels"), *(["brain"] if brain else [])),
        prefix,
    )
    if space == "raw" and channel != "flair":
        with pytest.raises(InputError, match="raw channels lie in spaces of their own"):
            ms(tmp_path, space=space, channel=channel)
        return
    arrays, dataset = scan(), ms(tmp_path, space=space, channel=channel, window="minmax")
    assert [sample_id for split in SPLITS for sample_id in dataset.ids(split)] == ["patient07-004"]
    sample = dataset.load("patient07-004")
    low, high = arrays[channel].min(), arrays[channel].max()
    assert np.allclose(sample.image[..., 0], (arrays[channel][4] - low) / (high - low), atol=1e-6)
    assert np.array_equal(sample.mask, arrays["labels"][4] > 0)
    assert np.array_equal(
        sample.brain, arrays["brain"][4] > 0 if brain else arrays[channel][4] != 0
    )
    assert sample.patient == "patient07" and dataset.person("patient07") == "open_ms_patient07"


def test_spaces_stay_apart(tmp_path) -> None:
    write(tmp_path, "MNI", "patient07", ("t1", "labels"))
    write(tmp_path, "MNI", "patient08", ("labels",))
    write(tmp_path, "coregistered", "patient09", ("t1", "labels", "brain"))
    assert list(ms(tmp_path).files) == ["patient07", "patient08"] and list(
        ms(tmp_path, space="coregistered").files
    ) == ["patient09"]
    assert (
        ms(tmp_path).split("patient07")
        == ms(tmp_path, space="coregistered").split("patient07")
        == "test"
    )
    with pytest.raises(InputError, match=r"no raw/patientNN[^~]*space=MNI, coregistered"):
        ms(tmp_path, space="raw", channel="flair").ids("test")
    with pytest.raises(InputError, match="channel t1 of ms patient08\n.*there are none"):
        ms(tmp_path).load("patient08-004")
    with pytest.raises(InputError, match="channel flair of ms patient07\n.*there are t1"):
        ms(tmp_path, channel="flair").load("patient07-004")
    write(tmp_path / "again", "MNI", "patient07", ("t1",))
    with pytest.raises(InputError, match="ms case patient07\n.*one is too many: .*again"):
        ms(tmp_path).read("patient07")
    write(tmp_path, "MNI", "patient08", ("t1",))
    assert ms(tmp_path).read("patient08").shape == SHAPE


def test_folders_and_options_that_are_not_there(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv("SINCO_BENCH_DATA", raising=False)
    for where in (None, tmp_path / "nowhere", tmp_path):
        with pytest.raises(InputError, match="github.com/muschellij2/open_ms_data"):
            ms(where).fetch()
    for options in ({"channel": "pd"}, {"space": "native"}):
        with pytest.raises(InputError, match=next(iter(options))):
            ms(tmp_path, **options)


REAL = Path(os.environ.get("SINCO_BENCH_DATA", "nowhere"))


@pytest.mark.skipif(
    not (REAL / "open_ms_data").is_dir(),
    reason="SINCO_BENCH_DATA with open_ms_data in it is not set",
)
def test_the_real_patient() -> None:
    dataset = ms(None)
    found = dataset.scan("patient07")
    areas, t1 = found.areas(), found.channels["t1"]
    assert (
        found.shape == (182, 218, 182)
        and found.orientation == "LAS"
        and found.background == {"t1": 0}
    )
    assert sum(areas) == 1300 and np.flatnonzero(areas)[[0, -1]].tolist() == [43, 125]
    assert t1.min() == pytest.approx(-51.1, abs=0.05) and t1.max() == pytest.approx(1337.1, abs=0.1)
    assert found.tissue("t1").mean() == pytest.approx(0.157, abs=5e-4)
    sample = dataset.load(dataset.ids("test")[0])
    assert (
        sample.id == "patient07-061"
        and sample.mask.sum() == max(areas)
        and (sample.mask & sample.brain).sum() == max(areas)
    )

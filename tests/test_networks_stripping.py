"""A data set stripped from Python: what became of each case comes back, and nothing is printed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmark.errors import InputError
from benchmark.networks.stripping import StripRequest, strip_dataset
from tests.test_cli_read import head
from tests.volume_files import save_volume


@pytest.fixture
def request_(tmp_path):
    """Two volumes with masks: a head, and nothing."""
    for name, scale in (("a", 1000), ("b", 0)):
        picture = np.rint(scale * head(lesion=True, scalp=0.0)).astype(np.int16)
        pictures = np.stack([picture] * 4)
        pictures[0, 0, 0] = 1
        save_volume(tmp_path / "own" / "images" / f"{name}.nii.gz", pictures, (4, 1, 1))
        mask = (pictures > 700).astype(np.uint8)
        save_volume(tmp_path / "own" / "masks" / f"{name}.nii.gz", mask, (4, 1, 1))
    return StripRequest("folder", tmp_path / "out", root=tmp_path / "own")


def test_cases_are_written_left_out_or_there_already(request_, capsys):
    told = []
    done, folder = strip_dataset(request_, lambda case, i, count: told.append((case, i, count)))
    assert told == [(done[0], 1, 2), (done[1], 2, 2)] and capsys.readouterr() == ("", "")
    assert 0.2 < done[0].brain_share < 0.5 and done[0].lesion_outside == 0 and not done[0].failed
    assert done[1].failed == "no brain is found in it" and done[1].error is None
    assert folder.cases == 1 and f"splits={folder.out / 'splits.tsv'}" in folder.sets
    again, _ = strip_dataset(request_)
    assert [case.was_there for case in again] == [True, False]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"limit": 0}, "limit=0"),
        ({"name": "mni-lesion", "root": None}, "it has no volumes"),
        ({"sets": {"chanel": 1}}, "sets={'chanel': '1'}"),
    ],
)
def test_errors_name_fields_and_leave_nothing(change, says, request_):
    with pytest.raises(InputError) as caught:
        strip_dataset(replace(request_, **change))
    assert says in str(caught.value) and "--" not in str(caught.value)
    assert not request_.out.exists()

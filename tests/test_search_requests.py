"""Searches, plans and profiles called from Python: results come back, and nothing is printed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmark.errors import InputError
from benchmark.listener import Quiet
from benchmark.plan.estimate import Line, estimate
from benchmark.plan.job import resolve
from benchmark.plan.selection import Selection
from benchmark.plugins.index import add_plugin_file
from benchmark.report.tuned import command, outcomes, plain, text, write_tuning
from benchmark.runner.doctor import look_at_machine
from benchmark.runner.duration import profile_job
from benchmark.search.learning import LearnRequest, learn_state
from benchmark.search.tune import Candidate
from benchmark.search.tuning import TuneRequest, tune_rates
from tests import tiny_networks
from tests.conftest import TINY

TUNE = TuneRequest(
    dataset="tiny",
    limit=1,
    optimizer=("soap",),
    lr=(1e-2,),
    steps=2,
    sets={"tiny.size": 64, "hidden_layers": 1},
    device="cpu",
)
SIREN = {"hidden_features": 8, "hidden_layers": 1}
LEARN = LearnRequest(dataset="tiny", sets=SIREN, rounds=1, steps=2, limit=1, device="cpu")


@pytest.fixture(autouse=True)
def tiny():
    add_plugin_file(TINY)


class Told(Quiet):
    """Keeps the lines that it is told."""

    def __init__(self) -> None:
        self.said = []

    def say(self, text):
        self.said.append(text)


def test_a_search_returns_its_fits_and_prints_nothing(tmp_path, capsys):
    found = tune_rates(replace(TUNE, out=tmp_path))
    assert capsys.readouterr() == ("", "") and found.fits.is_file() and not found.raised
    assert {row.inr for row in found.rows} == {"siren"} and len(found.rows) == 2 * 3
    assert found.defaults["siren"] in {row.candidate for row in found.rows}
    assert isinstance(found.defaults["siren"], Candidate)
    page = write_tuning(found)
    assert command(found.request) in page.read_text() and str(tmp_path) not in page.read_text()
    assert command(found.request).endswith(
        "--limit 1 --optimizer soap --lr 0.01 --steps 2 --set tiny.size=64 --set hidden_layers=1"
    )
    assert text(found).splitlines()[0].startswith("backbone, size")
    assert len(plain(found, page)["tuned"]) == len(outcomes(found)) == 4


def test_a_state_is_learned_and_told_of(tmp_path):
    told = Told()
    made = learn_state(replace(LEARN, out=tmp_path / "state.safetensors"), told)
    assert made.path == tmp_path / "state.safetensors" and made.bytes == made.path.stat().st_size
    assert made.card["images"] == ["p1-0"] and made.card["args"]["hidden_features"] == 8
    assert told.said[-1].startswith("round 1 of 1")


@pytest.mark.parametrize(
    ("act", "request_", "says"),
    [
        (tune_rates, replace(TUNE, lr=(-1.0,)), "lr=-1.0"),
        (tune_rates, replace(TUNE, batch=0), "batch=0"),
        (tune_rates, replace(TUNE, sets={"hidden_features": 8}), "sets={'hidden_features': '...'}"),
        (tune_rates, replace(TUNE, inr=("sirne",)), "did you mean 'siren'"),
        (learn_state, replace(LEARN, rounds=0), "rounds=48"),
    ],
)
def test_errors_name_fields(act, request_, says):
    with pytest.raises(InputError) as caught:
        act(request_)
    assert says in str(caught.value) and "--" not in str(caught.value)


def test_a_plan_counts_cells_and_writes_nothing(store_folder, capsys):
    tiny_networks.write()
    selection = Selection(dataset="tiny", steps=4, lam=(1e-3,), sets=("hidden_features=8",))
    found = estimate(resolve(selection), store_folder)
    assert Line("siren", "0", 3, 0, None) in found.lines and found.unknown
    assert found.missing == sum(line.cells for line in found.lines) and found.minutes == 0
    assert capsys.readouterr() == ("", "") and not store_folder.exists()


def test_a_profile_says_how_long_a_selection_takes(capsys):
    tiny_networks.write()
    selection = Selection(
        dataset="tiny", steps=2, lam=(0.0,), sets=("hidden_features=8",), precision="float32"
    )
    found = profile_job(resolve(selection), device="cpu", kernel="torch")
    assert capsys.readouterr() == ("", "")
    own, reference = found.durations
    assert own.images == 3 and own.seconds > 0 and own.files[0].inr == "siren"
    assert reference.seconds is None  # no segmenter was in a loss
    assert "read 3 images" in found.profile.once and found.machine["device"] == "cpu"
    with pytest.raises(InputError, match="batch=0"):
        profile_job(resolve(selection), batch=0)


def test_the_machine_is_looked_at_in_words_of_python(capsys):
    found = {one.part: one for one in look_at_machine()}
    assert capsys.readouterr() == ("", "")
    assert "device='auto' takes c" in found["torch"].found and found["data set tiny"].ok

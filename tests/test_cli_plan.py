"""`plan`: what is stored already, and minutes for the rest from what stored fits of the same kind
took.
"""

from __future__ import annotations

import json

import pytest

from benchmark.cli import main
from benchmark.plan.job import resolve
from benchmark.plan.selection import Selection
from benchmark.store.store import Row, Store
from tests import tiny_networks
from tests.conftest import TINY


@pytest.fixture
def planned(tiny_dataset, store_folder, capsys):
    """What `plan --json` says, line by line, of 3 images x 2 seeds at lambda 0 and 1e-3."""
    tiny_networks.write()

    def lines():
        assert (
            main(
                [
                    "plan",
                    "--dataset",
                    "tiny",
                    "--plugin",
                    str(TINY),
                    "--steps",
                    "4",
                    "--lambda",
                    "1e-3",
                    "--seed",
                    "0,1",
                    "--out",
                    str(store_folder),
                    "--json",
                ]
            )
            == 0
        )
        return {
            (line["method"], line["lambda"]): line
            for line in json.loads(capsys.readouterr().out)["plan"]
        }

    return lines


def test_minutes_come_from_stored_fits_of_the_same_kind(planned, store_folder):
    assert {(line["cells"], line["stored"], line["minutes"]) for line in planned().values()} == {
        (6, 0, None),
        (3, 0, None),
    }
    fits = resolve(Selection(dataset="tiny", steps=4, lam=(1e-3,), seed=(0, 1))).fits
    plain = [cell for cell in fits if cell.lam == 0 and not cell.null]
    rows = [
        Row(
            cell.key,
            "ok",
            "",
            cell.sample_hash,
            {"method": "siren", "lambda": 0.0, "recipe": {"steps": 4}, "fit_seconds": 60.0 * i},
        )
        for i, cell in enumerate(plain[:3])
    ]
    other = Row(
        "another", "ok", "", "", rows[0].facts | {"recipe": {"steps": 5}, "fit_seconds": 1e6}
    )
    with Store(store_folder) as store:
        store.add([*rows, other, Row(plain[3].key, "failed", "why", "")])
    found = planned()
    assert (found["siren", "0"]["stored"], found["siren", "0"]["minutes"]) == (
        3,
        3.0,
    )  # a failed cell is still to do
    assert (
        found["siren", "null twin"]["minutes"] == 6.0 and found["siren", "0.001"]["minutes"] is None
    )
    assert found["jpeg2000", "-"]["minutes"] is None


def test_a_plan_is_saved_as_a_file_of_options(tiny_dataset, tmp_path, store_folder, capsys):
    tiny_networks.write()
    job = tmp_path / "job.toml"
    words = ["plan", "--dataset", "tiny", "--plugin", str(TINY), "--lambda", "1e-4", "--out"]
    words += [str(store_folder), "--set", "hidden_features=6"]
    assert main([*words, "--save", str(job), "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert main(["plan", "--config", str(job), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == planned
    assert main([*words, "--save", str(job)]) == 2
    assert "there is a file of that name" in capsys.readouterr().err
    assert not store_folder.exists()
